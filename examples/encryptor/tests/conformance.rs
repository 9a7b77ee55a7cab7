//! The suite that every plugin must pass, run on the built library.

use std::{fs, io::Write, os::unix::fs::PermissionsExt};

#[test]
fn it_keeps_to_the_contract() {
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all("0123456789abcdef".repeat(4).as_bytes()).unwrap();
    fs::set_permissions(key.path(), fs::Permissions::from_mode(0o600)).unwrap();
    hayloft_plugin_api::conformance::check!("key_file" = key.path().display());
}
