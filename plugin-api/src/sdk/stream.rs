//! Codecs as `std::io` readers and writers.

use std::{
    fmt,
    io::{self, Read, Write},
    mem,
};

use super::{Codec, Op};
use crate::error::{Error, ErrorKind};

/// The size of the buffers at the boundary, in bytes.
const BUFFER: usize = 256 << 10;

/// What [`EncodeWriter`] and [`DecodeReader`] have in common: a codec and the
/// bytes it has produced but nobody has taken yet.
pub struct StepStream {
    codec: Box<dyn Codec>,
    output: Vec<u8>,
}

impl StepStream {
    fn new(codec: Box<dyn Codec>) -> Self {
        Self { codec, output: vec![0; BUFFER] }
    }
}

impl fmt::Debug for StepStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepStream").finish_non_exhaustive()
    }
}

/// Encodes what is written to it into `W`.
///
/// [`EncodeWriter::finish`] must be called: a stream that is only dropped is
/// incomplete.
#[derive(Debug)]
pub struct EncodeWriter<W> {
    stream: StepStream,
    inner: W,
}

impl<W: Write> EncodeWriter<W> {
    /// Creates a writer that puts the encoded bytes into `inner`.
    pub fn new(codec: Box<dyn Codec>, inner: W) -> Self {
        Self { stream: StepStream::new(codec), inner }
    }

    /// Ends the stream and returns what the encoded bytes went into.
    ///
    /// # Errors
    ///
    /// Those of the codec and of `W`.
    pub fn finish(mut self) -> io::Result<W> {
        self.run_until_done(&[], Op::FINISH)?;
        Ok(self.inner)
    }

    /// Ends the stream with these bytes, and returns what the encoded bytes
    /// went into.
    ///
    /// The codec is given all of them at once, with room for as many: some do
    /// not have to copy them to look back then. The room can be used again; it
    /// is made larger if need be.
    ///
    /// # Errors
    ///
    /// Those of the codec and of `W`.
    pub fn finish_with(mut self, data: &[u8], room: &mut Vec<u8>) -> io::Result<W> {
        // What cannot be made smaller gets a little larger.
        let needed = data.len() + data.len() / 128 + BUFFER;
        if room.len() < needed {
            *room = vec![0; needed];
        }
        mem::swap(&mut self.stream.output, room);
        let ended = self.run_until_done(data, Op::FINISH);
        mem::swap(&mut self.stream.output, room);
        ended.map(|()| self.inner)
    }

    /// Returns what the encoded bytes go into.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    fn run_until_done(&mut self, mut data: &[u8], op: Op) -> io::Result<()> {
        loop {
            let StepStream { codec, output } = &mut self.stream;
            let step = codec.step(data, output, op).map_err(Error::into_io)?;
            self.inner.write_all(&output[..step.produced])?;
            data = &data[step.consumed..];
            if step.done {
                return Ok(());
            }
            if step.produced == 0 && step.consumed == 0 {
                return Err(stuck("encoder"));
            }
        }
    }
}

impl<W: Write> Write for EncodeWriter<W> {
    fn write(&mut self, mut data: &[u8]) -> io::Result<usize> {
        let all = data.len();
        while !data.is_empty() {
            let StepStream { codec, output } = &mut self.stream;
            let step = codec.step(data, output, Op::RUN).map_err(Error::into_io)?;
            if step.consumed == 0 && step.produced == 0 {
                return Err(stuck("encoder"));
            }
            self.inner.write_all(&output[..step.produced])?;
            data = &data[step.consumed..];
        }
        Ok(all)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.run_until_done(&[], Op::FLUSH)?;
        self.inner.flush()
    }
}

/// Decodes what is read from `R`.
///
/// The end of `R` before the end of the stream is an error, and so are bytes
/// after it.
#[derive(Debug)]
pub struct DecodeReader<R> {
    stream: StepStream,
    inner: R,
    input: Vec<u8>,
    taken: usize,
    filled: usize,
    ended: bool,
    done: bool,
}

impl<R: Read> DecodeReader<R> {
    /// Creates a reader of what is encoded in `inner`.
    pub fn new(codec: Box<dyn Codec>, inner: R) -> Self {
        Self {
            stream: StepStream { codec, output: Vec::new() },
            inner,
            input: vec![0; BUFFER],
            taken: 0,
            filled: 0,
            ended: false,
            done: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.taken == self.filled && !self.ended {
            self.filled = read_some(&mut self.inner, &mut self.input)?;
            self.taken = 0;
            self.ended = self.filled == 0;
        }
        Ok(())
    }

    fn expect_end(&mut self) -> io::Result<()> {
        self.fill()?;
        if self.ended {
            return Ok(());
        }
        let error = Error::new(ErrorKind::CORRUPT, "there are bytes after the end of the stream");
        Err(error.into_io())
    }
}

impl<R: Read> Read for DecodeReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while !self.done {
            self.fill()?;
            let op = if self.ended { Op::FINISH } else { Op::RUN };
            let input = &self.input[self.taken..self.filled];
            let step = self.stream.codec.step(input, buffer, op).map_err(Error::into_io)?;
            self.taken += step.consumed;
            self.done = step.done;
            if step.produced > 0 {
                return Ok(step.produced);
            }
            if !step.done && step.consumed == 0 && (self.ended || self.taken < self.filled) {
                return Err(stuck("decoder"));
            }
        }
        self.expect_end()?;
        Ok(0)
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn stuck(what: &str) -> io::Error {
    Error::new(ErrorKind::CORRUPT, format!("the {what} makes no progress")).into_io()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdk::Step;

    /// Writes each byte twice.
    struct Twice;

    impl Codec for Twice {
        fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> crate::Result<Step> {
            let taken = input.len().min(output.len() / 2);
            for (from, to) in input[..taken].iter().zip(output.chunks_exact_mut(2)) {
                to.fill(*from);
            }
            let done = op != Op::RUN && taken == input.len();
            Ok(Step { consumed: taken, produced: taken * 2, done })
        }
    }

    #[test]
    fn the_end_can_be_given_at_once_whatever_room_it_needs() {
        let (head, tail) = (b"head".as_slice(), vec![7; 3 * BUFFER]);
        let expected: Vec<u8> = [head, &tail].concat().iter().flat_map(|it| [*it; 2]).collect();
        let mut room = Vec::new();
        for data in [tail.as_slice(), &tail] {
            let mut writer = EncodeWriter::new(Box::new(Twice), Vec::new());
            writer.write_all(head).unwrap();
            assert!(writer.finish_with(data, &mut room).unwrap() == expected);
            assert!(room.len() > tail.len());
        }
        let empty = EncodeWriter::new(Box::new(Twice), Vec::new());
        assert!(empty.finish_with(&[], &mut room).unwrap().is_empty());
    }
}
