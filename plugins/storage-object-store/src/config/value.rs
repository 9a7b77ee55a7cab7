//! Values that cannot be wrong once they are there.

use std::{fmt, str::FromStr, time};

use hayloft_plugin_api::config::{ByteSize, Duration};
use http::Uri;
use serde::{Deserialize, Deserializer, de};

/// Decodes a value from its text.
fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    String::deserialize(deserializer)?.trim().parse().map_err(de::Error::custom)
}

macro_rules! decoded_from_text {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer)
            }
        }
    )*};
}

decoded_from_text!(Name, Prefix, Address, PartSize, Positive);

/// The name of a bucket, a container, a region or the like: part of an address,
/// so it has no slashes and no blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
        if text.is_empty() || text.len() > 255 || !text.chars().all(good) || text.starts_with('.') {
            return Err(format!(
                "`{text}` is no such name: letters, digits, `.`, `-` and `_` only, no path"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What the keys of all objects begin with: nothing, or segments and a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Returns it as text: empty, or with a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let good = |it: &str| !matches!(it, "" | "." | "..") && !it.chars().any(char::is_control);
        match path {
            "" => Ok(Self::default()),
            path if path.split('/').all(good) => Ok(Self(format!("{path}/"))),
            _ => Err(format!(
                "`{}` cannot be what keys begin with: segments joined by `/`, none of them empty, \
                 `.` or `..`",
                text.escape_debug()
            )),
        }
    }
}

/// An address of a server: `https://host:port/path`, without user and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    authority: String,
    encrypted: bool,
}

impl Address {
    /// Returns it without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns host and port, if one is given.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Tells whether the conversation is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Tells whether it is on this machine.
    pub fn is_local(&self) -> bool {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |it| it.0);
        host == "localhost" || host.starts_with("127.") || host == "[::1]"
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("`{text}` is no address such as https://host:port: {why}"));
        let Ok(uri) = text.parse::<Uri>() else { return wrong("it cannot be read") };
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return wrong("it does not begin with https:// or http://"),
        };
        let Some(authority) = uri.authority().filter(|it| !it.host().is_empty()) else {
            return wrong("it has no host");
        };
        if authority.as_str().contains('@') {
            // Not shown: there may be a password in it.
            return Err("an address has no user and no password in it".to_owned());
        }
        let after_host = authority.as_str().rsplit(']').next().unwrap_or_default();
        if after_host.contains(':') && authority.port_u16().is_none() {
            return wrong("its port is no number");
        }
        if uri.query().is_some() || text.contains('#') {
            return wrong("it has a query");
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self { text: text.trim_end_matches('/').to_owned(), authority, encrypted })
    }
}

/// The size of a part of a multipart upload: 5 MB to 1 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSize(u64);

impl PartSize {
    /// Returns the number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for PartSize {
    fn default() -> Self {
        Self(16 << 20)
    }
}

impl FromStr for PartSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.parse::<ByteSize>()?.bytes();
        if (5 << 20..=1 << 30).contains(&size) {
            return Ok(Self(size));
        }
        Err(format!("`{text}` is not between 5 MB and 1 GB"))
    }
}

/// A span of time that is not zero, and no more than a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positive(time::Duration);

impl Positive {
    /// A span that is known not to be zero.
    pub(crate) const fn of(span: time::Duration) -> Self {
        assert!(!span.is_zero());
        Self(span)
    }

    /// Returns it as the standard library's type.
    pub fn get(self) -> time::Duration {
        self.0
    }
}

impl FromStr for Positive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const YEAR: time::Duration = time::Duration::from_hours(366 * 24);
        let span = text.parse::<Duration>()?.get();
        if span.is_zero() || span > YEAR {
            return Err(format!("`{text}` is not a span of time from 1ms to a year"));
        }
        Ok(Self(span))
    }
}

/// A whole number of that range.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Count<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// A number that is known to be in the range.
    pub(crate) const fn new(number: u32) -> Self {
        assert!(MIN <= number && number <= MAX);
        Self(number)
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Debug for Count<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.trim().parse().ok().filter(|it| (MIN..=MAX).contains(it));
        number.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{}` is not a whole number from {MIN} to {MAX}",
                text.trim()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_part_of_an_address() {
        for good in ["backups", "my.bucket-1", "UPPER_case", "$logs", "eu-west-1"] {
            assert_eq!(good.parse(), Ok(Name(good.to_owned())));
        }
        for bad in ["", "a/b", "a b", "s3://b", ".hidden", "ü", "a?b", "a\nb"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_are_segments() {
        let cases = [
            ("", Some("")),
            ("/", Some("")),
            ("a", Some("a/")),
            ("a/", Some("a/")),
            ("a/b c/d", Some("a/b c/d/")),
            ("/a", None),
            ("a//b", None),
            ("../a", None),
            ("a/./b", None),
            ("a\u{7}b", None),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<Prefix>().ok();
            assert_eq!(parsed.as_ref().map(Prefix::as_str), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_are_those_of_servers() {
        let cases = [
            ("https://s3.example.com", Some(("s3.example.com", true, false))),
            ("http://127.0.0.1:9000/", Some(("127.0.0.1:9000", false, true))),
            ("http://localhost:1/base/path", Some(("localhost:1", false, true))),
            ("https://[::1]:443", Some(("[::1]:443", true, true))),
            ("s3.example.com", None),
            ("ftp://host", None),
            ("https://", None),
            ("https://user:secret@host", None),
            ("https://host/?query", None),
            ("https://host:port", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<Address>();
            let found = parsed.as_ref().ok();
            let found = found.map(|it| (it.authority(), it.is_encrypted(), it.is_local()));
            assert_eq!(found, expected, "{text:?}");
            assert!(!parsed.is_err_and(|it| it.contains("secret")));
        }
        assert_eq!("https://h/a/".parse::<Address>().unwrap().as_str(), "https://h/a");
    }

    #[test]
    fn sizes_spans_and_numbers_have_limits() {
        for (text, good) in [("5 MB", true), ("1GB", true), ("4.9MB", false), ("2 GB", false)] {
            assert_eq!(text.parse::<PartSize>().is_ok(), good, "{text}");
        }
        for (text, good) in [("90", true), ("250ms", true), ("0", false), ("99999w", false)] {
            assert_eq!(text.parse::<Positive>().is_ok(), good, "{text}");
        }
    }
}
