//! The suite that every plugin must pass.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use hayloft_plugin_api::conformance;

#[test]
fn the_plugin_keeps_to_the_contract() {
    // gpg's agent ends when its directory is gone.
    let directory = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let made = Command::new("gpg")
        .args(["--batch", "--pinentry-mode=loopback", "--passphrase", "", "--homedir"])
        .arg(directory.path())
        .args(["--quick-gen-key", "test@example.org", "future-default"])
        .output()
        .expect("gpg");
    assert!(made.status.success(), "{made:?}");
    conformance::check!("recipient" = "test@example.org", "homedir" = directory.path().display());
}
