//! Puts messages behind one another so that they are a mailbox again.

use std::io::{self, Write};

/// Writes messages; those that were not behind one another get an empty line
/// between them where there is none.
#[derive(Debug)]
pub(crate) struct Joined<W> {
    inner: W,
    last: [u8; 3],
    written: u64,
}

impl<W: Write> Joined<W> {
    /// Begins a mailbox.
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, last: *b"\n\n\n", written: 0 }
    }

    /// Sees to it that what follows can be a message.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(crate) fn separate(&mut self) -> io::Result<()> {
        if self.written == 0 {
            return Ok(());
        }
        match self.last {
            [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'] => Ok(()),
            [_, b'\r', b'\n'] => self.write_all(b"\r\n"),
            [_, _, b'\n'] => self.write_all(b"\n"),
            _ => self.write_all(b"\n\n"),
        }
    }

    /// Returns how much was written, in bytes.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Returns what it writes to.
    pub(crate) fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Joined<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        for byte in &data[written.saturating_sub(3)..written] {
            self.last.rotate_left(1);
            self.last[2] = *byte;
        }
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_empty_line_between_messages() {
        let cases = [
            ("", "X"),
            ("a", "a\n\nX"),
            ("a\n", "a\n\nX"),
            ("a\n\n", "a\n\nX"),
            ("a\n\n\n", "a\n\n\nX"),
            ("a\r\n", "a\r\n\r\nX"),
            ("a\r\n\r\n", "a\r\n\r\nX"),
            ("\n", "\nX"),
        ];
        for (before, expected) in cases {
            let mut joined = Joined::new(Vec::new());
            joined.write_all(before.as_bytes()).unwrap();
            joined.separate().unwrap();
            joined.write_all(b"X").unwrap();
            assert_eq!(joined.written(), expected.len() as u64);
            assert_eq!(String::from_utf8(joined.into_inner()).unwrap(), expected, "{before:?}");
        }
    }
}
