//! Any stream, any damage to it, and the real programs.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use hayloft_compressor_bzip2::{Bzip2, Config};
use hayloft_plugin_api::{
    Compressor,
    conformance::codecs::{Codecs, Properties, pipe, threads},
};

fn bzip2() -> Codecs {
    Codecs::compressor(Bzip2::new(Config::default()).unwrap())
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    let header = b"BZh9\x31\x41\x59\x26\x53\x59";
    bzip2().assert_properties(&Properties { header, longest: 120_000, ..Properties::default() });
}

#[test]
fn what_may_follow_a_stream_is_a_stream() {
    let stream = bzip2().encode(b"hay", threads(1)).unwrap();
    bzip2().assert_followed_by(&[
        (b"", Some(b"hay")),
        (&stream, Some(b"hayhay")),
        (b"\0", None),
        (b"garbage", None),
    ]);
}

#[test]
fn bzip2_and_python_read_it() {
    let python = "import bz2,sys; sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))";
    let commands: [&[&str]; 2] = [&["bzip2", "-dc"], &["python3", "-c", python]];
    bzip2().assert_read_by(&commands, &[0, 1, 3_000_000], &[]);
}

#[test]
fn what_the_bzip2_program_wrote_is_read() {
    bzip2().assert_reads(&[&["bzip2", "-c"], &["bzip2", "-1"]], 2_000_000);
}

#[test]
fn every_level_can_be_wished_for_and_a_wrong_wish_is_brought_into_range() {
    bzip2().assert_levels(&[1, 9], 700_000, threads(1));
}

#[test]
fn pieces_that_grow_before_they_are_sorted_make_a_whole_stream() {
    // Runs of four bytes become five: a piece of them is more than one block.
    let input: Vec<u8> = (0_u32..950_000).map(|i| (i / 4 % 251).to_le_bytes()[0]).collect();
    let packed = bzip2().encode(&input, threads(2)).unwrap();
    assert!(bzip2().decode(&packed).unwrap() == input);
    assert!(pipe(&["bzip2", "-dc"], &packed) == input);
}
