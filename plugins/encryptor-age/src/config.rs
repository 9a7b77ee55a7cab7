//! The plugin's own elements in `<encryptor>`.

use std::path::PathBuf;

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::keys;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Public keys, `age1…`: each of the owners can decrypt.
    pub recipient: Vec<String>,
    /// Files with a public key in each line.
    pub recipients_file: Vec<PathBuf>,
    /// Files with secret keys, `AGE-SECRET-KEY-1…`, one in each line. Only
    /// for decrypting.
    pub identity_file: Vec<PathBuf>,
    /// A file whose first line is the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// A program, with arguments, whose first line of output is the
    /// passphrase. There is no shell.
    pub passphrase_command: Option<String>,
    /// How hard it is to try passphrases, as a power of two, from 10 to 22;
    /// 18 if it is not given, as for age itself: a second and 256 MiB.
    pub work_factor: u8,
}

/// The most work that is done for a file of somebody else's making: 4 GiB and
/// half a minute.
pub(crate) const MOST_WORK: u8 = 22;

impl Default for Config {
    fn default() -> Self {
        Self {
            recipient: Vec::new(),
            recipients_file: Vec::new(),
            identity_file: Vec::new(),
            passphrase_file: None,
            passphrase_command: None,
            work_factor: 18,
        }
    }
}

impl Config {
    /// Tells whether there is a passphrase instead of recipients.
    pub(crate) fn has_passphrase(&self) -> bool {
        self.passphrase_file.is_some() || self.passphrase_command.is_some()
    }

    fn has_recipients(&self) -> bool {
        !self.recipient.is_empty() || !self.recipients_file.is_empty()
    }

    /// Refuses values that cannot be used. No file is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] saying which.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: &str| Error::new(ErrorKind::CONFIGURATION, message);
        if self.has_passphrase() && self.has_recipients() {
            return Err(wrong("age encrypts either for recipients or with a passphrase")
                .hint("keep one of both; others may have an encryptor of their own"));
        }
        if self.passphrase_file.is_some() && self.passphrase_command.is_some() {
            return Err(wrong("both passphrase_file and passphrase_command are given"));
        }
        if !self.has_passphrase() && !self.has_recipients() && self.identity_file.is_empty() {
            return Err(wrong("age needs somebody to encrypt for").hint(
                "give <recipient> with a public key that `age-keygen` made, or <passphrase_file>",
            ));
        }
        if !(10..=MOST_WORK).contains(&self.work_factor) {
            let factor = self.work_factor;
            return Err(wrong(&format!("work_factor {factor} is outside 10 to {MOST_WORK}")));
        }
        self.recipient.iter().try_for_each(|text| keys::recipient(text).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn what_cannot_be_used_is_refused() {
        let with = |recipient: &[&str]| Config {
            recipient: recipient.iter().map(ToString::to_string).collect(),
            ..Config::default()
        };
        let passphrase_file = Some(PathBuf::from("/x"));
        let cases = [
            (with(&[KEY]), None),
            (with(&[KEY, KEY]), None),
            (Config { identity_file: vec!["/x".into()], ..with(&[]) }, None),
            (Config { passphrase_file: passphrase_file.clone(), ..with(&[]) }, None),
            (with(&[]), Some("age needs somebody to encrypt for")),
            (with(&["bob"]), Some("`bob` is not a public key of age")),
            (
                Config { passphrase_file: passphrase_file.clone(), ..with(&[KEY]) },
                Some("age encrypts either for recipients or with a passphrase"),
            ),
            (
                Config { passphrase_file, passphrase_command: Some("x".to_owned()), ..with(&[]) },
                Some("both passphrase_file and passphrase_command are given"),
            ),
            (
                Config { work_factor: 30, ..with(&[KEY]) },
                Some("work_factor 30 is outside 10 to 22"),
            ),
        ];
        for (config, expected) in cases {
            let found = config.check().err();
            assert_eq!(found.as_ref().map(Error::message), expected);
            assert!(found.is_none_or(|e| e.kind() == ErrorKind::CONFIGURATION));
        }
    }

    #[test]
    fn a_secret_key_in_the_place_of_a_public_one_is_not_shown() {
        let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let config = Config { recipient: vec![secret.to_owned()], ..Config::default() };
        let error = config.check().unwrap_err();
        assert!(!format!("{error:?}").contains("GFPYY"), "{error}");
        assert!(error.remedy().unwrap().contains("age-keygen -y"));
    }
}
