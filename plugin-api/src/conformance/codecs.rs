//! What a compressor or an encryptor can be tested for beyond the suite, with
//! knowledge of its format: random pieces, every bit, and other programs.
//!
//! It works on the plugin's own type, without the built library:
//!
//! ```no_run
//! # use hayloft_plugin_api::Compressor;
//! use hayloft_plugin_api::conformance::codecs::{Codecs, Properties};
//!
//! # fn test(gzip: impl Compressor) {
//! let gzip = Codecs::compressor(gzip);
//! gzip.assert_properties(&Properties { header: b"\x1f\x8b\x08", ..Properties::default() });
//! gzip.assert_reads(&[&["gzip", "-c"], &["pigz", "-9"]], 1_000_000);
//! gzip.assert_read_by(&[&["gzip", "-dc"], &["pigz", "-dc"]], &[0, 1, 1_000_000], &[]);
//! # }
//! ```

mod programs;
mod properties;

use std::{fmt, sync::Arc};

pub use self::{programs::pipe, properties::Properties};
use super::{
    report::{Verdict, ensure},
    stream,
};
use crate::{
    error::{Error, ErrorKind, Result},
    sdk::{Codec, Compressor, Encryptor, Op, StreamOptions},
};

/// How a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// The bytes of input that are given at once; not 0.
    pub input: usize,
    /// The bytes of output that there is room for at once; not 0.
    pub output: usize,
    /// Whether each piece of input is given with [`Op::FLUSH`].
    pub flush: bool,
}

impl Pieces {
    /// Pieces as large as the host's buffers.
    pub const USUAL: Self = Self::of(stream::USUAL, stream::USUAL);

    /// Pieces of that many bytes of input and of output, without flushes.
    pub const fn of(input: usize, output: usize) -> Self {
        Self { input, output, flush: false }
    }
}

/// Gives all of `input` to a codec, ends the stream, and returns the output.
///
/// # Errors
///
/// What the codec says; [`ErrorKind::CORRUPT`] if it is done before the input
/// is at its end, as the host does it.
///
/// # Panics
///
/// If the codec breaks the contract of [`Codec::step`].
pub fn run(mut codec: Box<dyn Codec>, input: &[u8], pieces: Pieces) -> Result<Vec<u8>> {
    let (mut buffer, mut all) = (vec![0; pieces.output], Vec::new());
    let mut drive = |mut piece: &[u8], op: Op| -> Result<()> {
        loop {
            let step = codec.step(piece, &mut buffer, op)?;
            all.extend_from_slice(&buffer[..step.produced]);
            piece = &piece[step.consumed..];
            if step.done && !piece.is_empty() {
                return Err(Error::new(ErrorKind::CORRUPT, "bytes follow the end of the stream"));
            }
            let hungry = op == Op::RUN && piece.is_empty() && step.produced < buffer.len();
            if step.done || hungry {
                return Ok(());
            }
            assert!(step.consumed + step.produced > 0, "a step without progress");
        }
    };
    for piece in input.chunks(pieces.input) {
        drive(piece, if pieces.flush { Op::FLUSH } else { Op::RUN })?;
    }
    drive(&[], Op::FINISH)?;
    Ok(all)
}

/// Returns text that compresses well, and differs everywhere; always the same.
pub fn text(length: usize) -> Vec<u8> {
    stream::text(length)
}

/// Returns bytes that do not compress; always the same.
pub fn noise(length: usize) -> Vec<u8> {
    stream::noise(length)
}

/// Returns the wish for that many threads, and for nothing else.
pub fn threads(count: u32) -> StreamOptions {
    StreamOptions { threads: Some(count), ..StreamOptions::default() }
}

type Encoder = Arc<dyn Fn(StreamOptions) -> Result<Box<dyn Codec>> + Send + Sync>;
type Decoder = Arc<dyn Fn() -> Result<Box<dyn Codec>> + Send + Sync>;

/// A compressor or an encryptor, with its settings.
#[derive(Clone)]
pub struct Codecs {
    encoder: Encoder,
    decoder: Decoder,
    is_compressor: bool,
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codecs").field("is_compressor", &self.is_compressor).finish_non_exhaustive()
    }
}

impl Codecs {
    /// Takes a compressor.
    pub fn compressor(it: impl Compressor) -> Self {
        let it = Arc::new(it);
        let encoder = Arc::clone(&it);
        Self {
            encoder: Arc::new(move |options| encoder.encoder(options)),
            decoder: Arc::new(move || it.decoder()),
            is_compressor: true,
        }
    }

    /// Takes an encryptor. No change to what it wrote may be without
    /// consequence.
    pub fn encryptor(it: impl Encryptor) -> Self {
        let it = Arc::new(it);
        let encoder = Arc::clone(&it);
        Self {
            encoder: Arc::new(move |options| encoder.encoder(options)),
            decoder: Arc::new(move || it.decoder()),
            is_compressor: false,
        }
    }

