//! Backups that Barman has made are restored and verified, and archiving goes on
//! after them. `scripts/barman` installs Barman, `scripts/moto` an S3 server.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Moto, SECRET_KEY};

use super::{
    ground::{Ended, Ground, ONE, wait_for},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM pgbench_accounts AS t";

/// Runs one of Barman's programs.
fn barman(ground: &Ground, name: &str, words: &[&str]) -> Ended {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/barman/bin").join(name);
    assert!(program.exists(), "{} is not there; run scripts/barman", program.display());
    let mut command = Command::new(program);
    ground.server.point(&mut command);
    command.args(words).current_dir(ground.dir()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_DEFAULT_REGION", "us-east-1").env("HOME", ground.dir());
    Ended::of(&command.output().unwrap())
}

/// A server that archives into a directory that somebody else empties.
fn archiving_into(directory: &str) -> Ground {
    let ground = Ground::with(ONE, |it| it.setting("archive_command", "false"));
    let path = ground.path(directory);
    fs::create_dir_all(&path).unwrap();
    ground.give(&path);
    archive_by(&ground, &format!("cp %p {}/%f", path.display()));
    ground
}

fn archive_by(ground: &Ground, command: &str) {
    ground.sql(&format!("ALTER SYSTEM SET archive_command = '{command}'"));
    ground.server.reload();
}

/// Ends the segment and waits until the server has archived it.
fn archive(ground: &Ground) {
    ground.sql("CREATE TABLE IF NOT EXISTS switched (at timestamptz)");
    ground.sql("INSERT INTO switched VALUES (now())");
    let last = ground.sql("SELECT pg_walfile_name(pg_switch_wal())");
    wait_for(&format!("the archiving of {last}"), || {
        ground.sql("SELECT last_archived_wal FROM pg_stat_archiver") >= last
    });
}

/// Goes on archiving by us.
fn take_over(ground: &Ground) {
    let path = ground.dir().display();
    archive_by(ground, &format!("{path}/bin/hayloft -c {path}/hayloft.conf pg wal push main %p"));
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 2 WHERE aid < 300");
    archive(ground);
}

/// Lists, shows, verifies and restores the only backup there is.
fn usable(ground: &Ground, id: &str, more: &[&str]) {
    let listed = ground.pg(&["list", "main", "--json"]).exits(0).json();
    assert_eq!(listed["servers"][0]["backups"][0]["id"], *id, "{listed}");
    ground.pg(&["show", "main", id]).exits(0);
    let report = ground.pg(&["verify", "main", "--json"]).exits(0).json();
    assert_eq!(report["backups"], 1, "{report}");
    let expected = ground.server.sql("bench", SUM);
    let restored = Restored::restore(ground, "copy", more).promoted();
    assert_eq!(restored.sql_in("bench", SUM), expected);
    restored.is_sound();
    drill(ground, 0);
}

/// Does a drill; returns its report.
fn drill(ground: &Ground, code: i32) -> serde_json::Value {
    let report = ground.pg(&["drill", "main", "--json"]).exits(code).json();
    assert_eq!(report["proven"], code == 0, "{report}");
    report
}

/// Lets drills find the server's programs; amcheck is not installed everywhere.
fn with_drill(ground: &Ground, text: &str) -> String {
    let bin = ground.server.bin_dir().display();
    let drill =
        format!("<drill><programs>{bin}</programs><amcheck>none</amcheck></drill></server>");
    text.replace("</server>", &drill)
}

fn cloud(endpoint: &str) -> String {
    format!(
        "
  <storages>
    <storage><name>cloud</name><type>s3</type><bucket>{BUCKET}</bucket>
      <endpoint>{endpoint}</endpoint><prefix>pg</prefix><region>us-east-1</region>
      <access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>cloud</storage></server>
  </postgres_servers>"
    )
}

#[test]
fn a_bucket_of_barman_cloud_is_restored_and_goes_on() {
    let moto = Moto::start();
    moto.python(&format!("s3.create_bucket(Bucket='{BUCKET}')"));
    let (endpoint, destination) = (moto.endpoint(), format!("s3://{BUCKET}/pg"));
    let ground = archiving_into("incoming");
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.sql("CREATE TABLE there TABLESPACE fast AS SELECT generate_series(1, 1000) AS a");
    ground.server.pgbench("bench", 1);
    let to = ["--endpoint-url", &endpoint, &destination, "main"];
    let words = [&["--gzip", "--immediate-checkpoint"], to.as_slice()].concat();
    barman(&ground, "barman-cloud-backup", &words).exits(0);
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 700");
    archive(&ground);
    let mut names: Vec<PathBuf> =
        fs::read_dir(ground.path("incoming")).unwrap().map(|it| it.unwrap().path()).collect();
    names.sort();
    for path in names {
        let words = [&["--gzip"], to.as_slice(), &[path.to_str().unwrap()]].concat();
        barman(&ground, "barman-cloud-wal-archive", &words).exits(0);
    }
    ground.configure(&with_drill(&ground, &cloud(&endpoint)));
    take_over(&ground);
    let listed = ground.pg(&["list", "main", "--json"]).exits(0).json();
    let id = listed["servers"][0]["backups"][0]["id"].as_str().unwrap().to_owned();
    let map = format!("fast={}", ground.path("space-copy").display());
    usable(&ground, &id, &["--tablespace", &map]);
    // One flipped bit is found.
    moto.python(&format!(
        "key = 'pg/main/base/{id}/data.tar.gz'
content = bytearray(s3.get_object(Bucket='{BUCKET}', Key=key)['Body'].read())
content[len(content) // 2] ^= 1
s3.put_object(Bucket='{BUCKET}', Key=key, Body=bytes(content))"
    ));
    let report = ground.pg(&["verify", "main", "--json"]).exits(1).json();
    let object = report["problems"][0]["object"].as_str().unwrap();
    assert!(object.ends_with("data.tar.gz"), "{report}");
}

/// Barman's configuration, whose home is `$DIR/barman`.
const HOME: &str = "[barman]
barman_user = $USER
barman_home = $DIR/barman
barman_lock_directory = $DIR/barman
log_file = $DIR/barman/log
configuration_files_directory = $DIR/barman/conf.d

[main]
description = a server
conninfo = $CONNECTION dbname=postgres
streaming_conninfo = $CONNECTION
backup_method = postgres
immediate_checkpoint = true
archiver = on
path_prefix = $BIN
$MORE
";

fn home(more: &str) -> Ground {
    let ground = archiving_into("barman/main/incoming");
    let server = &ground.server;
    let connection = format!(
        "host={} port={} user={}",
        server.socket_dir().display(),
        server.port(),
        server.user()
    );
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let text = HOME
        .replace("$USER", String::from_utf8(user).unwrap().trim())
        .replace("$CONNECTION", &connection)
        .replace("$BIN", server.bin_dir().to_str().unwrap())
        .replace("$MORE", more);
    fs::write(ground.path("barman.conf"), ground.expand(&text)).unwrap();
    ground
}

/// Lets Barman make a backup and archive its WAL, and takes over; returns the
/// backup's id.
fn backed_up(ground: &Ground) -> String {
    let conf = ground.path("barman.conf");
    let call = |words: &[&str]| {
        let words = [&["-c", conf.to_str().unwrap()], words].concat();
        barman(ground, "barman", &words)
    };
    ground.server.pgbench("bench", 1);
    archive(ground);
    call(&["archive-wal", "main"]).exits(0);
    call(&["backup", "main"]).exits(0);
    ground.server.sql("bench", "UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 700");
    archive(ground);
    call(&["archive-wal", "main"]).exits(0);
    // Barman runs under our own account here, the program under the server's.
    let mut owned = Command::new("chown");
    owned.arg("-R").arg("--reference").arg(ground.server.data_dir()).arg(ground.path("barman"));
    assert!(owned.status().unwrap().success());
    ground.configure(&with_drill(ground, &ONE.replace("$DIR/disk", "$DIR/barman")));
    take_over(ground);
    ground.ids("barman").remove(0)
}

#[test]
fn a_home_of_barman_is_restored_and_goes_on() {
    let ground = home("");
    let id = backed_up(&ground);
    usable(&ground, &id, &[]);
    // A page that nobody has written since is damaged.
    let base = ground.path(format!("barman/main/base/{id}/data/base"));
    let files =
        fs::read_dir(base).unwrap().flat_map(|it| fs::read_dir(it.unwrap().path()).unwrap());
    let largest = files.map(|it| it.unwrap()).max_by_key(|it| it.metadata().unwrap().len());
    let path = largest.unwrap().path();
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5000).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 5000).unwrap();
    let report = ground.pg(&["verify", "main", "--json"]).exits(1).json();
    let named = report["problems"][0]["file"].as_str().unwrap();
    assert!(path.ends_with(named) && named.starts_with("base/"), "{report}");
    file.write_all_at(&byte, 5000).unwrap();
    // A label that went through somebody's editor is refused by the server.
    let label = ground.path(format!("barman/main/base/{id}/data/backup_label"));
    let text = fs::read_to_string(&label).unwrap();
    fs::write(&label, text.replace('\n', "\r\n")).unwrap();
    let problem = drill(&ground, 1)["problem"].to_string();
    assert!(problem.contains("backup_label") && problem.contains("carriage return"), "{problem}");
    // Without its label it would start, with wrong data.
    fs::remove_file(label).unwrap();
    let problem = drill(&ground, 1)["problem"].to_string();
    assert!(problem.contains("has no backup_label"), "{problem}");
    let ended = ground.pg(&["verify", "main"]).exits(1);
    assert!(ended.stdout.contains("has no backup_label"), "{}", ended.stdout);
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1).complains("has no backup_label");
    assert!(!ground.path("x").exists());
}

#[test]
fn compressed_archives_in_a_home_of_barman_are_restored() {
    let ground = home("backup_compression = gzip");
    let id = backed_up(&ground);
    assert!(ground.path(format!("barman/main/base/{id}/data/base.tar.gz")).exists());
    usable(&ground, &id, &[]);
}
