//! Encrypting.

use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use age::{Encryptor, Recipient, stream::StreamWriter};
use hayloft_plugin_api::{Codec, Error, Op, Result, Step};

use crate::keys::AnyRecipient;

/// Encrypts what it is given.
pub(crate) struct AgeEncoder {
    /// `None` once the stream is ended.
    writer: Option<StreamWriter<Sink>>,
    sink: Sink,
    /// Encrypted bytes, of which `given` have been given out.
    ready: Vec<u8>,
    given: usize,
}

/// Where encrypted bytes are put; the library has the other end.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for AgeEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeEncoder").field("ended", &self.writer.is_none()).finish_non_exhaustive()
    }
}

impl AgeEncoder {
    pub(crate) fn new(recipients: &[AnyRecipient]) -> Result<Self> {
        let recipients = recipients.iter().map(|it| &**it as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients)
            .map_err(|e| Error::from(e).context("age cannot encrypt for these recipients"))?;
        let sink = Sink::default();
        let writer = Some(encryptor.wrap_output(sink.clone())?);
        Ok(Self { writer, sink, ready: Vec::new(), given: 0 })
    }

    /// Encrypts the input; age has blocks of 64 KiB, and gives nothing out
    /// before one is full.
    fn encrypt(&mut self, input: &[u8], op: Op) -> Result<usize> {
        if let Some(writer) = &mut self.writer {
            writer.write_all(input)?;
        }
        if op == Op::FINISH
            && let Some(writer) = self.writer.take()
        {
            writer.finish()?;
        }
        self.ready.clear();
        self.given = 0;
        mem::swap(
            &mut self.ready,
            &mut *self.sink.0.lock().unwrap_or_else(PoisonError::into_inner),
        );
        Ok(input.len())
    }
}

impl Codec for AgeEncoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut consumed = 0;
        if self.given == self.ready.len() {
            consumed = self.encrypt(input, op)?;
        }
        let produced = output.len().min(self.ready.len() - self.given);
        output[..produced].copy_from_slice(&self.ready[self.given..self.given + produced]);
        self.given += produced;
        let emptied = self.given == self.ready.len() && consumed == input.len();
        let done = match op {
            Op::FINISH => emptied && self.writer.is_none(),
            Op::FLUSH => emptied,
            _ => false,
        };
        Ok(Step { consumed, produced, done })
    }
}
