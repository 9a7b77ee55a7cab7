//! Any bytes as the metadata section of a plugin.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(hayloft_plugin_api::meta::parse(bytes)));
