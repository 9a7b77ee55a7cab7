//! The contract between host and plugins.

#[test]
fn the_plugin_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::suite!()
        .skip(
            "an unknown element is found where it is",
            "the commands have no section of their own",
        )
        .run()
        .assert_passed();
}
