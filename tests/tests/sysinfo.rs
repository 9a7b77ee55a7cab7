//! What describes a machine, saved by the whole program: with the real
//! programs where they are, and with scripts in their place.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "sysinfo/setting.rs"]
mod setting;

#[path = "sysinfo/failures.rs"]
mod failures;
#[path = "sysinfo/listing.rs"]
mod listing;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use setting::Setting;

/// The programs that Cedar Backup runs, as scripts.
const CEDAR: [(&str, &str); 3] = [
    ("/usr/bin/dpkg", "printf 'bash\\tinstall\\n'"),
    ("/sbin/fdisk", "echo 'Disk /dev/sda: 20 GiB'"),
    ("ls", "echo '/:'; echo 'total 4'; exit 1"),
];

#[test]
fn without_a_section_cedar_backups_files_are_made_with_its_arguments() {
    let setting = Setting::new("", &CEDAR);
    let output = setting.run();
    assert!(matches!(output.code, Some(0 | 7)), "{output}");
    let calls = setting.sandbox.read("calls");
    for call in ["/usr/bin/dpkg --get-selections\n", "/sbin/fdisk -l\n", "ls -laR /\n"] {
        assert!(calls.contains(call), "{call:?} is not in {calls}");
    }
    assert_eq!(setting.text("dpkg-selections.txt.bz2"), "bash\tinstall\n");
    assert_eq!(setting.text("fdisk-l.txt.bz2"), "Disk /dev/sda: 20 GiB\n");
    assert_eq!(setting.text("ls-laR.txt.bz2"), "/:\ntotal 4\n");
    for file in setting.files() {
        assert_eq!(Path::new(&file).extension(), Some("bz2".as_ref()), "{file}");
        let mode = fs::metadata(setting.path(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(setting.files().contains(&"mounts.txt.bz2".to_owned()));
}

#[test]
fn the_real_programs_say_what_they_say() {
    let cases = [
        ("dpkg-selections", "/usr/bin/dpkg", &["--get-selections"][..]),
        ("apt-mark-showmanual", "/usr/bin/apt-mark", &["showmanual"]),
        ("fstab", "/bin/cat", &["/etc/fstab"]),
    ];
    for (part, program, arguments) in cases {
        let output = Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").output();
        let Ok(output) = output else { continue };
        if !output.status.success() || output.stdout.is_empty() {
            continue;
        }
        let setting = Setting::of_parts(&[part], "<compress_mode>none</compress_mode>", &[]);
        setting.run().exits(0);
        assert_eq!(setting.files(), [format!("{part}.txt")]);
        assert!(setting.content(&format!("{part}.txt")) == output.stdout, "{part}");
    }
}

#[test]
fn units_and_crontabs_can_be_unpacked() {
    let parts = ["systemd-units", "crontabs"];
    let setting = Setting::of_parts(&parts, "", &[]);
    let output = setting.run();
    assert!(matches!(output.code, Some(0 | 7)), "{output}");
    for (part, path) in [("systemd-units", "etc/systemd"), ("crontabs", "etc/cron.d")] {
        let original = Path::new("/").join(path);
        if !original.is_dir() {
            continue;
        }
        let unpacked = setting.sandbox.dir(&format!("unpacked/{part}"));
        let tar = setting.path(&format!("{part}.tar.bz2"));
        let status = Command::new("tar").arg("-xjf").arg(tar).current_dir(&unpacked).status();
        assert!(status.unwrap().success());
        let status = Command::new("diff")
            .args(["-r", "--no-dereference"])
            .arg(&original)
            .arg(unpacked.join(path))
            .status();
        assert!(status.unwrap().success(), "{part}");
    }
}

#[test]
fn parts_are_chosen_and_compressed_as_the_section_says() {
    let setting =
        Setting::of_parts(&["mounts", "fstab"], "<exclude_part>fstab</exclude_part>", &[]);
    setting.run().exits(0).says("1 files");
    assert_eq!(setting.files(), ["mounts.txt.bz2"]);
    let setting = Setting::of_parts(&["mounts"], "<compress_mode>zstd</compress_mode>", &[]);
    setting.run().exits(0);
    assert_eq!(setting.files(), ["mounts.txt.zst"]);
}

#[test]
fn a_dry_run_starts_nothing_and_writes_nothing() {
    let setting = Setting::new("", &CEDAR);
    let output = setting.sandbox.ok(&["-c", "hayloft.conf", "run", "--dry-run", "sysinfo"]);
    output.says("would save");
    assert!(setting.files().is_empty());
    assert!(!setting.sandbox.path("calls").exists());
}

#[test]
fn what_is_wrong_with_the_section_is_told_with_its_place() {
    for (element, complaint) in [
        ("<part>lsblkk</part>", "there is no part `lsblkk`"),
        ("<list_dir>home</list_dir>", "not an absolute path"),
        ("<exclude><pattern>*</pattern></exclude>", "the pattern `*` cannot be used"),
        ("<timeout>soon</timeout>", "span of time"),
    ] {
        let setting = Setting::new(&format!("<sysinfo>{element}</sysinfo>"), &CEDAR);
        let output = setting.run();
        assert!(!matches!(output.code, Some(0 | 7)), "{output}");
        output.complains(complaint).complains("hayloft.conf:");
        assert!(setting.files().is_empty());
    }
}
