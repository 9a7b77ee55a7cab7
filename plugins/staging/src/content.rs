//! Whether a file is encrypted, by its content.
//!
//! A name says nothing, and neither does a first line: what only begins like
//! an encrypted file may be clear text.

mod age;
mod armour;
mod openpgp;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
};

use hayloft_plugin_api::{Host, Result};

/// How much of a file is looked at, in bytes; all of it if it is armoured.
const HEAD: usize = 16 << 10;

/// What a file was encrypted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `OpenPGP`.
    Gpg,
    /// age.
    Age,
    /// An encryptor of that name.
    Other(String),
}

/// Recognises what is encrypted.
#[derive(Debug, Clone)]
pub struct Recogniser {
    /// Encryptors that are neither gpg nor age, and recognise their files by
    /// the first bytes.
    others: Vec<String>,
}

impl Recogniser {
    /// Asks which encryptors there are.
    pub fn new(host: &Host) -> Self {
        let settings = host.settings().unwrap_or_default();
        let mut others = settings.encryptors;
        others.retain(|it| {
            !["gpg", "age", "none"].contains(&it.as_str()) && !settings.compressors.contains(it)
        });
        Self { others }
    }

    /// Returns what the content is encrypted with, if it is.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn kind(&self, host: &Host, content: &mut File) -> io::Result<Option<Kind>> {
        let mut head = Vec::new();
        content.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        Ok(match kind(&head, content)? {
            Some(kind) => Some(kind),
            None => self.other(host, &head).unwrap_or_default(),
        })
    }

    fn other(&self, host: &Host, head: &[u8]) -> Result<Option<Kind>> {
        if self.others.is_empty() {
            return Ok(None);
        }
        // Without a name only the content counts.
        let found = host.recognise("", &head[..head.len().min(512)])?;
        let name = found.map(|it| it.name().to_owned());
        Ok(name.filter(|it| self.others.contains(it)).map(Kind::Other))
    }
}

/// Recognises what our own encryptors read. Of what is armoured, all must be:
/// something else may follow.
fn kind(head: &[u8], content: &mut (impl Read + Seek)) -> io::Result<Option<Kind>> {
    let Some(label) = armour::label(head) else {
        return Ok(binary(head));
    };
    content.rewind()?;
    let inside = armour::read(BufReader::new(content), label, HEAD)?;
    Ok(inside.and_then(|it| binary(&it)).filter(|it| match it {
        Kind::Age => label == armour::AGE,
        _ => label == armour::OPENPGP,
    }))
}

fn binary(head: &[u8]) -> Option<Kind> {
    if age::is_header(head, HEAD) {
        return Some(Kind::Age);
    }
    openpgp::is_message(head).then_some(Kind::Gpg)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn of(text: &[u8]) -> Option<Kind> {
        kind(&text[..text.len().min(HEAD)], &mut Cursor::new(text)).unwrap()
    }

    #[test]
    fn plain_files_are_plain_whatever_they_begin_with() {
        let cases: [&[u8]; 9] = [
            b"age-encryption.org/v1\nis the first line of this letter\n",
            b"age-encryption.org/v1\n-> X25519",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n",
            b"-----BEGIN PGP MESSAGE-----\n\nmy password is secret\n",
            b"-----BEGIN PGP SIGNED MESSAGE-----\n",
            b"\x1f\x8b\x08\0",
            b"\x28\xb5\x2f\xfd",
            b"",
            b"text",
        ];
        for text in cases {
            assert_eq!(of(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn clear_text_behind_an_armoured_message_is_noticed() {
        let message = "-----BEGIN PGP MESSAGE-----\nVersion: 1\n\nhAMDAADSBAEAAAA=\n=abcd\n\
                       -----END PGP MESSAGE-----\n";
        assert_eq!(of(message.as_bytes()), Some(Kind::Gpg));
        let long = format!("{message}{}and clear text\n", "\n".repeat(2 * HEAD));
        assert_eq!(of(long.as_bytes()), None);
        let inside = message.replace("=abcd", "and clear text");
        assert_eq!(of(inside.as_bytes()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, first in 0x80u8..) {
            of(&bytes);
            of(&[&[first], bytes.as_slice()].concat());
            for begin in ["age-encryption.org/v1\n-> ", "-----BEGIN PGP MESSAGE-----\n\n"] {
                of(&[begin.as_bytes(), &bytes].concat());
            }
        }
    }
}
