//! What gpg says about its work, and what that means.
//!
//! Its exit code alone is not enough: gpg 2.2 ends with 0 when the header of
//! a message is cut off. See `doc/DETAILS` of GnuPG for the status lines.

use std::collections::{BTreeSet, VecDeque};

use hayloft_plugin_api::{Error, ErrorKind};

/// How many lines of gpg's messages are kept.
const LINES: usize = 10;
/// Where a line is cut, in bytes.
const LONGEST_LINE: usize = 4 << 10;
const STATUS: &str = "[GNUPG:] ";

/// What gpg is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Encrypt,
    Decrypt,
}

/// What a status line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// Something of no consequence.
    Anything,
    EndedWell,
    /// The content has begun: the key was the right one.
    ContentBegan,
    Damaged,
    NoKey,
}

/// What gpg has said so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    /// The line that is not complete yet.
    current: Vec<u8>,
    messages: VecDeque<String>,
    facts: BTreeSet<Fact>,
    /// A recipient that gpg does not encrypt for, with its reason.
    refused: Option<(String, String)>,
}

impl Status {
    /// Takes what gpg wrote to its standard error.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                byte if self.current.len() < LONGEST_LINE => self.current.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.current).trim_end().to_owned();
        self.current.clear();
        if let Some(status) = line.strip_prefix(STATUS) {
            self.status(status);
        } else if !line.is_empty() {
            if self.messages.len() == LINES {
                self.messages.pop_front();
            }
            self.messages.push_back(line.trim_start_matches("gpg: ").to_owned());
        }
    }

    fn status(&mut self, line: &str) {
        let mut words = line.split(' ');
        let fact = match words.next().unwrap_or_default() {
            "DECRYPTION_OKAY" | "END_ENCRYPTION" => Fact::EndedWell,
            "PLAINTEXT" => Fact::ContentBegan,
            "BADMDC" | "NODATA" | "UNEXPECTED" | "BADARMOR" => Fact::Damaged,
            "DECRYPTION_FAILED" if self.has(Fact::ContentBegan) => Fact::Damaged,
            "NO_SECKEY" | "BAD_PASSPHRASE" | "MISSING_PASSPHRASE" => Fact::NoKey,
            "ERROR" if is_about_key(words.next(), words.next()) => Fact::NoKey,
            "INV_RECP" => {
                let reason = words.next().unwrap_or_default().to_owned();
                self.refused = Some((words.collect::<Vec<_>>().join(" "), reason));
                Fact::Anything
            }
            _ => Fact::Anything,
        };
        self.facts.insert(fact);
    }

    fn has(&self, fact: Fact) -> bool {
        self.facts.contains(&fact)
    }

    /// Tells what came of it, once gpg has ended; `code` is `None` if a
    /// signal ended it.
    pub(crate) fn outcome(&self, task: Task, code: Option<i32>) -> Result<(), Error> {
        if code == Some(0) && self.has(Fact::EndedWell) && !self.has(Fact::Damaged) {
            return Ok(());
        }
        let (kind, message, hint) = match task {
            Task::Encrypt => self.why_not_encrypted(code),
            Task::Decrypt => self.why_not_decrypted(code),
        };
        let said = self.messages.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        let mut error = if said.is_empty() {
            Error::new(kind, message)
        } else {
            Error::new(kind, said).context(message)
        };
        if let Some(hint) = hint {
            error = error.hint(hint);
        }
        Err(error)
    }

    fn why_not_encrypted(&self, code: Option<i32>) -> (ErrorKind, String, Option<&'static str>) {
        let Some((recipient, reason)) = &self.refused else {
            return (ErrorKind::OTHER, how_it_ended(code), None);
        };
        let hint = match reason.as_str() {
            "10" => "sign the key with `gpg --sign-key`, or set <trust_model>always</trust_model>",
            "4" | "5" => "the key has expired or was revoked: get a new one from its owner",
            _ => "import the key with `gpg --import`, as the user who makes the backups",
        };
        let message = format!("gpg does not encrypt for {recipient}");
        (ErrorKind::CONFIGURATION, message, Some(hint))
    }

    fn why_not_decrypted(&self, code: Option<i32>) -> (ErrorKind, String, Option<&'static str>) {
        if self.has(Fact::NoKey) && !self.has(Fact::Damaged) {
            let message = "gpg has no key or passphrase that opens the stream".to_owned();
            let hint = "import the secret key, and give <passphrase_file> if it has a passphrase";
            return (ErrorKind::NOT_FOUND, message, Some(hint));
        }
        if !self.facts.is_empty() && code.is_some() {
            let message = "the gpg stream is damaged or ends too early".to_owned();
            return (ErrorKind::CORRUPT, message, None);
        }
        (ErrorKind::OTHER, how_it_ended(code), None)
    }
}

