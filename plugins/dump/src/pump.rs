//! Moves a stream from a program into a file, reading and compressing at the
//! same time.

use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, Sender, channel, sync_channel},
    thread,
};

use hayloft_plugin_api::{Codec, EncodeWriter, Output, Result};

/// The size of a buffer, in bytes.
const BUFFER: usize = 256 << 10;
/// The number of buffers between reading and compressing.
const BUFFERS: usize = 4;

/// Where a stream goes.
#[derive(Debug)]
pub enum Sink {
    /// Into a file as it is.
    Plain(Output),
    /// Into a file through a compressor.
    Encoded(EncodeWriter<Output>),
}

impl Sink {
    /// Creates one; without a codec, the stream is not changed.
    pub fn new(codec: Option<Box<dyn Codec>>, output: Output) -> Self {
        match codec {
            Some(codec) => Self::Encoded(EncodeWriter::new(codec, output)),
            None => Self::Plain(output),
        }
    }

    /// Ends the stream; the file has yet to be committed.
    ///
    /// # Errors
    ///
    /// Those of the compressor and of the file.
    pub fn finish(self) -> io::Result<Output> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Encoded(writer) => writer.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(data),
            Self::Encoded(writer) => writer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer and how much of it is filled.
type Filled = (Vec<u8>, usize);

/// Moves everything from `source` into `sink`, in a thread of its own, and
/// calls `finish` for it in there. `seen` is called for each piece on its
/// way; its error ends it.
///
/// # Errors
///
/// That of the sink if it has one, else that of the source or of `seen`.
pub fn pump<S: Write + Send, T: Send>(
    source: &mut impl Read,
    sink: S,
    finish: impl FnOnce(S) -> io::Result<T> + Send,
    mut seen: impl FnMut(&[u8]) -> Result<()>,
) -> Result<T> {
    thread::scope(|scope| {
        let (fill, filled) = sync_channel::<Filled>(BUFFERS);
        let (give_back, empty) = channel();
        let writer = scope.spawn(move || write_all(sink, finish, &filled, &give_back));
        let mut made = 0;
        let mut read = || -> Result<()> {
            loop {
                let mut buffer = match empty.try_recv() {
                    Ok(buffer) => buffer,
                    Err(_) if made < BUFFERS => {
                        made += 1;
                        vec![0; BUFFER]
                    }
                    // An error of the writer's is found when it is joined.
                    Err(_) => match empty.recv() {
                        Ok(buffer) => buffer,
                        Err(_) => return Ok(()),
                    },
                };
                let length = fill_up(source, &mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                seen(&buffer[..length])?;
                if fill.send((buffer, length)).is_err() {
                    return Ok(());
                }
            }
        };
        let read = read();
        drop(fill);
        let written = match writer.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let written = written?;
        read.map(|()| written)
    })
}

fn write_all<S: Write, T>(
    mut sink: S,
    finish: impl FnOnce(S) -> io::Result<T>,
    filled: &Receiver<Filled>,
    give_back: &Sender<Vec<u8>>,
) -> io::Result<T> {
    for (buffer, length) in filled {
        sink.write_all(&buffer[..length])?;
        // The reader may have ended already.
        let _ = give_back.send(buffer);
    }
    finish(sink)
}

/// Reads until the buffer is full, which a pipe does only bit by bit.
fn fill_up(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::{Error, ErrorKind};

    use super::*;

    /// Fails once it has taken more than `room` bytes.
    struct Full {
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.room = self
                .room
                .checked_sub(data.len())
                .ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_in_order() {
        let data: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut bytes = 0;
        let out = pump(&mut data.as_slice(), Vec::new(), Ok, |piece| {
            bytes += piece.len();
            Ok(())
        });
        assert!(out.unwrap() == data);
        assert_eq!(bytes, data.len());
    }

    #[test]
    fn an_error_of_any_side_ends_it() {
        let mut endless = io::repeat(1);
        let full = pump(&mut endless, Full { room: 3_000_000 }, Ok, |_| Ok(()));
        assert_eq!(full.err().unwrap().kind(), ErrorKind::FULL);

        let mut pieces = 0;
        let stopped = pump(&mut endless, io::sink(), Ok, |_| {
            pieces += 1;
            if pieces == 9 { Err(Error::new(ErrorKind::CANCELLED, "stop")) } else { Ok(()) }
        });
        assert_eq!(stopped.err().unwrap().kind(), ErrorKind::CANCELLED);
    }
}
