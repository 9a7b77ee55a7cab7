//! Any stream, any damage to it, and the real programs.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use hayloft_compressor_lz4::Lz4;
use hayloft_plugin_api::{
    Compressor, NoConfig,
    conformance::codecs::{Codecs, Properties, threads},
};

fn lz4() -> Codecs {
    Codecs::compressor(Lz4::new(NoConfig).unwrap())
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    let header = b"\x04\x22\x4d\x18\x64\x40\xa7";
    lz4().assert_properties(&Properties { header, ..Properties::default() });
}

#[test]
fn what_may_follow_a_frame_is_a_frame() {
    let frame = lz4().encode(b"hay", threads(1)).unwrap();
    lz4().assert_followed_by(&[
        (b"", Some(b"hay")),
        (&frame, Some(b"hayhay")),
        (b"\x50\x2a\x4d\x18\x03\0\0\0abc", Some(b"hay")),
        (b"\0", None),
        (b"garbage", None),
    ]);
}

#[test]
fn the_lz4_program_reads_it() {
    lz4().assert_read_by(&[&["lz4", "-dc"]], &[0, 1, 9_000_000], &[]);
}

#[test]
fn what_the_lz4_program_wrote_is_read() {
    let commands: [&[&str]; 6] = [
        &["lz4", "-c"],
        &["lz4", "-9", "-BD"],
        &["lz4", "-B4", "-BD", "-BX"],
        &["lz4", "--content-size"],
        &["lz4", "--no-frame-crc"],
        &["lz4", "-B5"],
    ];
    lz4().assert_reads(&commands, 9_000_000);
}