    /// Begins a stream that encodes.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        (self.encoder)(options)
    }

    /// Begins a stream that decodes.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    pub fn decoder(&self) -> Result<Box<dyn Codec>> {
        (self.decoder)()
    }

    /// Encodes a whole stream, in pieces of the usual size.
    ///
    /// # Errors
    ///
    /// See [`run`].
    pub fn encode(&self, input: &[u8], options: StreamOptions) -> Result<Vec<u8>> {
        run(self.encoder(options)?, input, Pieces::USUAL)
    }

    /// Decodes a whole stream, in pieces of an unusual size.
    ///
    /// # Errors
    ///
    /// See [`run`].
    pub fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>> {
        run(self.decoder()?, encoded, Pieces::of(1000, 3000))
    }

    fn try_encode(&self, input: &[u8], options: StreamOptions) -> Verdict<Vec<u8>> {
        self.encode(input, options).map_err(|e| format!("encoding: {e}"))
    }

    /// Encodes and decodes in the same pieces; only encoders are flushed.
    fn round_trip(&self, input: &[u8], options: StreamOptions, pieces: Pieces) -> Verdict {
        let trip = || {
            let encoded = run(self.encoder(options)?, input, pieces)?;
            run(self.decoder()?, &encoded, Pieces { flush: false, ..pieces })
        };
        let decoded = trip().map_err(|e| e.to_string());
        decoded.and_then(|it| stream::same(&it, input)).map_err(|e| format!("{pieces:?}: {e}"))
    }
}

/// Ends the test if something is not as it must be.
#[track_caller]
fn assert_good(what: &str, verdict: Verdict) {
    let failure = verdict.err();
    assert!(failure.is_none(), "{what}: {}", failure.unwrap_or_default());
}

fn is_corrupt(result: Result<Vec<u8>>) -> Verdict {
    match result {
        Ok(decoded) => Err(format!("decoded to {} bytes as if it were good", decoded.len())),
        Err(error) => ensure(error.kind() == ErrorKind::CORRUPT, || {
            format!("{error} [{}]; it must be CORRUPT", error.kind().name())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::NoConfig, sdk::Step};

    type Check = fn(&Codecs);

    /// Changes nothing, so that no damage is noticed.
    struct Plain;
    struct Copy;
    /// Is done after a piece, whatever comes.
    struct Hasty;

    impl Codec for Copy {
        fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
            let n = input.len().min(output.len());
            output[..n].copy_from_slice(&input[..n]);
            Ok(Step { consumed: n, produced: n, done: op != Op::RUN && n == input.len() })
        }
    }

    impl Codec for Hasty {
        fn step(&mut self, _: &[u8], _: &mut [u8], _: Op) -> Result<Step> {
            Ok(Step { consumed: 0, produced: 0, done: true })
        }
    }

    impl Compressor for Plain {
        type Config = NoConfig;
        fn new(_: NoConfig) -> Result<Self> {
            Ok(Self)
        }
        fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
            Ok(Box::new(Copy))
        }
        fn decoder(&self) -> Result<Box<dyn Codec>> {
            Ok(Box::new(Copy))
        }
    }

    #[test]
    fn what_a_format_without_checks_misses_is_found() {
        let plain = Codecs::compressor(Plain);
        plain.assert_reads(&[&["cat"]], 70_000);
        plain.assert_read_by(&[&["cat"]], &[0, 70_000], &[]);
        plain.assert_followed_by(&[(b"stack", Some(b"haystack"))]);
        let failures: [(Check, &str); 7] = [
            (|it| it.assert_properties(&Properties::default()), "cut off: at 0 of 100000: decoded"),
            (
                |it| it.assert_properties(&Properties { cut_off: &[], ..Properties::default() }),
                "flipped bits: bit 0: 400 bytes came back",
            ),
            (|it| it.assert_cut_off(b"hay", [2]), "cut off: at 2 of 3: decoded to 2 bytes"),
            (|it| it.assert_followed_by(&[(b"!", None)]), "followed by [21]: decoded to 4 bytes"),
            (|it| it.assert_levels(&[1, 9], 100, threads(1)), "9 makes 100 bytes, 1 makes 100"),
            (|it| it.assert_reads(&[&["gzip"]], 10), "gzip: "),
            (|it| it.assert_read_by(&[&["tr", "a-z", "A-Z"]], &[90], &[]), "difference is at 8"),
        ];
        for (check, expected) in failures {
            let plain = plain.clone();
            let panic = std::thread::spawn(move || check(&plain)).join().unwrap_err();
            let said = panic.downcast_ref::<String>().unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn what_follows_the_end_is_corrupt() {
        let error = run(Box::new(Hasty), b"hay", Pieces::USUAL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CORRUPT);
        assert_eq!(run(Box::new(Copy), b"hay", Pieces::of(1, 1)).unwrap(), b"hay");
    }
}
