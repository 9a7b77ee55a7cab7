//! The suite that every plugin must pass.

use std::{fs, process::Command};

use hayloft_plugin_api::conformance;

#[test]
fn the_plugin_keeps_to_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let identity = directory.path().join("identity");
    let made = Command::new("age-keygen").arg("-o").arg(&identity).output().expect("age-keygen");
    assert!(made.status.success());
    let text = fs::read_to_string(&identity).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    conformance::check!("recipient" = public, "identity_file" = identity.display());
}
