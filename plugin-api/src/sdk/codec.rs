//! Streams of bytes in, streams of bytes out: compressors and encryptors.

use std::io::Write;

pub use crate::abi::{Op, Step};
use crate::{config::Configuration, error::Result};

/// How a stream is to be encoded. Everything is a wish: a codec that cannot
/// follow one ignores it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// The number of bytes that will come, if it is known.
    pub size_hint: Option<u64>,
    /// The number of threads to use; `None` leaves it to the plugin.
    pub threads: Option<u32>,
    /// The compression level in the codec's own scale; `None` is the
    /// configured one.
    pub level: Option<i32>,
}

/// One running stream, in the manner of zstd.
///
/// The host owns both buffers, calls from any thread but never from two at
/// once, and drops the codec when it is done or not needed any more.
pub trait Codec: Send {
    /// Takes some of `input`, puts some of the result into `output`.
    ///
    /// Guarantees that are expected, and checked by the host:
    /// * the counts are within the buffers;
    /// * with room in `output` each call makes progress: it consumes,
    ///   produces, or says that it is done;
    /// * [`Op::FLUSH`] and [`Op::FINISH`] are repeated, with what is left of
    ///   the input, until [`Step::done`];
    /// * a decoder is done at the end of the stream; what follows in `input`
    ///   is not consumed. On [`Op::FINISH`] before that end it fails with
    ///   [`ErrorKind::CORRUPT`](crate::ErrorKind::CORRUPT).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`](crate::ErrorKind::CORRUPT) for input that is not
    /// what an encoder of this kind writes.
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step>;
}

/// Makes streams smaller, and whole again.
///
/// ```
/// use hayloft_plugin_api::{Codec, Compressor, NoConfig, Op, Result, Step, StreamOptions};
///
/// struct Plain;
/// struct Copy;
///
/// impl Codec for Copy {
///     fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
///         let n = input.len().min(output.len());
///         output[..n].copy_from_slice(&input[..n]);
///         Ok(Step { consumed: n, produced: n, done: op != Op::RUN && n == input.len() })
///     }
/// }
///
/// impl Compressor for Plain {
///     type Config = NoConfig;
///     fn new(_: NoConfig) -> Result<Self> {
///         Ok(Self)
///     }
///     fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
///         Ok(Box::new(Copy))
///     }
///     fn decoder(&self) -> Result<Box<dyn Codec>> {
///         Ok(Box::new(Copy))
///     }
/// }
/// ```
pub trait Compressor: Sized + Send + Sync + 'static {
    /// The `<compressor>` element of that name, without `<name>` and `<type>`.
    type Config: Configuration;

    /// Creates it. Nothing slow belongs here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Begins a stream that compresses.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>>;

    /// Begins a stream that decompresses what any encoder of this compressor
    /// ever wrote, several such streams in a row included.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    fn decoder(&self) -> Result<Box<dyn Codec>>;
}

/// Makes streams unreadable without a key, and readable with it.
///
/// An encoder needs only what a backup host may have (a public key); a decoder
/// may need more, and must then say so in its error.
pub trait Encryptor: Sized + Send + Sync + 'static {
    /// The `<encryptor>` element of that name, without `<name>` and `<type>`.
    type Config: Configuration;

    /// Creates it. Keys are read when a stream begins, not here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Begins a stream that encrypts.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting, an unusable key for one.
    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>>;

    /// Begins a stream that decrypts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`](crate::ErrorKind::NOT_FOUND) if no key is at
    /// hand that opens it, [`ErrorKind::CORRUPT`](crate::ErrorKind::CORRUPT)
    /// if the stream is damaged: the two are told apart.
    fn decoder(&self) -> Result<Box<dyn Codec>>;
}

/// Makes a [`Codec`] out of an encoder that writes into a `Vec<u8>`, as those
/// of `flate2`, `bzip2` and `lz4_flex` do.
///
/// `buffer` gives access to the vector inside, `finish` ends the stream.
///
/// ```
/// # use std::io::Write;
/// # struct Shout(Vec<u8>);
/// # impl Write for Shout {
/// #     fn write(&mut self, b: &[u8]) -> std::io::Result<usize> {
/// #         self.0.extend(b.iter().map(u8::to_ascii_uppercase));
/// #         Ok(b.len())
/// #     }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// use hayloft_plugin_api::{Codec, Op, from_writer};
///
/// let mut codec = from_writer(Shout(Vec::new()), |it| &mut it.0, |it| Ok(it.0));
/// let mut output = [0; 16];
/// let step = codec.step(b"hay", &mut output, Op::FINISH).unwrap();
/// assert_eq!(&output[..step.produced], b"HAY");
/// assert!(step.done);
/// ```
pub fn from_writer<W, G, F>(writer: W, buffer: G, finish: F) -> Box<dyn Codec>
where
    W: Write + Send + 'static,
    G: Fn(&mut W) -> &mut Vec<u8> + Send + 'static,
    F: FnOnce(W) -> std::io::Result<Vec<u8>> + Send + 'static,
{
    Box::new(FromWriter { encoder: Some((writer, finish)), buffer, pending: Vec::new(), given: 0 })
}

/// See [`from_writer`].
#[derive(Debug)]
pub struct FromWriter<W, G, F> {
    encoder: Option<(W, F)>,
    buffer: G,
    pending: Vec<u8>,
    given: usize,
}

impl<W, G, F> FromWriter<W, G, F>
where
    W: Write,
    G: Fn(&mut W) -> &mut Vec<u8>,
    F: FnOnce(W) -> std::io::Result<Vec<u8>>,
{
    fn refill(&mut self, input: &[u8], op: Op) -> Result<usize> {
        self.pending.clear();
        self.given = 0;
        let Some((writer, _)) = self.encoder.as_mut() else { return Ok(0) };
        writer.write_all(input)?;
        if op == Op::FLUSH {
            writer.flush()?;
        }
        std::mem::swap((self.buffer)(writer), &mut self.pending);
        if op == Op::FINISH
            && let Some((writer, finish)) = self.encoder.take()
        {
            self.pending.extend_from_slice(&finish(writer)?);
        }
        Ok(input.len())
    }
}

impl<W, G, F> Codec for FromWriter<W, G, F>
where
    W: Write + Send,
    G: Fn(&mut W) -> &mut Vec<u8> + Send,
    F: FnOnce(W) -> std::io::Result<Vec<u8>> + Send,
{
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let consumed = if self.given == self.pending.len() { self.refill(input, op)? } else { 0 };
        let produced = output.len().min(self.pending.len() - self.given);
        output[..produced].copy_from_slice(&self.pending[self.given..self.given + produced]);
        self.given += produced;
        let emptied = self.given == self.pending.len() && consumed == input.len();
        let done = match op {
            Op::FINISH => emptied && self.encoder.is_none(),
            Op::FLUSH => emptied,
            _ => false,
        };
        Ok(Step { consumed, produced, done })
    }
}
