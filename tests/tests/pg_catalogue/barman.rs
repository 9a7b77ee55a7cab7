//! What Barman has made is read as it is.

use super::setting::Setting;

/// A backup at home, as Barman 3.19 leaves it.
fn at_home(setting: &Setting, id: &str, day: u32) {
    let info = format!(
        "backup_label='START WAL LOCATION: 0/{day}000028\\nLABEL: Barman backup main {id}\\n'\n\
         begin_offset=40\nbegin_time=2026-01-0{day} 01:00:00.123456+00:00\n\
         begin_wal=00000001000000000000000{day}\nbegin_xlog=0/{day}000028\n\
         children_backup_ids=None\ncluster_size=1000\ncompression=None\n\
         config_file=/etc/postgresql/15/main/postgresql.conf\ncopy_stats={{'copy_time': 1.5}}\n\
         deduplicated_size=700\nend_time=2026-01-0{day} 02:00:00+00:00\n\
         end_wal=00000001000000000000000{day}\nend_xlog=0/{day}000138\nerror=None\n\
         included_files=None\nmode=postgres\npgdata=/srv/pg\nserver_name=main\nsize=1000\n\
         status=DONE\nsystemid=7\ntablespaces=[('fast', 16385, '/fast')]\ntimeline=1\n\
         version=150020\nxlog_segment_size=16777216\n"
    );
    setting.sandbox.write(&format!("disk/main/meta/{id}-backup.info"), &info);
    for file in ["PG_VERSION", "backup_label", "base/1/1247", "global/pg_control"] {
        setting.sandbox.write(&format!("disk/main/base/{id}/data/{file}"), "x");
    }
}

#[test]
fn barmans_home_is_listed_kept_and_expired() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 1</retention_policy>");
    for day in 1..=4 {
        at_home(&setting, &format!("2026010{day}T010000"), day);
    }
    // Its own marks: one to keep, and one that it left when a hook said no.
    setting.sandbox.write("disk/main/meta/20260101T010000-keep", "standalone");
    setting.sandbox.write("disk/main/meta/20260104T010000-delete_this", "");
    let json = setting.json(&["list"]);
    let backups = json["servers"][0]["backups"].as_array().unwrap();
    let found: Vec<(&str, &str)> = backups
        .iter()
        .map(|it| (it["status"].as_str().unwrap(), it["retention"].as_str().unwrap()))
        .collect();
    let done = |verdict: &'static str| ("DONE", verdict);
    let expected = [done("VALID"), done("OBSOLETE"), done("OBSOLETE"), done("KEEP:STANDALONE")];
    assert_eq!(found, expected);
    assert_eq!(backups[0]["copies"][0]["layout"], "files");
    setting.pg(&["show", "main", "latest"]).exits(0).says("fast (16385) at /fast");
    setting.pg(&["expire", "main"]).exits(0);
    assert_eq!(setting.stored("disk"), ["20260101T010000", "20260104T010000"]);
    assert!(!setting.sandbox.path("disk/main/meta/20260102T010000-backup.info").exists());
    setting.pg(&["keep", "main", "first", "--release"]).exits(0);
    setting.pg(&["expire", "main"]).exits(0);
    assert_eq!(setting.stored("disk"), ["20260104T010000"]);
}

#[test]
fn a_bucket_of_barman_cloud_is_listed() {
    let setting = Setting::new("");
    let base = "disk/main/base/20260101T010000";
    let info = "begin_time=Thu Jan  1 01:00:00 2026\nbegin_xlog=0/1000028\n\
                end_time=Thu Jan  1 02:00:00 2026\nend_xlog=0/1000138\nmode=concurrent\n\
                size=None\nstatus=DONE\ntimeline=1\nversion=150020\n";
    setting.sandbox.write(&format!("{base}/backup.info"), info);
    for name in ["data.tar.gz", "data_0001.tar.gz", "16385.tar.gz"] {
        setting.sandbox.write(&format!("{base}/{name}"), "x");
    }
    setting.sandbox.write(&format!("{base}/annotations/keep"), "full");
    let json = setting.json(&["show", "main", "latest"]);
    assert_eq!((&json["keep"], &json["copies"][0]["layout"]), (&"full".into(), &"tar".into()));
    assert_eq!(json["end_time"], "2026-01-01 02:00:00+00:00");
}
