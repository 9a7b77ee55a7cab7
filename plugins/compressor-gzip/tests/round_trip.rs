//! Any stream, any damage to it, and the real programs.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use hayloft_compressor_gzip::{Config, Gzip};
use hayloft_plugin_api::{
    Compressor, StreamOptions,
    config::ByteSize,
    conformance::codecs::{Codecs, Pieces, Properties, pipe, run, text, threads},
};

fn gzip() -> Codecs {
    let config = Config { block_size: ByteSize(64 << 10), ..Config::default() };
    Codecs::compressor(Gzip::new(config).unwrap())
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    let header = b"\x1f\x8b\x08\x00\0\0\0\0\0\xff";
    gzip().assert_properties(&Properties { header, flipped: 3000, ..Properties::default() });
}

#[test]
fn the_output_does_not_depend_on_the_pieces_or_the_threads() {
    let input = text(500_000);
    let expected = gzip().encode(&input, threads(1)).unwrap();
    for (count, pieces) in [(1, (1, 100)), (2, (7777, 999)), (3, (1 << 20, 1 << 20))] {
        let encoder = gzip().encoder(threads(count)).unwrap();
        assert!(run(encoder, &input, Pieces::of(pieces.0, pieces.1)).unwrap() == expected);
    }
}

#[test]
fn a_stream_that_ends_exactly_between_two_members_is_corrupt() {
    let encoded = gzip().encode(&text(100_000), threads(2)).unwrap();
    let member = encoded.windows(4).rposition(|it| it == b"\x1f\x8b\x08\0").unwrap();
    gzip().assert_cut_off(&encoded, [member]);
    assert_eq!(gzip().decode(&encoded[member..]).unwrap().len(), 100_000 - (64 << 10));
}

#[test]
fn what_may_follow_a_member_is_a_member_or_zeros() {
    let member = gzip().encode(b"hay", threads(1)).unwrap();
    gzip().assert_followed_by(&[
        (b"", Some(b"hay")),
        (&member, Some(b"hayhay")),
        (&[0; 5000], Some(b"hay")),
        (b"\0\0x", None),
        (b"garbage", None),
    ]);
}

#[test]
fn gunzip_pigz_and_python_read_it() {
    let python =
        "import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    let commands: [&[&str]; 3] = [&["gzip", "-dc"], &["pigz", "-dc"], &["python3", "-c", python]];
    let lengths = [0, 1, 1_000_000];
    gzip().assert_read_by(&commands, &lengths, &[]);
    for length in lengths {
        let encoded = gzip().encode(&text(length), threads(2)).unwrap();
        pipe(&["gzip", "-t"], &encoded);
        pipe(&["pigz", "-t"], &encoded);
    }
}

#[test]
fn what_gzip_and_pigz_wrote_is_read() {
    let commands: [&[&str]; 4] =
        [&["gzip", "-c", "-1"], &["gzip", "-9"], &["pigz", "-c"], &["pigz", "-i", "-p2"]];
    gzip().assert_reads(&commands, 1_000_000);
}

#[test]
fn every_level_can_be_wished_for_and_a_wrong_wish_is_brought_into_range() {
    gzip().assert_levels(&[1, 6, 9], 200_000, StreamOptions::default());
}
