//! Any bytes as a state file, ours and Cedar Backup's.
#![no_main]

use std::io::Cursor;

use hayloft_action_collect::state::{StateReader, read_cedar_digest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    drop(read_cedar_digest(bytes));
    if let Ok(mut reader) = StateReader::open(Cursor::new(bytes)) {
        while let Ok(Some(_)) = reader.next_directory() {}
    }
});
