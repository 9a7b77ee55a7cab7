//! Cedar Backup's state of an increment, read once when there is none of ours.
//!
//! It is a pickle, protocol 0, of a `datetime`. A pickle can run programs;
//! this reader knows the one shape that such a file has, and refuses every
//! other.

use jiff::{civil, tz::TimeZone};
use thiserror::Error;

/// Why such a file cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("it is not what Cedar Backup writes (at byte {position})")]
pub(crate) struct NotCedars {
    /// Where it is not as it must be.
    pub(crate) position: usize,
}

/// Reads when Cedar Backup last backed up the mailbox, in seconds since 1970.
/// It wrote the time of a clock in `zone`.
///
/// # Errors
///
/// [`NotCedars`] if there is anything in it that such a file does not have.
pub(crate) fn read(data: &[u8], zone: &TimeZone) -> Result<i64, NotCedars> {
    let mut parser = Parser { data, position: 0 };
    let time = parser.file();
    let time = time.and_then(|it| it.to_zoned(zone.clone()).ok());
    time.map(|it| it.timestamp().as_second()).ok_or(NotCedars { position: parser.position })
}

struct Parser<'a> {
    data: &'a [u8],
    position: usize,
}

impl Parser<'_> {
    fn file(&mut self) -> Option<civil::DateTime> {
        self.expect(b"cdatetime\ndatetime\n")?;
        self.memo();
        self.expect(b"(")?;
        let state = if self.expect(b"c_codecs\nencode\n").is_some() {
            self.memo();
            self.expect(b"(V")?;
            let state = self.escaped()?;
            self.memo();
            self.expect(b"Vlatin1\n")?;
            self.call()?;
            state
        } else {
            // Python 2 had bytes in quotes.
            self.expect(b"S")?;
            let state = self.quoted()?;
            self.memo();
            state
        };
        self.call()?;
        self.expect(b".")?;
        (self.position == self.data.len()).then(|| date_time(&state)).flatten()
    }

    /// The end of a tuple, and the call of what stands before it.
    fn call(&mut self) -> Option<()> {
        self.memo();
        self.expect(b"t")?;
        self.memo();
        self.expect(b"R")?;
        self.memo();
        Some(())
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.data[self.position..].starts_with(text).then(|| self.position += text.len())
    }

    /// A number under which the value before it is remembered, if there is
    /// one: nothing here is used twice.
    fn memo(&mut self) {
        let rest = &self.data[self.position..];
        let Some(number) = rest.strip_prefix(b"p") else { return };
        let digits = number.iter().take_while(|it| it.is_ascii_digit()).count();
        if digits > 0 && number.get(digits) == Some(&b'\n') {
            self.position += digits + 2;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u8> {
        let mut value = 0_u32;
        for _ in 0..digits {
            value = value * 16 + char::from(self.byte()?).to_digit(16)?;
        }
        u8::try_from(value).ok()
    }

    /// A text with every character below 256, up to the end of the line.
    fn escaped(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Some(bytes),
                b'\\' => {
                    self.expect(b"u")?;
                    bytes.push(self.hexadecimal(4)?);
                }
                byte => bytes.push(byte),
            }
            (bytes.len() <= 10).then_some(())?;
        }
    }

    /// Bytes as Python 2 shows them, in quotes, up to the end of the line.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let quote = self.byte().filter(|it| matches!(it, b'\'' | b'"'))?;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                byte if byte == quote => break,
                b'\n' => return None,
                b'\\' => bytes.push(match self.byte()? {
                    b'x' => self.hexadecimal(2)?,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    byte @ (b'\\' | b'\'' | b'"') => byte,
                    _ => return None,
                }),
                byte => bytes.push(byte),
            }
            (bytes.len() <= 10).then_some(())?;
        }
        self.expect(b"\n")?;
        Some(bytes)
    }
}

/// The ten bytes that a `datetime` is made of again; the highest bit of the
/// month says which of two equal times of the clock it is.
fn date_time(state: &[u8]) -> Option<civil::DateTime> {
    let &[high, low, month, day, hour, minute, second, _, _, _] = state else { return None };
    let year = i16::from_be_bytes([high, low]);
    let number = |it: u8| i8::try_from(it).ok();
    let month = number(month & 0x7f)?;
    let (day, hour) = (number(day)?, number(hour)?);
    civil::DateTime::new(year, month, day, hour, number(minute)?, number(second)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    // As Python 3.11 writes them.
    const AT_03_04_05: &[u8] = b"cdatetime\ndatetime\np0\n(c_codecs\nencode\np1\n(V\x07\xea\x0b\x11\x03\x04\x05\\u000a[\xf5\np2\nVlatin1\np3\ntp4\nRp5\ntp6\nRp7\n.";
    const ESCAPED: &[u8] = b"cdatetime\ndatetime\np0\n(c_codecs\nencode\np1\n(V\x07\xea\\u000a\\u000d\\u000a\\u000d\\u001a\\u0000\\u0000\\u005c\np2\nVlatin1\np3\ntp4\nRp5\ntp6\nRp7\n.";
    // As Python 2.7 writes it.
    const PYTHON_2: &[u8] = b"cdatetime\ndatetime\np0\n(S'\\x07\\xea\\x0b\\x11\\x03\\x04\\x05\\n[\\xf5'\np1\ntp2\nRp3\n.";

    fn at(data: &[u8]) -> Option<i64> {
        read(data, &TimeZone::UTC).ok()
    }

    #[test]
    fn what_cedar_backup_writes_is_read() {
        let cases = [
            (AT_03_04_05, Some(1_794_884_645)),
            (ESCAPED, Some(1_791_886_406)),
            (PYTHON_2, Some(1_794_884_645)),
        ];
        for (data, expected) in cases {
            assert_eq!(at(data), expected, "{:?}", String::from_utf8_lossy(data));
        }
        let berlin = TimeZone::posix("CET-1").unwrap();
        assert_eq!(read(AT_03_04_05, &berlin), Ok(1_794_884_645 - 3600));
    }

    #[test]
    fn nothing_else_is_read() {
        let cut = &AT_03_04_05[..AT_03_04_05.len() - 1];
        let more = [AT_03_04_05, b"x"].concat();
        let month = String::from_utf8_lossy(PYTHON_2).replace("\\x0b", "\\x0d");
        let cases: [&[u8]; 7] = [
            b"",
            b"I3\n.",
            b"cos\nsystem\n(S'true'\ntR.",
            b"cdatetime\ndatetime\np0\n(S'short'\np1\ntp2\nRp3\n.",
            cut,
            &more,
            month.as_bytes(),
        ];
        for data in cases {
            assert_eq!(at(data), None, "{:?}", String::from_utf8_lossy(data));
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(data in any::<Vec<u8>>(), at_byte in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let _ = at(&data);
            let mut changed = AT_03_04_05.to_vec();
            let index = at_byte.index(changed.len());
            changed[index] = byte;
            let _ = at(&changed);
        }
    }
}
