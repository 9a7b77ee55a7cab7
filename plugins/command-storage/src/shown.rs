//! What people and scripts are shown.

use std::io::{self, BufWriter, Write};

use hayloft_plugin_api::{Error, ErrorKind, Host, ObjectMeta, Result};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

/// The standard output, for text without end. Who has seen enough and closes
/// it ends the command, and that is no failure.
pub(crate) struct Lines {
    out: BufWriter<hayloft_plugin_api::Output>,
}

impl Lines {
    pub(crate) fn new(host: &Host) -> Result<Self> {
        Ok(Self { out: BufWriter::with_capacity(64 << 10, host.standard_output()?) })
    }

    /// Writes a line of text.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// Writes a value as a line of JSON.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<()> {
        self.text(&serde_json::to_string(value)?)
    }

    /// Ends it; `result` is what came of the work.
    pub(crate) fn finish(self, result: Result<u8>) -> Result<u8> {
        let flush = |out: BufWriter<_>| out.into_inner().map(drop).map_err(io::Error::from);
        let result = result.and_then(|code| {
            flush(self.out)?;
            Ok(code)
        });
        match result {
            Err(error) if is_unread(&error) => Ok(0),
            other => other,
        }
    }
}

/// What [`Host::standard_output`] says when nobody reads any more; an
/// interruption is another thing.
fn is_unread(error: &Error) -> bool {
    error.kind() == ErrorKind::CANCELLED && error.message().contains("nobody reads")
}

/// Returns the time of an object for people, in the time of the machine.
pub(crate) fn local_time(modified_ns: i64) -> String {
    match timestamp(modified_ns) {
        Some(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => "-".to_owned(),
    }
}

/// Returns a time for scripts, if there is one.
pub(crate) fn utc(modified_ns: i64) -> Option<String> {
    timestamp(modified_ns).map(|it| it.to_string())
}

fn timestamp(modified_ns: i64) -> Option<Timestamp> {
    if modified_ns == 0 {
        return None;
    }
    Timestamp::from_nanosecond(i128::from(modified_ns)).ok()
}

/// An object for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct JsonObject<'a> {
    key: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    etag: &'a str,
}

impl<'a> From<&'a ObjectMeta> for JsonObject<'a> {
    fn from(it: &'a ObjectMeta) -> Self {
        Self { key: &it.key, size: it.size, modified: utc(it.modified_ns), etag: &it.etag }
    }
}

/// `1 object`, `2,000 objects`.
pub(crate) fn objects(count: u64) -> String {
    format!("{} {}", thousands(count), if count == 1 { "object" } else { "objects" })
}

/// A number that can be read.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_between_thousands() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
        assert_eq!((objects(1), objects(2)), ("1 object".to_owned(), "2 objects".to_owned()));
    }

    #[test]
    fn a_time_that_is_not_known_is_not_invented() {
        assert_eq!((utc(0), local_time(0)), (None, "-".to_owned()));
        assert_eq!(utc(1_000_000_000_500_000_000).unwrap(), "2001-09-09T01:46:40.5Z");
    }
}
