//! The suite that every plugin must pass.

use hayloft_plugin_api::conformance;

#[test]
fn the_plugin_keeps_to_the_contract() {
    conformance::check!();
}
