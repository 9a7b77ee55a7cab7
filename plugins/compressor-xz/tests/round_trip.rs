//! Streams in pieces of any size, damaged streams, and the real programs.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use hayloft_compressor_xz::{Config, Xz};
use hayloft_plugin_api::{Codec, Compressor, ErrorKind, Op, Result, StreamOptions};
use proptest::prelude::*;

fn xz() -> Xz {
    Xz::new(Config::default()).unwrap()
}

fn options(threads: u32) -> StreamOptions {
    StreamOptions { threads: Some(threads), ..StreamOptions::default() }
}

/// Feeds `input` in pieces of `cut` bytes and takes the output in pieces of
/// `room` bytes; with `flush`, flushes after every piece.
fn run(
    mut codec: Box<dyn Codec>,
    input: &[u8],
    (cut, room): (usize, usize),
    flush: bool,
) -> Result<Vec<u8>> {
    let (mut output, mut all) = (vec![0; room], Vec::new());
    let mut drive = |mut piece: &[u8], op: Op| -> Result<()> {
        loop {
            let step = codec.step(piece, &mut output, op)?;
            all.extend_from_slice(&output[..step.produced]);
            piece = &piece[step.consumed..];
            if step.done || (op == Op::RUN && piece.is_empty() && step.produced < room) {
                return Ok(());
            }
            assert!(step.consumed + step.produced > 0, "no progress");
        }
    };
    for piece in input.chunks(cut) {
        drive(piece, if flush { Op::FLUSH } else { Op::RUN })?;
    }
    drive(&[], Op::FINISH)?;
    Ok(all)
}

fn encode(input: &[u8], threads: u32) -> Vec<u8> {
    let codec = xz().encoder(options(threads)).unwrap();
    run(codec, input, (256 << 10, 256 << 10), false).unwrap()
}

fn decode(input: &[u8]) -> Result<Vec<u8>> {
    run(xz().decoder().unwrap(), input, (1000, 3000), false)
}

fn text(length: usize) -> Vec<u8> {
    let lines = (0_u32..).map(|i| format!("{i} {}\n", i.wrapping_mul(2_654_435_761) % 9973));
    lines.flat_map(String::into_bytes).take(length).collect()
}

/// Pipes `input` through a program, which must end well.
fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect(program);
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encoded_is_decoded_in_pieces_of_any_size(
        noise in proptest::collection::vec(any::<u8>(), 0..3000),
        length in 0_usize..300_000,
        sizes in (1_usize..70_000, 1_usize..70_000),
        threads in 1_u32..4,
        flush in any::<bool>(),
    ) {
        let mut input = text(length);
        input.extend_from_slice(&noise);
        let sizes = if flush { (sizes.0.max(5000), sizes.1) } else { sizes };
        let encoder = xz().encoder(options(threads)).unwrap();
        let encoded = run(encoder, &input, sizes, flush).unwrap();
        let decoded = run(xz().decoder().unwrap(), &encoded, sizes, false).unwrap();
        prop_assert!(decoded == input);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut headed = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec();
        headed.extend_from_slice(&bytes);
        for input in [bytes, headed] {
            if let Err(error) = decode(&input) {
                prop_assert_eq!(error.kind(), ErrorKind::CORRUPT);
            }
        }
    }
}

#[test]
fn buffers_of_one_byte_are_enough() {
    for length in [0, 1, 5, 70_000] {
        let input = text(length);
        let encoder = xz().encoder(options(2)).unwrap();
        let packed = run(encoder, &input, (1, 1), false).unwrap();
        let decoder = xz().decoder().unwrap();
        assert!(run(decoder, &packed, (1, 1), false).unwrap() == input);
    }
}

#[test]
fn a_stream_that_is_cut_off_anywhere_is_corrupt() {
    let encoded = encode(&text(100_000), 1);
    for end in (0..200).chain((200..encoded.len()).step_by(997)).chain([encoded.len() - 1]) {
        let error = decode(&encoded[..end]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CORRUPT, "{end}");
    }
}

#[test]
fn a_flipped_bit_is_never_decoded_to_something_else() {
    let input = text(400);
    let encoded = encode(&input, 1);
    for bit in 0..encoded.len() * 8 {
        let mut damaged = encoded.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match decode(&damaged) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::CORRUPT, "bit {bit}"),
            Ok(decoded) => assert!(decoded == input, "bit {bit}"),
        }
    }
}

#[test]
fn what_may_follow_a_stream_is_a_stream_or_padding() {
    let stream = encode(b"hay", 1);
    let cases: [(&[u8], Option<&[u8]>); 5] = [
        (b"", Some(b"hay")),
        (&stream, Some(b"hayhay")),
        (&[0; 8], Some(b"hay")),
        (&[0; 7], None),
        (b"garbage", None),
    ];
    for (after, expected) in cases {
        let result = decode(&[&stream, after].concat());
        assert_eq!(result.as_deref().ok(), expected, "{after:?}");
        assert!(result.is_ok() || result.is_err_and(|e| e.kind() == ErrorKind::CORRUPT));
    }
}

#[test]
fn the_xz_program_reads_it_whether_of_one_block_or_of_many() {
    // At level 0 a block is 1 MiB.
    for (length, blocks) in [(0, 0), (1, 1), (3_000_000, 3)] {
        let input = text(length);
        for (threads, blocks) in [(1, blocks.min(1)), (2, blocks)] {
            let options = StreamOptions { level: Some(0), ..options(threads) };
            let encoder = xz().encoder(options).unwrap();
            let packed = run(encoder, &input, (256 << 10, 256 << 10), false).unwrap();
            assert!(pipe("xz", &["-dc"], &packed) == input);
            let file = tempfile::NamedTempFile::with_suffix(".xz").unwrap();
            std::fs::write(&file, &packed).unwrap();
            let listed = pipe("xz", &["--list", "--robot", file.path().to_str().unwrap()], b"");
            let totals = format!("file\t1\t{blocks}\t");
            assert!(String::from_utf8(listed).unwrap().contains(&totals), "{threads} {length}");
        }
    }
}

#[test]
fn what_the_xz_program_wrote_is_read() {
    let input = text(1_000_000);
    let cases: [&[&str]; 4] =
        [&["-c"], &["-0", "-Cnone"], &["-T2", "--block-size=100KiB"], &["-Csha256"]];
    for arguments in cases {
        let encoded = pipe("xz", arguments, &input);
        assert!(decode(&encoded).unwrap() == input, "{arguments:?}");
        let twice = [encoded.as_slice(), &encoded].concat();
        assert_eq!(decode(&twice).unwrap().len(), 2 * input.len());
    }
}

#[test]
fn every_level_can_be_wished_for_and_a_wrong_wish_is_brought_into_range() {
    let input = text(300_000);
    let mut sizes = Vec::new();
    for level in [i32::MIN + 1, 0, 9, 10, i32::MAX] {
        let options = StreamOptions { level: Some(level), ..options(1) };
        let encoder = xz().encoder(options).unwrap();
        let packed = run(encoder, &input, (1 << 16, 1 << 16), false).unwrap();
        assert!(decode(&packed).unwrap() == input);
        sizes.push(packed.len());
    }
    assert_eq!((sizes[0], sizes[3], sizes[4]), (sizes[1], sizes[2], sizes[2]));
    assert!(sizes[1] > sizes[2]);
}
