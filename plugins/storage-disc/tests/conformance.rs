//! The contract between host and plugins.

use hayloft_plugin_api::conformance::{self, Section};

#[test]
fn the_plugin_keeps_to_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let device = directory.path().join("disc.iso");
    let drive = |media: &str| {
        Section::new("storage").set("media_type", media).set("target_device", device.display())
    };
    conformance::suite!()
        .section("storage", "cdwriter", drive("cdrw-80"))
        .section("storage", "dvdwriter", drive("dvd+rw"))
        .section("action", "capacity", Section::new("capacity").set("max_percentage", "90"))
        .directory(directory.path())
        .skip(
            "an unknown element is found where it is",
            "in the sections of Cedar Backup the host looks for them",
        )
        .run()
        .assert_passed();
}
