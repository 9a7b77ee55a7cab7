//! Streams in pieces of any size, damaged streams, and the real programs.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use hayloft_compressor_lz4::Lz4;
use hayloft_plugin_api::{Codec, Compressor, ErrorKind, NoConfig, Op, Result, StreamOptions};
use proptest::prelude::*;

fn lz4() -> Lz4 {
    Lz4::new(NoConfig).unwrap()
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
    let codec = lz4().encoder(options(threads)).unwrap();
    run(codec, input, (256 << 10, 256 << 10), false).unwrap()
}

fn decode(input: &[u8]) -> Result<Vec<u8>> {
    run(lz4().decoder().unwrap(), input, (1000, 3000), false)
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
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

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
        let encoder = lz4().encoder(options(threads)).unwrap();
        let encoded = run(encoder, &input, sizes, flush).unwrap();
        let decoded = run(lz4().decoder().unwrap(), &encoded, sizes, false).unwrap();
        prop_assert!(decoded == input);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut headed = b"\x04\x22\x4d\x18\x64\x40\xa7".to_vec();
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
        let encoder = lz4().encoder(options(2)).unwrap();
        let packed = run(encoder, &input, (1, 1), false).unwrap();
        let decoder = lz4().decoder().unwrap();
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
fn what_may_follow_a_frame_is_a_frame() {
    let frame = encode(b"hay", 1);
    let cases: [(&[u8], Option<&[u8]>); 5] = [
        (b"", Some(b"hay")),
        (&frame, Some(b"hayhay")),
        (b"\x50\x2a\x4d\x18\x03\0\0\0abc", Some(b"hay")),
        (b"\0", None),
        (b"garbage", None),
    ];
    for (after, expected) in cases {
        let result = decode(&[&frame, after].concat());
        assert_eq!(result.as_deref().ok(), expected, "{after:?}");
        assert!(result.is_ok() || result.is_err_and(|e| e.kind() == ErrorKind::CORRUPT));
    }
}

#[test]
fn the_lz4_program_reads_it() {
    for length in [0, 1, 9_000_000] {
        let input = text(length);
        for threads in [1, 2] {
            let packed = encode(&input, threads);
            assert!(pipe("lz4", &["-dc"], &packed) == input);
        }
    }
}

#[test]
fn what_the_lz4_program_wrote_is_read() {
    let input = text(9_000_000);
    let cases: [&[&str]; 6] = [
        &["-c"],
        &["-9", "-BD"],
        &["-B4", "-BD", "-BX"],
        &["--content-size"],
        &["--no-frame-crc"],
        &["-B5"],
    ];
    for arguments in cases {
        let encoded = pipe("lz4", arguments, &input);
        assert!(decode(&encoded).unwrap() == input, "{arguments:?}");
        let twice = [encoded.as_slice(), &encoded].concat();
        assert_eq!(decode(&twice).unwrap().len(), 2 * input.len());
    }
}
