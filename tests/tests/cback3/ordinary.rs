//! Somebody without rights runs it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::installation::Installation;

fn lock(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o500)).unwrap();
}

/// The sandbox can then be removed.
fn unlock(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_cannot_be_purged_is_a_failure_and_the_rest_goes() {
    let installation = Installation::new();
    installation.edit("<retain_days>5<", "<retain_days>0<");
    for name in ["locked/f", "z"] {
        installation.sandbox.write(&format!("old/{name}"), "x");
    }
    let locked = installation.sandbox.path("old/locked");
    lock(&locked);
    let output = installation.output(&mut installation.ordinary(&["purge"])).exits(6);
    unlock(&locked);
    output.says("cannot remove $SANDBOX/old/locked/f: Permission denied");
    assert_eq!(installation.sandbox.names("old"), ["locked"]);
    installation.output(&mut installation.ordinary(&["purge"])).exits(0);
    assert_eq!(installation.sandbox.names("old"), [""; 0]);
}

#[test]
fn validate_says_which_directory_cannot_be_written_to() {
    let installation = Installation::new();
    let mut command = installation.ordinary(&["validate"]);
    let locked = installation.sandbox.path("stage");
    lock(&locked);
    let output = installation.output(&mut command).exits(4);
    unlock(&locked);
    output.says("$SANDBOX/stage cannot be written to").says("Configuration is not valid.");
}
