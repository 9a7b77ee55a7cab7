//! `hayloft plugin new`: what it writes builds, passes its tests, loads, and
//! its example configuration is right.

use hayloft_tests::Sandbox;

use super::build::{build_crate, root, test_crate};

fn generated(kind: &str) {
    let sandbox = Sandbox::new();
    let api = root().join("plugin-api");
    let name = format!("new-{kind}");
    let written =
        sandbox.ok(&["plugin", "new", "--kind", kind, &name, "--api", api.to_str().unwrap()]);
    written.says("cargo test").says(&format!("target/release/libnew_{kind}.so"));
    let directory = sandbox.path(&name);
    test_crate(&directory);
    let plugins = sandbox.dir("plugins");
    let installed = build_crate(&directory, &format!("new_{kind}"), &plugins);
    sandbox.ok(&["plugin", "check", installed.to_str().unwrap()]);
    let example = directory.join("example.xml");
    let arguments =
        ["--config", example.to_str().unwrap(), "--plugin-dir", plugins.to_str().unwrap()];
    let checked = sandbox.ok(&[&arguments[..], &["config", "check"]].concat());
    assert_eq!(checked.stderr, "", "{checked}");
    let again = sandbox.run(&["plugin", "new", "--kind", kind, &name]);
    again.exits(2).complains("is there already");
}

#[test]
fn a_generated_action_works() {
    generated("action");
}

#[test]
fn a_generated_compressor_works() {
    generated("compressor");
}

#[test]
fn a_generated_encryptor_works() {
    generated("encryptor");
}

#[test]
fn a_generated_storage_works() {
    generated("storage");
}

#[test]
fn a_generated_hook_works() {
    generated("hook");
}
