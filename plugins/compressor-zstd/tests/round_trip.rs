//! Any stream, any damage to it, and the real programs.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use hayloft_compressor_zstd::{Config, Zstd};
use hayloft_plugin_api::{
    Compressor, StreamOptions,
    conformance::codecs::{Codecs, Pieces, Properties, noise, run, text, threads},
};

fn zstd() -> Codecs {
    Codecs::compressor(Zstd::new(Config::default()).unwrap())
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    let header = b"\x28\xb5\x2f\xfd";
    zstd().assert_properties(&Properties { header, flipped: 3000, ..Properties::default() });
}

#[test]
fn what_may_follow_a_frame_is_a_frame() {
    let frame = zstd().encode(b"hay", threads(1)).unwrap();
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    zstd().assert_followed_by(&[
        (b"", Some(b"hay")),
        (&frame, Some(b"hayhay")),
        (skippable, Some(b"hay")),
        (b"\0", None),
        (b"garbage", None),
    ]);
}

#[test]
fn the_zstd_program_reads_it() {
    for length in [0, 1, 9_000_000] {
        let hinted = StreamOptions { size_hint: Some(length as u64), ..threads(2) };
        let options = [threads(1), threads(2), hinted];
        zstd().assert_read_by(&[&["zstd", "-dc"]], &[length], &options);
    }
}

#[test]
fn a_wrong_size_hint_does_no_harm() {
    let input = text(100_000);
    for size_hint in [0, 1, 99_999, 100_001, 1 << 40] {
        let options = StreamOptions { size_hint: Some(size_hint), ..threads(2) };
        let encoder = zstd().encoder(options).unwrap();
        let packed = run(encoder, &input, Pieces::of(5000, 5000)).unwrap();
        assert!(zstd().decode(&packed).unwrap() == input);
    }
}

#[test]
fn what_the_zstd_program_wrote_is_read() {
    let commands: [&[&str]; 5] = [
        &["zstd", "-c"],
        &["zstd", "-1", "--no-check"],
        &["zstd", "-T2", "-19"],
        &["zstd", "--long=30"],
        &["zstd", "--fast=5"],
    ];
    zstd().assert_reads(&commands, 3_000_000);
}

#[test]
fn long_windows_find_what_lies_far_back() {
    let noise = noise(12 << 20);
    let input = [noise.as_slice(), &noise].concat();
    let sizes = [None, Some(27)].map(|long| {
        let config = Config { long, ..Config::default() };
        let long = Codecs::compressor(Zstd::new(config).unwrap());
        let packed = long.encode(&input, threads(1)).unwrap();
        assert!(zstd().decode(&packed).unwrap() == input);
        packed.len()
    });
    assert!(sizes[1] * 3 < sizes[0] * 2, "{sizes:?}");
}

#[test]
fn every_level_can_be_wished_for_and_a_wrong_wish_is_brought_into_range() {
    zstd().assert_levels(&[-100, 1, 3, 22], 200_000, StreamOptions::default());
}
