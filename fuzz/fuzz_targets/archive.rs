//! Any bytes as an archive: every entry and all of its content is read.
#![no_main]

use hayloft_action_collect::archive::Reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.next_entry() {
        if reader.content(|_, _| Ok(())).is_err() {
            return;
        }
    }
});
