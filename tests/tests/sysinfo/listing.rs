//! The listing of files.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command};

use crate::setting::Setting;

const TREE: &str = "<compress_mode>none</compress_mode><list_dir>$SANDBOX/tree</list_dir>";

#[test]
fn everything_is_listed_with_owners_and_permissions() {
    let setting = Setting::of_parts(&["ls-laR"], TREE, &[]);
    let tree = setting.sandbox.path("tree");
    for name in ["a", "b", "b/c"] {
        fs::create_dir(tree.join(name)).unwrap();
        fs::write(tree.join(name).join("file"), name).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", tree.join("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
    setting.run().exits(0);
    let output = Command::new("ls")
        .args(["-laR", "--time-style=+%Y-%m-%d %H:%M:%S"])
        .arg(&tree)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert_eq!(setting.text("ls-laR.txt"), String::from_utf8(output.stdout).unwrap());
}

#[test]
fn names_of_any_bytes_stay_on_their_line() {
    let setting = Setting::of_parts(&["ls-laR"], TREE, &[]);
    for name in [b"new\nline".as_slice(), b"lat\xe9"] {
        fs::write(setting.sandbox.path("tree").join(OsStr::from_bytes(name)), "").unwrap();
    }
    setting.run().exits(0);
    let text = setting.text("ls-laR.txt");
    assert!(text.contains(" new\\nline\n") && text.contains(" lat\\351\n"), "{text}");
}

#[test]
fn what_is_excluded_is_not_looked_into() {
    let more = format!(
        "{TREE}<exclude><abs_path>$SANDBOX/tree/a</abs_path><pattern>.*/b</pattern></exclude>"
    );
    let setting = Setting::of_parts(&["ls-laR"], &more, &[]);
    for name in ["a", "b", "c"] {
        fs::create_dir(setting.sandbox.path("tree").join(name)).unwrap();
        fs::write(setting.sandbox.path("tree").join(name).join(format!("in-{name}")), "").unwrap();
    }
    setting.run().exits(0);
    let text = setting.text("ls-laR.txt");
    assert!(text.contains("in-c") && !text.contains("in-a") && !text.contains("in-b"), "{text}");
}

#[test]
fn the_kernels_own_views_are_not_listed() {
    let more = "<compress_mode>none</compress_mode><list_dir>/proc</list_dir>\
                <list_dir>$SANDBOX/tree</list_dir>";
    let setting = Setting::of_parts(&["ls-laR"], more, &[]);
    setting.run().exits(0);
    let text = setting.text("ls-laR.txt");
    assert!(text.starts_with("/proc:\n(proc, not listed)\n"), "{text}");
}

#[test]
fn a_listing_that_takes_too_long_fails_and_leaves_nothing() {
    let more = "<list_dir>/usr</list_dir><listing_timeout>0</listing_timeout>";
    let setting = Setting::of_parts(&["ls-laR", "mounts"], more, &[]);
    setting.run().exits(1).complains("did not end within").complains("<listing_timeout>");
    assert_eq!(setting.files(), ["mounts.txt.bz2"]);
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let more = format!("{TREE}<list_dir>$SANDBOX/none</list_dir>");
    let setting = Setting::of_parts(&["ls-laR"], &more, &[]);
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("cannot list $SANDBOX/none"), "{output}");
    assert_eq!(setting.files(), ["ls-laR.txt"]);
    let only = "<list_dir>$SANDBOX/none</list_dir>";
    let setting = Setting::of_parts(&["ls-laR"], only, &[]);
    setting.run().exits(1).complains("cannot list");
    assert!(setting.files().is_empty());
}
