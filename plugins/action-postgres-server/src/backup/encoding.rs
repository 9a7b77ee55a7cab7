//! How frames and parts are encoded.

use std::io::{self, Write};

use hayloft_plugin_api::{
    EncodeWriter, Error, ErrorKind, Host, Op, Result, StreamOptions, Transform,
};

use super::buffers::{Aligned, Buffer};
use crate::config::NONE;

/// Compresses frames, each by itself.
#[derive(Debug)]
pub(crate) struct Compressor {
    transform: Option<Transform>,
}

impl Compressor {
    /// Opens the compressor of that name in the configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn named(host: &Host, name: &str) -> Result<Self> {
        let transform = (name != NONE).then(|| host.compressor(name)).transpose()?;
        Ok(Self { transform })
    }

    /// Opens what can read frames of parts with that suffix.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] if no plugin can.
    pub(crate) fn of_suffix(host: &Host, suffix: &str) -> Result<Self> {
        if suffix.is_empty() {
            return Ok(Self { transform: None });
        }
        let found = host.recognise(&format!("frame{suffix}"), &[])?;
        let unknown = || {
            Error::new(ErrorKind::UNSUPPORTED, format!("no plugin can read `{suffix}`"))
                .hint("`hayloft plugin list` shows the compressors that there are")
        };
        Ok(Self { transform: Some(found.ok_or_else(unknown)?) })
    }

    /// Returns what is appended to names, such as `.zst`.
    pub(crate) fn suffix(&self) -> &str {
        self.transform.as_ref().map_or("", Transform::suffix)
    }

    /// Compresses a frame into `packed`; tells whether that made it smaller.
    /// What did not become smaller is stored as it is, which its length tells.
    ///
    /// # Errors
    ///
    /// Those of the compressor.
    pub(crate) fn pack(&self, content: &[u8], packed: &mut Buffer) -> Result<bool> {
        let Some(transform) = &self.transform else { return Ok(false) };
        let options = StreamOptions {
            size_hint: u64::try_from(content.len()).ok(),
            threads: Some(1),
            level: None,
        };
        let length = encode(transform, options, content, packed.room())?;
        packed.set_length(length);
        Ok(length < content.len())
    }

    /// Tells whether frames are stored as they are.
    pub(crate) fn is_none(&self) -> bool {
        self.transform.is_none()
    }

    /// Undoes it. `length` is that of the content; `scratch` is for whoever
    /// calls often.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if it is damaged.
    pub(crate) fn unpack<'a>(
        &self,
        stored: &'a [u8],
        length: usize,
        scratch: &'a mut Aligned,
    ) -> Result<&'a [u8]> {
        let Some(transform) = self.transform.as_ref().filter(|_| stored.len() != length) else {
            return Ok(stored);
        };
        decode(transform, stored, length, scratch)
    }
}

impl Compressor {
    /// Lets `fill` write text, compressed in one stream, into `to`, and ends
    /// both.
    ///
    /// # Errors
    ///
    /// Those of everything on the way.
    pub(crate) fn through<W: Write>(
        &self,
        to: Stream<W>,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<W> {
        let mut to = Through(to);
        let Some(transform) = &self.transform else {
            fill(&mut to)?;
            return to.0.finish();
        };
        let mut encoded = EncodeWriter::new(transform.encoder(StreamOptions::default())?, to);
        fill(&mut encoded)?;
        encoded.finish()?.0.finish()
    }
}

struct Through<W>(Stream<W>);

impl<W: Write> Write for Through<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data).map_err(Error::into_io)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a whole piece through an encoder, in one call if it can do that;
/// returns how many bytes came out.
fn encode(
    transform: &Transform,
    options: StreamOptions,
    content: &[u8],
    packed: &mut Vec<u8>,
) -> Result<usize> {
    let mut codec = transform.encoder(options)?;
    let (mut taken, mut given) = (0, 0);
    loop {
        if given == packed.len() {
            packed.resize(packed.len() + content.len() / 2 + 4096, 0);
        }
        let step = codec.step(&content[taken..], &mut packed[given..], Op::FINISH)?;
        taken += step.consumed;
        given += step.produced;
        if step.done {
            return Ok(given);
        }
        if step.consumed == 0 && step.produced == 0 {
            return Err(Error::new(ErrorKind::CORRUPT, "the compressor makes no progress"));
        }
    }
}

/// Runs a whole piece through a decoder, in one call if it can do that.
fn decode<'a>(
    transform: &Transform,
    stored: &[u8],
    length: usize,
    content: &'a mut Aligned,
) -> Result<&'a [u8]> {
    let mut codec = transform.decoder()?;
    // One more byte shows what is too long.
    let room = content.room(length + 1);
    let (mut taken, mut given) = (0, 0);
    loop {
        let step = codec.step(&stored[taken..], &mut room[given..], Op::FINISH)?;
        taken += step.consumed;
        given += step.produced;
        if step.done && given == length {
            return Ok(&room[..length]);
        }
        let stuck = step.consumed == 0 && step.produced == 0;
        if step.done || stuck || given > length {
            let message = format!("a frame has {given} bytes or more instead of {length}");
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
    }
}

/// Encrypts whole objects.
#[derive(Debug)]
pub(crate) struct Encryptor {
    transform: Option<Transform>,
}

impl Encryptor {
    /// Opens the encryptor of that name in the configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn named(host: &Host, name: &str) -> Result<Self> {
        let transform = (name != NONE).then(|| host.encryptor(name)).transpose()?;
        Ok(Self { transform })
    }

    /// Returns what is appended to names, such as `.age`.
    pub(crate) fn suffix(&self) -> &str {
        self.transform.as_ref().map_or("", Transform::suffix)
    }

    /// Begins to encrypt into `to`.
    ///
    /// # Errors
    ///
    /// Those of the encryptor, an unusable key for one.
    pub(crate) fn begin<W: Write>(&self, to: W) -> Result<Stream<W>> {
        Ok(match &self.transform {
            None => Stream::Clear(to),
            Some(transform) => {
                let encoder = transform.encoder(StreamOptions::default())?;
                Stream::Encrypted(Box::new(EncodeWriter::new(encoder, to)))
            }
        })
    }
}

/// What encrypts, or does not.
#[derive(Debug)]
pub(crate) enum Stream<W> {
    /// Nothing is changed.
    Clear(W),
    /// It is encrypted.
    Encrypted(Box<EncodeWriter<W>>),
}

impl<W: Write> Stream<W> {
    /// Appends.
    ///
    /// # Errors
    ///
    /// Those of the encryptor and of what is behind it.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Clear(to) => to.write_all(data)?,
            Self::Encrypted(to) => to.write_all(data)?,
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub(crate) fn finish(self) -> Result<W> {
        match self {
            Self::Clear(to) => Ok(to),
            Self::Encrypted(to) => Ok(to.finish()?),
        }
    }
}
