//! The contract between host and plugins.

#[test]
fn the_plugin_keeps_to_the_contract() {
    hayloft_plugin_api::conformance::suite!()
        .set("collect_mode", "daily")
        .set("compress_mode", "none")
        .set("file.abs_path", "/nonexistent/mailbox")
        .skip(
            "an unknown element is found where it is",
            "in the sections of Cedar Backup the host looks for them",
        )
        .run()
        .assert_passed();
}
