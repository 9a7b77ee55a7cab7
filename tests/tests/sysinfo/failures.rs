//! Programs that fail, hang, or write something else than is expected.

use std::{
    fs,
    process::Command,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::setting::{Setting, is_root};

const DPKG: &str = "/usr/bin/dpkg";
const FDISK: &str = "/sbin/fdisk";

#[test]
fn a_part_that_fails_does_not_keep_the_others_from_being_saved() {
    let scripts =
        [(DPKG, "echo half; echo 'dpkg: it is broken' >&2; exit 3"), (FDISK, "echo good")];
    let setting = Setting::of_parts(&["dpkg-selections", "fdisk-l", "mounts"], "", &scripts);
    let output = setting.run().exits(1);
    output.complains("dpkg: it is broken").complains("the selections of Debian packages");
    assert_eq!(setting.files(), ["fdisk-l.txt.bz2", "mounts.txt.bz2"]);
}

#[test]
fn a_program_that_hangs_is_ended_and_the_others_go_on() {
    let scripts = [(FDISK, "echo half; sleep 1000"), (DPKG, "echo good")];
    let more = "<timeout>1s</timeout>";
    let setting = Setting::of_parts(&["fdisk-l", "dpkg-selections"], more, &scripts);
    let began = Instant::now();
    setting.run().exits(1).complains("time limit").complains("<timeout>");
    assert!(began.elapsed() < Duration::from_mins(1));
    assert_eq!(setting.files(), ["dpkg-selections.txt.bz2"]);
}

#[test]
fn what_cedar_backup_does_not_save_is_a_warning_if_it_fails() {
    let all = ["ls-laR", "sfdisk-dump", "blkid", "systemctl-units", "crontabs"];
    let but = all.map(|it| format!("<exclude_part>{it}</exclude_part>")).concat();
    let scripts = [("lsblk", "exit 5"), (DPKG, "echo x"), (FDISK, "echo x")];
    let setting = Setting::new(&format!("<sysinfo>{but}</sysinfo>"), &scripts);
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("the block devices could not be saved"), "{output}");
    assert!(!setting.files().contains(&"lsblk.txt.bz2".to_owned()));
    // Asked for by name, it must be there.
    let setting = Setting::of_parts(&["lsblk"], "", &scripts);
    setting.run().exits(1).complains("lsblk failed with exit code 5");
}

#[test]
fn no_file_that_looks_good_is_made_of_nothing() {
    let cases =
        [("true", !is_root()), ("echo 'fdisk: cannot open /dev/sda: Permission denied' >&2", true)];
    for (script, warned) in cases {
        let setting = Setting::of_parts(&["fdisk-l"], "", &[(FDISK, script)]);
        let output = setting.run().exits(if warned { 7 } else { 0 });
        assert_eq!(output.to_string().contains("fdisk wrote nothing"), warned, "{output}");
        assert!(setting.files().is_empty());
    }
    // A part of the disks is better than nothing, but not everything.
    let script = "echo 'Disk /dev/sda'; echo 'fdisk: cannot open /dev/sdb: Input/output error' >&2";
    let setting = Setting::of_parts(&["fdisk-l"], "", &[(FDISK, script)]);
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("cannot open /dev/sdb"), "{output}");
    assert_eq!(setting.files(), ["fdisk-l.txt.bz2"]);
}

#[test]
fn a_machine_without_any_list_of_packages_is_worth_a_warning() {
    let scripts = [(DPKG, "true"), ("rpm", "true")];
    let setting = Setting::of_parts(&["dpkg-selections", "rpm-qa"], "", &scripts);
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("no list of the installed packages"), "{output}");
    assert!(setting.files().is_empty());
}

#[test]
fn output_of_any_bytes_and_any_size_is_saved_as_it_is() {
    let scripts = [(DPKG, "printf 'a\\377\\000b\\n'"), (FDISK, "head -c 50000000 /dev/zero")];
    let more = "<compress_mode>gzip</compress_mode>";
    let setting = Setting::of_parts(&["dpkg-selections", "fdisk-l"], more, &scripts);
    setting.run().exits(0);
    let decoded = |name: &str| {
        let output = Command::new("gzip").arg("-dc").arg(setting.path(name)).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(decoded("dpkg-selections.txt.gz"), b"a\xff\0b\n");
    assert_eq!(decoded("fdisk-l.txt.gz").len(), 50_000_000);
}

#[test]
fn an_override_that_leads_nowhere_is_a_failure() {
    let setting = Setting::of_parts(&["fdisk-l", "mounts"], "", &[(FDISK, "")]);
    fs::remove_file(setting.sandbox.path("bin/0")).unwrap();
    setting.run().exits(1).complains("bin/0");
    assert_eq!(setting.files(), ["mounts.txt.bz2"]);
}

#[test]
fn what_failed_today_is_not_hidden_by_what_was_staged() {
    let setting = Setting::of_parts(&["fdisk-l", "mounts"], "", &[(FDISK, "exit 1")]);
    let old = setting.path("fdisk-l.txt.bz2");
    fs::write(&old, "yesterday's").unwrap();
    setting.run().exits(1);
    assert!(old.exists(), "it was never staged: it may be the only copy");
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(24)).unwrap();
    fs::write(setting.path("cback.stage"), "").unwrap();
    setting.run().exits(1);
    assert!(!old.exists(), "it is staged, and would be taken for that of today");
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing_half_made() {
    let script = "echo half; touch $SANDBOX/half; exec sleep 1000";
    let setting = Setting::of_parts(&["fdisk-l", "mounts"], "", &[(FDISK, script)]);
    let child = setting.sandbox.spawn(&["-c", "hayloft.conf", "run", "sysinfo"]);
    let began = Instant::now();
    while !setting.sandbox.path("half").exists() {
        assert!(began.elapsed() < Duration::from_mins(1), "the program does not begin");
        sleep(Duration::from_millis(20));
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.unwrap(), Signal::INT).unwrap();
    let output = setting.sandbox.wait(child);
    assert_eq!(output.code, Some(5), "{output}");
    assert!(!setting.files().iter().any(|it| it.contains("fdisk") || it.starts_with('.')));
}
