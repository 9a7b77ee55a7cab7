//! The program purges what is old enough.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use hayloft_tests::Sandbox;

/// A staging and a collect directory that are purged after two days.
fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for directory in ["working", "staging", "collect", "objects"] {
        sandbox.dir(directory);
    }
    let dir = |name: &str| {
        format!("<dir><abs_path>$SANDBOX/{name}</abs_path><retain_days>2</retain_days>{more}</dir>")
    };
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><type>local</type><name>box</name><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <store><source_dir>$SANDBOX/staging</source_dir><storage>disk</storage></store>
  <purge>{}{}{}</purge>
  <storages><storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage></storages>
</cb_config>\n",
        dir("staging"),
        dir("MISSING"),
        dir("collect"),
    );
    sandbox.write("hayloft.xml", &text.replace(&dir("MISSING"), ""));
    sandbox.write("missing.xml", &text);
    sandbox
}

/// Writes a file that was last changed so many days ago.
fn old(sandbox: &Sandbox, days: u64, name: &str) {
    age(&sandbox.write(name, "12345"), days);
}

fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

const PURGE: &[&str] = &["--config", "hayloft.xml", "run", "purge"];

fn stored_day(sandbox: &Sandbox, day: &str, days: u64) {
    for name in ["box/a.tar", "box/cback.collect", "cback.stage", "cback.store"] {
        old(sandbox, days, &format!("staging/{day}/{name}"));
    }
}

#[test]
fn whole_days_go_in_one_run_and_younger_ones_stay() {
    let sandbox = sandbox("");
    stored_day(&sandbox, "2020/01/30", 3);
    stored_day(&sandbox, "2020/02/01", 1);

    let dry = sandbox.ok(&["--config", "hayloft.xml", "run", "--dry-run", "purge"]);
    dry.says("would remove 4 files, 3 directories, 20 bytes");
    assert!(sandbox.path("staging/2020/01/30/box/a.tar").exists());

    sandbox.ok(PURGE).says("removed 4 files, 3 directories, 20 bytes");
    assert_eq!(sandbox.names("staging/2020"), ["02"]);
    assert_eq!(sandbox.names("staging/2020/02/01"), ["box", "cback.stage", "cback.store"]);

    sandbox.ok(PURGE).says("removed 0 files, 0 directories, 0 bytes");
}

#[test]
fn what_is_not_stored_or_staged_is_kept_with_a_warning_until_told_otherwise() {
    let days = |sandbox: &Sandbox| {
        old(sandbox, 9, "staging/2020/01/30/box/a.tar");
        old(sandbox, 9, "staging/2020/01/30/cback.stage");
        old(sandbox, 9, "collect/b.tar");
        old(sandbox, 9, "collect/cback.collect");
    };
    let careful = sandbox("");
    days(&careful);
    let output = careful.run(PURGE).exits(7);
    output.complains("staging/2020/01/30, 2 of its files due: staged, but has no cback.store yet");
    output.complains("collect, 2 of its files due: collected, but not staged yet");
    assert!(careful.path("staging/2020/01/30/box/a.tar").exists());
    assert!(careful.path("collect/b.tar").exists());

    let told = sandbox("<unstored>Y</unstored>");
    days(&told);
    told.ok(PURGE).says("removed 4 files, 4 directories");
    assert!(told.names("staging").is_empty() && told.names("collect").is_empty());
}

#[test]
fn a_day_that_was_staged_in_part_is_not_stored() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "staging/2020/01/30/box/a.tar");
    // Nothing but what an interrupted run or a failed peer left.
    old(&sandbox, 9, "staging/2020/01/31/.hayloft-stage-0/a.tar");
    sandbox.dir("staging/2020/01/31/box");
    // The rest of a purge that was interrupted.
    old(&sandbox, 9, "staging/2020/02/01/box/a.tar");
    old(&sandbox, 9, "staging/2020/02/01/cback.store");
    let output = sandbox.run(PURGE).exits(7);
    output.complains("staging/2020/01/30, 1 of its files due: not all of its peers were staged");
    assert_eq!(sandbox.names("staging/2020"), ["01"]);
    assert_eq!(sandbox.names("staging/2020/01"), ["30"]);
    assert!(sandbox.path("staging/2020/01/30/box/a.tar").exists());
}

#[test]
fn a_missing_directory_is_an_error_after_the_others_were_purged() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "collect/b.tar");
    let output = sandbox.run(&["--config", "missing.xml", "run", "purge"]).exits(1);
    output.complains("cannot purge $SANDBOX/MISSING");
    assert!(sandbox.names("collect").is_empty(), "the one after it is purged");
}

#[test]
fn links_go_by_their_own_age_and_lead_nowhere() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "precious/file");
    symlink(sandbox.path("precious"), sandbox.path("collect/link")).unwrap();
    sandbox.ok(PURGE).says("removed 0 files");
    assert!(fs::symlink_metadata(sandbox.path("collect/link")).unwrap().is_symlink());
    assert!(sandbox.path("precious/file").exists());
}

#[test]
fn a_day_can_be_as_old_as_its_name_says() {
    let sandbox = sandbox("<age>day</age>");
    // Copied from another disk, so all files are new.
    for (day, n) in [("2026/11/15", 0), ("2026/11/16", 0), ("2026/11/17", 0), ("2025/01/01", 0)] {
        stored_day(&sandbox, day, n);
    }
    let purge = ["--config", "hayloft.xml", "--now", "2026-11-17T06:00:00", "run", "purge"];
    sandbox.ok(&purge).says("removed 8 files");
    assert_eq!(sandbox.names("staging"), ["2026"]);
    assert_eq!(sandbox.names("staging/2026/11"), ["16", "17"]);
}