/// Errors of libgpg-error that are about the use of a secret key, and not
/// about the data: bad passphrase, time-out, no agent, no pinentry, pinentry
/// failed, cancelled.
const KEY_UNUSABLE: [u32; 6] = [11, 62, 77, 85, 86, 99];

fn is_about_key(place: Option<&str>, code: Option<&str>) -> bool {
    let number = code.and_then(|it| it.split('_').next()).and_then(|it| it.parse::<u32>().ok());
    // Where the error comes from stands in the upper bits.
    let unusable = number.is_some_and(|it| KEY_UNUSABLE.contains(&(it & 0xffff)));
    let places = ["pkdecrypt_failed", "symkey_decrypt"];
    unusable && place.is_some_and(|it| places.iter().any(|place| it.starts_with(place)))
}

fn how_it_ended(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("gpg failed with exit code {code}"),
        None => "gpg was ended by a signal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome(task: Task, text: &str, code: Option<i32>) -> Result<(), (ErrorKind, String)> {
        let mut status = Status::default();
        status.push(text.as_bytes());
        status.outcome(task, code).map_err(|e| (e.kind(), e.to_string()))
    }

    #[test]
    fn decrypting_is_good_only_if_gpg_says_so_twice() {
        let good = "[GNUPG:] PLAINTEXT 62 1 \n[GNUPG:] DECRYPTION_OKAY\n[GNUPG:] GOODMDC\n";
        let cases = [
            (good.to_owned(), Some(0), None),
            (good.to_owned(), Some(2), Some(ErrorKind::CORRUPT)),
            (good.to_owned(), None, Some(ErrorKind::OTHER)),
            (format!("{good}[GNUPG:] BADMDC\n"), Some(0), Some(ErrorKind::CORRUPT)),
            ("[GNUPG:] NODATA 3\n".to_owned(), Some(0), Some(ErrorKind::CORRUPT)),
            (
                "[GNUPG:] NO_SECKEY C0BB\n[GNUPG:] DECRYPTION_FAILED\n".to_owned(),
                Some(2),
                Some(ErrorKind::NOT_FOUND),
            ),
            (
                "[GNUPG:] ERROR symkey_decrypt.maybe_error 11_BAD_PASSPHRASE\n".to_owned(),
                Some(2),
                Some(ErrorKind::NOT_FOUND),
            ),
            (
                "[GNUPG:] ERROR pkdecrypt_failed 67108882\n".to_owned(),
                Some(2),
                Some(ErrorKind::CORRUPT),
            ),
            (
                "[GNUPG:] ERROR pkdecrypt_failed 67108949\n".to_owned(),
                Some(2),
                Some(ErrorKind::NOT_FOUND),
            ),
            ("gpg: invalid option\n".to_owned(), Some(2), Some(ErrorKind::OTHER)),
            (String::new(), Some(0), Some(ErrorKind::OTHER)),
        ];
        for (text, code, expected) in cases {
            let found = outcome(Task::Decrypt, &text, code).err().map(|it| it.0);
            assert_eq!(found, expected, "{text:?} {code:?}");
        }
    }

    #[test]
    fn a_recipient_that_cannot_be_used_is_named() {
        let text = "gpg: bob: skipped: No public key\n[GNUPG:] INV_RECP 1 bob smith\n";
        let (kind, message) = outcome(Task::Encrypt, text, Some(2)).unwrap_err();
        assert_eq!(kind, ErrorKind::CONFIGURATION);
        assert_eq!(message, "gpg does not encrypt for bob smith: bob: skipped: No public key");
        assert_eq!(outcome(Task::Encrypt, "[GNUPG:] END_ENCRYPTION\n", Some(0)), Ok(()));
        assert!(outcome(Task::Encrypt, "", Some(0)).is_err());
    }

    proptest! {
        #[test]
        fn no_output_of_gpg_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut status = Status::default();
            status.push(b"[GNUPG:] ERROR ");
            status.push(&bytes);
            status.push(b"\n");
            prop_assert!(status.outcome(Task::Decrypt, Some(1)).is_err());
        }
    }
}
