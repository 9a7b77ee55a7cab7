//! The suite that every plugin must pass.

use hayloft_plugin_api::conformance;

#[test]
fn the_plugin_keeps_to_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let suite = conformance::suite!()
        .set("root", root.path().display())
        .nowhere("root", root.path().join("not/mounted").display())
        .directory(root.path());
    suite.run().assert_passed();
}
