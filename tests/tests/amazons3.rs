//! Staged days are uploaded, and directories synchronised with a bucket.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    process::Command,
    time::Duration,
};

use hayloft_tests::{
    Sandbox,
    chaos::{noise, power_cut},
    fixture,
};

#[path = "amazons3/night.rs"]
mod night;
#[path = "amazons3/sync.rs"]
mod sync;

const TODAY: &str = "2026/11/17";
const UPLOAD: &[&str] = &["--config", "hayloft.xml", "run", "amazons3"];

/// A staging area, a local storage and, if it is wanted, buckets.
fn sandbox(amazons3: &str, buckets: bool) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    for directory in ["working", "collect", "objects", "buckets/mine", "buckets/other"] {
        sandbox.dir(directory);
    }
    sandbox.env("BUCKETS", sandbox.path("buckets").to_str().unwrap());
    let plugin = if buckets {
        let file = fixture::build("faulty-bucket");
        let copy = sandbox.path("libbucket.so");
        fs::copy(file, &copy).unwrap();
        format!("<plugins><plugin><file>{}</file></plugin></plugins>", copy.display())
    } else {
        String::new()
    };
    let text = format!(
        "<cb_config>{plugin}
  <options>
    <starting_day>tuesday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><name>box</name><type>local</type><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <amazons3>{amazons3}</amazons3>
  <storages>
    <storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage>
  </storages>
</cb_config>\n"
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

const DISK: &str = "<s3_bucket>mine/backups</s3_bucket><storage>disk</storage>";

fn staged(sandbox: &Sandbox, day: &str, files: &[(&[u8], &[u8])]) {
    let directory = sandbox.dir(&format!("staging/{day}"));
    for (name, content) in files {
        let path = directory.join(Path::new(OsStr::from_bytes(name)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    sandbox.write(&format!("staging/{day}/cback.stage"), "");
}

fn marked(sandbox: &Sandbox, day: &str) -> bool {
    sandbox.path(format!("staging/{day}/cback.amazons3")).is_file()
}

/// All files below a directory, by their paths.
fn all_files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with(".hayloft-staging") {
                    pending.push(path);
                }
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn keys(sandbox: &Sandbox) -> Vec<String> {
    all_files(&sandbox.path("objects")).into_keys().collect()
}

fn bucket(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let all = all_files(&sandbox.path("buckets/mine"));
    all.into_iter().map(|(key, content)| (key.replace("%2F", "/"), content)).collect()
}

#[test]
fn a_day_is_uploaded_with_all_files_but_indicators() {
    let sandbox = sandbox(DISK, false);
    let files: [(&[u8], &[u8]); 7] = [
        (b"box/a.tar", b"today"),
        (b"box/cback.collect", b""),
        (b"box/var-lib-cback.d.tar.gz", b"not an indicator"),
        (b"box/cback.conf", b"neither"),
        (b"box/sub/empty", b""),
        ("box/café\n".as_bytes(), b"odd"),
        (b"box/lat\xe9", b"odder"),
    ];
    staged(&sandbox, TODAY, &files);
    sandbox.ok(UPLOAD).says("2026/11/17 in disk: 6 files uploaded, 0 there already");
    let expected =
        ["a.tar", "café%0A", "cback.conf", "lat%E9", "sub/empty", "var-lib-cback.d.tar.gz"];
    assert_eq!(keys(&sandbox), expected.map(|it| format!("backups/{TODAY}/box/{it}")));
    assert!(marked(&sandbox, TODAY));
    sandbox.run(UPLOAD).exits(1).complains("none of today, yesterday and tomorrow");
    let full = ["--config", "hayloft.xml", "run", "--full", "amazons3"];
    sandbox.ok(&full).says("0 files uploaded, 6 there already");
}

#[test]
fn the_day_is_chosen_as_by_store_and_forgotten_days_are_named() {
    let sandbox = sandbox(&format!("{DISK}<warn_midnite>Y</warn_midnite>"), false);
    staged(&sandbox, "2026/11/16", &[(b"box/a", b"yesterday")]);
    staged(&sandbox, "2026/11/12", &[(b"box/a", b"forgotten")]);
    staged(&sandbox, "2026/11/11", &[(b"box/a", b"forgotten")]);
    let output = sandbox.run(UPLOAD).exits(7);
    output
        .complains("the run crossed midnight: 2026/11/16 was uploaded, not today")
        .complains("2 days before yesterday were never uploaded: 2026/11/12, 2026/11/11");
    assert_eq!(keys(&sandbox), ["backups/2026/11/16/box/a"]);
    sandbox.run(&["--config", "hayloft.xml", "run", "--full", "amazons3"]).exits(1);
    sandbox
        .run(&["--config", "hayloft.xml", "--now", "2026-11-12T01:00", "run", "amazons3"])
        .exits(0)
        .says("2026/11/12 in disk");
}

#[test]
fn what_is_left_of_an_earlier_upload_goes_after_the_new_one_is_complete() {
    let sandbox = sandbox(DISK, false);
    staged(&sandbox, TODAY, &[(b"box/a", b"1"), (b"box/old", b"2")]);
    sandbox.write("objects/backups/2026/11/16/box/other", "stays");
    sandbox.ok(UPLOAD);
    fs::remove_file(sandbox.path(format!("staging/{TODAY}/box/old"))).unwrap();
    staged(&sandbox, TODAY, &[(b"box/a", b"new"), (b"box/b", b"3")]);
    let full = ["--config", "hayloft.xml", "run", "--full", "amazons3"];
    sandbox.ok(&full).says("2 files uploaded, 0 there already, 1 old removed");
    let expected = ["2026/11/16/box/other", "2026/11/17/box/a", "2026/11/17/box/b"];
    assert_eq!(keys(&sandbox), expected.map(|it| format!("backups/{it}")));
}

#[test]
fn a_day_whose_files_are_gone_does_not_take_its_upload_with_it() {
    let sandbox = sandbox(DISK, false);
    staged(&sandbox, TODAY, &[(b"box/a", b"1")]);
    sandbox.ok(UPLOAD);
    fs::remove_file(sandbox.path(format!("staging/{TODAY}/box/a"))).unwrap();
    let full = ["--config", "hayloft.xml", "run", "--full", "amazons3"];
    sandbox.run(&full).exits(7).complains("those of an earlier upload were kept");
    assert_eq!(keys(&sandbox), ["backups/2026/11/17/box/a"]);
}

#[test]
fn a_bucket_without_a_plugin_says_what_is_missing() {
    let sandbox = sandbox("<s3_bucket>mine</s3_bucket>", false);
    staged(&sandbox, TODAY, &[(b"box/a", b"1")]);
    let output = sandbox.run(UPLOAD);
    if output.code == Some(1) && output.stderr.contains("needs a plugin") {
        output.complains("the bucket mine needs a plugin that offers the storage `s3`");
        output.complains("<storage>NAME</storage>");
    } else {
        // The plugin is there now; it cannot reach such a bucket.
        assert_ne!(output.code, Some(0), "{output}");
    }
    assert!(!marked(&sandbox, TODAY));
    sandbox.write(
        "hayloft.xml",
        &sandbox
            .read("hayloft.xml")
            .replace("<s3_bucket>mine<", "<storage>tape</storage><s3_bucket>mine<"),
    );
    sandbox.run(UPLOAD).exits(1).complains("no storage `tape` is configured");
}

#[test]
fn a_bucket_is_opened_by_its_name_alone() {
    let sandbox = sandbox("<s3_bucket>mine/path</s3_bucket>", true);
    staged(&sandbox, TODAY, &[(b"box/a", b"1")]);
    sandbox.ok(UPLOAD).says("2026/11/17 in s3://mine/path/: 1 file uploaded");
    let keys: Vec<String> = bucket(&sandbox).into_keys().collect();
    assert_eq!(keys, ["path/2026/11/17/box/a"]);
}

#[test]
fn an_upload_that_fails_leaves_the_old_one_and_no_indicator() {
    let sandbox = sandbox("<s3_bucket>mine</s3_bucket>", true);
    let files: Vec<(Vec<u8>, Vec<u8>)> =
        (0..6).map(|it| (format!("box/f{it}").into_bytes(), noise(1000, it))).collect();
    let files: Vec<(&[u8], &[u8])> = files.iter().map(|(a, b)| (&a[..], &b[..])).collect();
    staged(&sandbox, TODAY, &files);
    fs::write(sandbox.path("buckets/mine/2026%2F11%2F17%2Fbox%2Fold"), "old").unwrap();
    for n in 1..=6 {
        sandbox.write("buckets/faults", &format!("fail {n}"));
        sandbox.run(UPLOAD).exits(1).complains("the bucket fails");
        assert!(!marked(&sandbox, TODAY));
        assert!(bucket(&sandbox).contains_key("2026/11/17/box/old"));
        for key in bucket(&sandbox).into_keys().filter(|it| !it.ends_with("old")) {
            fs::remove_file(sandbox.path("buckets/mine").join(key.replace('/', "%2F"))).unwrap();
        }
    }
    sandbox.write("buckets/faults", "corrupt f3");
    sandbox.run(UPLOAD).exits(1).complains("f3 is not what was sent, when it is read back");
    assert!(!marked(&sandbox, TODAY));
    assert!(bucket(&sandbox).contains_key("2026/11/17/box/old"));

    sandbox.write("buckets/faults", "transient 1\ntransient 2");
    sandbox.ok(UPLOAD).says("1 old removed");
    let found = bucket(&sandbox);
    assert_eq!(found.len(), 6);
    for (name, content) in files {
        let key = format!("{TODAY}/{}", String::from_utf8_lossy(name));
        assert_eq!(found[&key], content);
    }
}

#[test]
fn a_run_that_is_killed_is_continued() {
    let sandbox = sandbox(DISK, false);
    let files: Vec<(Vec<u8>, Vec<u8>)> =
        (0..20).map(|it| (format!("box/f{it}").into_bytes(), noise(500_000, it))).collect();
    let files: Vec<(&[u8], &[u8])> = files.iter().map(|(a, b)| (&a[..], &b[..])).collect();
    staged(&sandbox, TODAY, &files);
    sandbox.write(&format!("objects/backups/{TODAY}/box/old"), "old");
    for delay in [20, 60, 100, 150, 220] {
        let mut child = sandbox.spawn(UPLOAD);
        std::thread::sleep(Duration::from_millis(delay));
        power_cut(&mut child);
        let keys = keys(&sandbox);
        let whole = keys.iter().filter(|it| !it.ends_with("/old")).count() == 20;
        assert!(whole || keys.iter().any(|it| it.ends_with("/old")), "{keys:?}");
        assert!(!marked(&sandbox, TODAY) || whole);
    }
    if !marked(&sandbox, TODAY) {
        sandbox.ok(UPLOAD);
    }
    let found = all_files(&sandbox.path("objects"));
    assert_eq!(found.len(), 20);
    for (name, content) in files {
        let key = format!("backups/{TODAY}/{}", String::from_utf8_lossy(name));
        assert_eq!(found[&key], content);
    }
}

#[test]
fn a_day_above_its_limit_is_not_uploaded() {
    let limits = "<full_size_limit>2 KB</full_size_limit><incr_size_limit>1 KB</incr_size_limit>";
    let sandbox = sandbox(&format!("{DISK}{limits}"), false);
    staged(&sandbox, TODAY, &[(b"box/a", &[0; 2049])]);
    // Tuesday is the first day of the week.
    let output = sandbox.run(UPLOAD).exits(1);
    output.complains("2026/11/17 has 2049 bytes, more than <full_size_limit>, 2.00 kB");
    staged(&sandbox, "2026/11/18", &[(b"box/a", &[0; 1025])]);
    let wednesday = ["--config", "hayloft.xml", "--now", "2026-11-18T01:00", "run", "amazons3"];
    sandbox.run(&wednesday).exits(1).complains("more than <incr_size_limit>");
    assert!(keys(&sandbox).is_empty());
    let full =
        ["--config", "hayloft.xml", "--now", "2026-11-18T01:00", "run", "--full", "amazons3"];
    sandbox.ok(&full);
}

#[test]
fn a_command_encrypts_whatever_files_are_called() {
    let templates = [
        "$SANDBOX/seal ${input} ${output}",
        "tr a-z n-za-m &lt; ${input} &gt; ${output}",
        "sh -c \"tr a-z n-za-m &lt; ${input} &gt; ${output}\"",
    ];
    for template in templates {
        let sandbox = sandbox(&format!("{DISK}<encrypt>{template}</encrypt>"), false);
        sandbox.script("seal", "#!/bin/sh\ntr a-z n-za-m < \"$1\" > \"$2\"\n");
        let files: [(&[u8], &[u8]); 5] = [
            (b"box/0empty", b""),
            (b"box/a b", b"hay"),
            (b"box/$(touch x); 'y' \"z\"", b"hay"),
            (b"box/lat\xe9\n*", b"hay"),
            (b"box/plain", b"hay"),
        ];
        staged(&sandbox, TODAY, &files);
        sandbox.ok(UPLOAD).says("5 files uploaded");
        let found = all_files(&sandbox.path("objects"));
        assert_eq!(found.len(), 5, "{found:?}");
        for (key, content) in found {
            let expected: &[u8] = if key.ends_with("0empty") { b"" } else { b"unl" };
            assert_eq!(content, expected, "{key}");
        }
        assert_eq!(sandbox.names("working"), ["hayloft"]);
        assert!(!sandbox.path("x").exists());
    }
}

#[test]
fn a_command_that_encrypts_nothing_is_noticed() {
    let cases = [
        ("true ${input} ${output}", "wrote nothing to ${output}"),
        ("false ${input} ${output}", "failed with exit code 1"),
        ("gpg -e ${input}", "the command has no ${output}"),
        ("missing-program ${input} ${output}", "missing-program"),
    ];
    for (template, complaint) in cases {
        let sandbox = sandbox(&format!("{DISK}<encrypt>{template}</encrypt>"), false);
        staged(&sandbox, TODAY, &[(b"box/a", b"clear")]);
        sandbox.run(UPLOAD).exits(1).complains(complaint);
        assert!(keys(&sandbox).is_empty());
        assert!(!marked(&sandbox, TODAY));
        assert_eq!(sandbox.names("working"), ["hayloft"]);
    }
}

#[test]
fn root_runs_the_command_as_the_backup_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can become somebody else; the rest is tested as it is");
        return;
    }
    let sandbox =
        sandbox(&format!("{DISK}<encrypt>$SANDBOX/seal ${{input}} ${{output}}</encrypt>"), false);
    let text = sandbox.read("hayloft.xml").replace("<backup_user>root<", "<backup_user>daemon<");
    sandbox.write("hayloft.xml", &text.replace("<backup_group>root<", "<backup_group>daemon<"));
    sandbox.script("seal", "#!/bin/sh\nid -un > \"$2\"\ncat \"$1\" >> \"$2\"\n");
    for directory in ["", "working"] {
        fs::set_permissions(sandbox.path(directory), fs::Permissions::from_mode(0o711)).unwrap();
    }
    staged(&sandbox, TODAY, &[(b"box/a b", b"hay")]);
    sandbox.ok(UPLOAD);
    assert_eq!(sandbox.read("objects/backups/2026/11/17/box/a b"), "daemon\nhay");
}

#[test]
fn an_encryptor_may_take_the_place_of_the_command() {
    let sandbox = sandbox(&format!("{DISK}<encryptor>vault</encryptor>"), false);
    let key = sandbox.path("key");
    assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
    let public = Command::new("age-keygen").arg("-y").arg(&key).output().unwrap().stdout;
    let public = String::from_utf8(public).unwrap();
    let encryptors = format!(
        "<encryptors><encryptor><name>vault</name><type>age</type><recipient>{}</recipient>\
         </encryptor></encryptors></cb_config>",
        public.trim()
    );
    let text = sandbox.read("hayloft.xml").replace("</cb_config>", &encryptors);
    sandbox.write("hayloft.xml", &text);
    staged(&sandbox, TODAY, &[(b"box/a", b"hay")]);
    sandbox.ok(UPLOAD);
    let object = sandbox.path("objects/backups/2026/11/17/box/a.age");
    let opened = Command::new("age").args(["-d", "-i"]).args([&key, &object]).output().unwrap();
    assert_eq!(opened.stdout, b"hay");
}

#[test]
fn a_storage_that_the_store_action_uses_too_keeps_its_day() {
    let sandbox = sandbox("<storage>disk</storage>", false);
    let store = "<store><storage>disk</storage></store></cb_config>";
    let text = sandbox.read("hayloft.xml").replace("</cb_config>", store);
    sandbox.write("hayloft.xml", &text);
    staged(&sandbox, TODAY, &[(b"box/a", b"hay")]);
    let run = ["--config", "hayloft.xml", "run", "store", "amazons3"];
    sandbox.run(&run).exits(7).complains("is kept by the action store too");
    assert_eq!(keys(&sandbox), [format!("{TODAY}/box/a"), format!("{TODAY}/manifest.json")]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = sandbox(DISK, false);
    staged(&sandbox, TODAY, &[(b"box/a", b"hay")]);
    sandbox
        .ok(&["--config", "hayloft.xml", "run", "--dry-run", "amazons3"])
        .says("would upload 1 file of 2026/11/17 to disk");
    assert!(keys(&sandbox).is_empty() && !marked(&sandbox, TODAY));
}
