//! The contract between host and plugins.

#[test]
fn the_plugin_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::suite!()
        .set("compress_mode", "none")
        .set("part", "fstab")
        .set("timeout", "30s")
        .run_actions()
        .run()
        .assert_passed();
}
