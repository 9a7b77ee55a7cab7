//! The contract between host and plugins.

#[test]
fn the_plugin_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::suite!().run().assert_passed();
}
