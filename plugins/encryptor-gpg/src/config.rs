//! The plugin's own elements in `<encryptor>`.

use std::path::PathBuf;

use hayloft_plugin_api::{Error, ErrorKind, Result, config::SecretSource};
use serde::Deserialize;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Who can decrypt: anything that gpg takes for a key, best of all its
    /// fingerprint.
    pub recipient: Vec<String>,
    /// The directory with the keys; gpg's own choice if it is not given.
    pub homedir: Option<PathBuf>,
    /// How keys are trusted, such as `always`; gpg's own choice if it is not
    /// given.
    pub trust_model: Option<String>,
    /// A file whose first line is the passphrase: of the secret key, or of
    /// the stream if there are no recipients.
    pub passphrase_file: Option<PathBuf>,
    /// A program, with arguments, whose first line of output is the
    /// passphrase. There is no shell.
    pub passphrase_command: Option<String>,
    /// Whether gpg compresses what it encrypts, in the way of its own
    /// configuration. Without it, nothing is compressed.
    pub compress: bool,
    /// The gpg program.
    pub program: String,
}

/// What gpg knows.
const TRUST_MODELS: [&str; 7] = ["pgp", "classic", "tofu", "tofu+pgp", "direct", "always", "auto"];

impl Default for Config {
    fn default() -> Self {
        Self {
            recipient: Vec::new(),
            homedir: None,
            trust_model: None,
            passphrase_file: None,
            passphrase_command: None,
            compress: false,
            program: "gpg".to_owned(),
        }
    }
}

impl Config {
    /// Returns where the passphrase comes from.
    pub(crate) fn passphrase_source(&self) -> SecretSource {
        SecretSource::from_parts(
            None,
            self.passphrase_file.clone(),
            self.passphrase_command.clone(),
        )
    }

    /// Refuses to encrypt for nobody. To decrypt, the keys of gpg are enough.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`].
    pub(crate) fn check_recipients(&self) -> Result<()> {
        if self.recipient.is_empty() && self.passphrase_source().is_empty() {
            let message = "gpg needs somebody to encrypt for";
            return Err(Error::new(ErrorKind::CONFIGURATION, message)
                .hint("give <recipient>, or <passphrase_file>"));
        }
        Ok(())
    }

    /// Refuses values that cannot be used. Nothing is run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] saying which.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::CONFIGURATION, message));
        if self.passphrase_file.is_some() && self.passphrase_command.is_some() {
            return wrong("both passphrase_file and passphrase_command are given".to_owned());
        }
        let unusable = |it: &&String| it.is_empty() || it.chars().any(char::is_control);
        if let Some(recipient) = self.recipient.iter().find(unusable) {
            return wrong(format!("recipient {recipient:?} names no key"));
        }
        if self.homedir.as_ref().is_some_and(|it| !it.is_absolute()) {
            return wrong("homedir is not an absolute path".to_owned());
        }
        match &self.trust_model {
            Some(model) if !TRUST_MODELS.contains(&model.as_str()) => {
                wrong(format!("trust_model {model} is none of {}", TRUST_MODELS.join(", ")))
            }
            _ if self.program.is_empty() => wrong("program is empty".to_owned()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_to_encrypt_for_is_refused_when_encrypting() {
        let found = Config::default().check_recipients().unwrap_err();
        assert_eq!(found.message(), "gpg needs somebody to encrypt for");
        let bob = Config { recipient: vec!["bob".to_owned()], ..Config::default() };
        assert!(bob.check_recipients().is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let good = Config { recipient: vec!["bob@example.org".to_owned()], ..Config::default() };
        let file = Some(PathBuf::from("/x"));
        let cases = [
            (good.clone(), None),
            (Config { recipient: vec!["-x".to_owned()], ..good.clone() }, None),
            (Config { passphrase_file: file.clone(), ..Config::default() }, None),
            (Config::default(), None),
            (
                Config { recipient: vec!["a\nb".to_owned()], ..good.clone() },
                Some("recipient \"a\\nb\" names no key"),
            ),
            (
                Config { homedir: Some("keys".into()), ..good.clone() },
                Some("homedir is not an absolute path"),
            ),
            (
                Config { trust_model: Some("blind".to_owned()), ..good.clone() },
                Some(
                    "trust_model blind is none of pgp, classic, tofu, tofu+pgp, direct, always, \
                     auto",
                ),
            ),
            (
                Config { passphrase_file: file, passphrase_command: Some("x".into()), ..good },
                Some("both passphrase_file and passphrase_command are given"),
            ),
        ];
        for (config, expected) in cases {
            let found = config.check().err();
            assert_eq!(found.as_ref().map(Error::message), expected);
            assert!(found.is_none_or(|e| e.kind() == ErrorKind::CONFIGURATION));
        }
    }
}
