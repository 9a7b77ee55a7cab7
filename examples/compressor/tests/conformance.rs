//! The suite that every plugin must pass, run on the built library.

#[test]
fn it_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::check!("longest_run" = 200);
}