#[test]
fn a_full_disk_does_not_keep_a_purge_from_making_room() {
    let sandbox = sandbox("");
    stored_day(&sandbox, "2020/01/30", 3);
    // Nothing can be written to any file.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" cback3 -c hayloft.xml -l /dev/null purge";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(sandbox.program().path()).current_dir(sandbox.path(""));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(sandbox.names("staging").is_empty(), "{output:?}");
}

#[test]
fn a_dry_run_lists_everything_that_would_go() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "collect/b.tar");
    old(&sandbox, 9, "collect/sub/new\nline");
    old(&sandbox, 0, "collect/young");
    let output = sandbox.ok(&["--config", "hayloft.xml", "-v", "run", "--dry-run", "purge"]);
    let all = format!("{output}");
    for path in ["collect/b.tar", "collect/sub/new\\nline", "collect/sub"] {
        assert!(all.contains(&format!("would remove $SANDBOX/{path}")), "{path}: {all}");
    }
    assert!(!all.contains("young"), "{all}");
    assert_eq!(sandbox.names("collect"), ["b.tar", "sub", "young"]);
}

#[test]
fn what_is_no_file_stays_and_links_that_lead_nowhere_go() {
    let sandbox = sandbox("");
    let text = sandbox.read("hayloft.xml").replace(">2<", ">0<");
    sandbox.write("hayloft.xml", &text);
    let fifo = sandbox.path("collect/fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    symlink("nowhere", sandbox.path("collect/dangling")).unwrap();
    symlink(sandbox.path("working"), sandbox.path("collect/to-directory")).unwrap();
    sandbox.write("collect/sub/deep/file", "12345");
    sandbox.ok(PURGE).says("removed 3 files, 2 directories, ");
    assert_eq!(sandbox.names("collect"), ["fifo"]);
    assert!(sandbox.path("working").is_dir());
}

/// What is mounted goes away with the process.
const MOUNTED: &str = "\
    mount -t tmpfs -o mode=700 tmpfs $SANDBOX/collect/mounted || exit 99
    echo precious > $SANDBOX/collect/mounted/file
    mount --bind $SANDBOX/precious $SANDBOX/collect/bound || exit 99
    \"$0\" -c $SANDBOX/hayloft.xml --now 2040-01-01 run purge; echo \"code $?\"
    cat $SANDBOX/collect/mounted/file $SANDBOX/collect/bound/file; ls $SANDBOX/collect
";

#[test]
fn a_file_system_that_is_mounted_inside_is_left_alone() {
    let sandbox = sandbox("");
    for directory in ["collect/mounted", "collect/bound"] {
        sandbox.dir(directory);
    }
    sandbox.write("precious/file", "also precious\n");
    old(&sandbox, 9, "collect/b.tar");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &sandbox.expand(MOUNTED)]);
    let output = command.arg(sandbox.program().path()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    if stderr.contains("Operation not permitted") || stderr.contains("not trusted") {
        println!("checked only where one may mount: {stderr}");
        return;
    }
    assert!(
        stdout.ends_with("code 7\nprecious\nalso precious\nbound\nmounted\n"),
        "{stdout}{stderr}"
    );
    for name in ["mounted", "bound"] {
        let line =
            format!("collect/{name}, 1 of its files due: another file system is mounted there");
        assert!(stderr.contains(&line), "{stderr}");
    }
}

#[test]
fn files_that_come_and_go_meanwhile_do_no_harm() {
    let sandbox = sandbox("");
    let directories: Vec<_> = (0..40).map(|n| format!("collect/{n}")).collect();
    for directory in &directories {
        for file in 0..50 {
            old(&sandbox, 9, &format!("{directory}/{file}"));
        }
    }
    let paths: Vec<_> = directories.iter().map(|it| sandbox.path(it)).collect();
    let output = std::thread::scope(|scope| {
        let racer = scope.spawn(|| {
            for path in paths.iter().rev() {
                // Whether the purge was there before does not matter.
                let _ = fs::remove_file(path.join("7"));
                let _ = fs::write(path.join("new"), "new");
            }
        });
        let output = sandbox.run(PURGE);
        racer.join().unwrap();
        output
    });
    output.exits(0);
    for path in paths.iter().filter(|it| it.exists()) {
        let left: Vec<_> = fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["new"], "{}", path.display());
    }
}

#[test]
fn a_purge_that_is_killed_is_finished_by_the_next_one() {
    for signal in ["KILL", "TERM", "INT"] {
        let sandbox = sandbox("");
        for n in 0..300 {
            stored_day(&sandbox, &format!("20{:02}/01/{:02}", n / 25, n % 25 + 1), 9);
        }
        let child = sandbox.spawn(PURGE);
        std::thread::sleep(Duration::from_millis(120));
        let _ = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        sandbox.wait(child);
        for year in sandbox.names("staging") {
            for month in sandbox.names(&format!("staging/{year}")) {
                for day in sandbox.names(&format!("staging/{year}/{month}")) {
                    let day = sandbox.path(format!("staging/{year}/{month}/{day}"));
                    let whole = day.join("box/a.tar").exists() && day.join("cback.store").exists();
                    assert!(whole || !day.join("cback.stage").exists(), "{}", day.display());
                }
            }
        }
        sandbox.ok(PURGE);
        assert!(sandbox.names("staging").is_empty(), "{signal}");
    }
}
