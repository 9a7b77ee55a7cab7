//! Any stream, any damage to it, and the real programs.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use hayloft_compressor_xz::{Config, Xz};
use hayloft_plugin_api::{
    Compressor, StreamOptions,
    conformance::codecs::{Codecs, Properties, pipe, text, threads},
};

fn xz() -> Codecs {
    Codecs::compressor(Xz::new(Config::default()).unwrap())
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    let header = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46";
    xz().assert_properties(&Properties { header, cases: 12, ..Properties::default() });
}

#[test]
fn what_may_follow_a_stream_is_a_stream_or_padding() {
    let stream = xz().encode(b"hay", threads(1)).unwrap();
    xz().assert_followed_by(&[
        (b"", Some(b"hay")),
        (&stream, Some(b"hayhay")),
        (&[0; 8], Some(b"hay")),
        (&[0; 7], None),
        (b"garbage", None),
    ]);
}

#[test]
fn the_xz_program_reads_it_whether_of_one_block_or_of_many() {
    // At level 0 a block is 1 MiB.
    for (length, blocks) in [(0, 0), (1, 1), (3_000_000, 3)] {
        for (count, blocks) in [(1, blocks.min(1)), (2, blocks)] {
            let options = StreamOptions { level: Some(0), ..threads(count) };
            xz().assert_read_by(&[&["xz", "-dc"]], &[length], &[options]);
            let file = tempfile::NamedTempFile::with_suffix(".xz").unwrap();
            std::fs::write(&file, xz().encode(&text(length), options).unwrap()).unwrap();
            let listed = pipe(&["xz", "--list", "--robot", file.path().to_str().unwrap()], b"");
            let totals = format!("file\t1\t{blocks}\t");
            assert!(String::from_utf8(listed).unwrap().contains(&totals), "{count} {length}");
        }
    }
}

#[test]
fn what_the_xz_program_wrote_is_read() {
    let commands: [&[&str]; 4] = [
        &["xz", "-c"],
        &["xz", "-0", "-Cnone"],
        &["xz", "-T2", "--block-size=100KiB"],
        &["xz", "-Csha256"],
    ];
    xz().assert_reads(&commands, 1_000_000);
}

#[test]
fn every_level_can_be_wished_for_and_a_wrong_wish_is_brought_into_range() {
    xz().assert_levels(&[0, 9], 300_000, threads(1));
}
