//! The contract between host and plugins.

#[test]
fn the_plugin_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::suite!()
        .set("encrypt_mode", "gpg")
        .set("encrypt_target", "backup@example.org")
        .skip(
            "an unknown element is found where it is",
            "in the sections of Cedar Backup the host looks for them",
        )
        .run()
        .assert_passed();
}
