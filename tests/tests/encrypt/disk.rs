//! A full disk.

use std::{fs, process::Stdio};

use super::{ENCRYPT, marked, names, opened, staged, with_gpg, with_suffix};
use hayloft_tests::chaos::{noise, on_a_full_disk};

#[test]
fn a_full_disk_leaves_the_clear_file_and_half_of_nothing() {
    let sandbox = with_gpg();
    let content = noise(3_000_000, 1);
    let path = staged(&sandbox, "large.tar.gz", &content);
    staged(&sandbox, "small", b"small");
    let mut command = on_a_full_disk(&sandbox.command(ENCRYPT), 500);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = sandbox.wait(command.spawn().unwrap());
    output.exits(1).complains("cannot encrypt $SANDBOX/staging/2026/11/17/box/large.tar.gz");
    assert!(names(&sandbox).iter().all(|it| !it.starts_with(".hayloft")));
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(!with_suffix(&path, ".gpg").exists() && !marked(&sandbox));
    sandbox.ok(ENCRYPT);
    assert_eq!(names(&sandbox), ["large.tar.gz.gpg", "small.gpg"]);
    assert_eq!(opened(&sandbox, &with_suffix(&path, ".gpg")).unwrap(), content);
}
