//! What third parties are shown works: every example, and a generated crate of
//! every kind, is built and tested as they would do it.
#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

mod examples {
    pub(crate) mod build;
    mod generated;
    mod loaded;
    mod run;
}

use self::examples::build::{example, test_crate};

#[test]
fn the_example_of_a_compressor_passes_its_tests() {
    test_crate(&example("compressor"));
}

#[test]
fn the_example_of_an_encryptor_passes_its_tests() {
    test_crate(&example("encryptor"));
}

#[test]
fn the_example_of_a_storage_passes_its_tests() {
    test_crate(&example("storage"));
}

#[test]
fn the_example_of_a_hook_passes_its_tests() {
    test_crate(&example("hook"));
}

#[test]
fn the_example_of_an_action_passes_its_tests() {
    test_crate(&example("action"));
}
