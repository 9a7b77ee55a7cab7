//! Public and secret keys, read when a stream begins.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use age::{Identity, IdentityFile, Recipient, scrypt, secrecy::SecretString, tag, tagpq, x25519};
use hayloft_plugin_api::{Error, ErrorKind, Result, config::SecretSource};

use crate::{Config, config::MOST_WORK};

/// The largest file of keys that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A public key, or a passphrase to encrypt with.
pub(crate) type AnyRecipient = Box<dyn Recipient + Send>;
/// A secret key, or a passphrase to decrypt with.
pub(crate) type AnyIdentity = Box<dyn Identity + Send + Sync>;

/// Returns everybody who will be able to decrypt.
///
/// # Errors
///
/// If there is nobody, or a file cannot be used.
pub(crate) fn recipients(config: &Config) -> Result<Vec<AnyRecipient>> {
    if let Some(passphrase) = passphrase(config)? {
        let mut recipient = scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(config.work_factor);
        return Ok(vec![Box::new(recipient)]);
    }
    let mut all = Vec::new();
    for text in &config.recipient {
        all.push(recipient(text)?);
    }
    for file in &config.recipients_file {
        all.extend(read_recipients(file)?);
    }
    if all.is_empty() {
        let message = "age has nobody to encrypt for: only identities are configured";
        return Err(Error::new(ErrorKind::CONFIGURATION, message)
            .hint("give <recipient> or <recipients_file>"));
    }
    Ok(all)
}

/// Reads a public key.
pub(crate) fn recipient(text: &str) -> Result<AnyRecipient> {
    let text = text.trim();
    if let Ok(key) = text.parse::<x25519::Recipient>() {
        return Ok(Box::new(key));
    }
    if let Ok(key) = text.parse::<tag::Recipient>() {
        return Ok(Box::new(key));
    }
    if let Ok(key) = text.parse::<tagpq::Recipient>() {
        return Ok(Box::new(key));
    }
    if text.starts_with("AGE-SECRET-KEY") {
        let message = "a secret key of age stands where a public one belongs";
        return Err(Error::new(ErrorKind::CONFIGURATION, message)
            .hint("`age-keygen -y FILE` shows the public key; make a new pair if others saw it"));
    }
    let message = format!("`{text}` is not a public key of age");
    Err(Error::new(ErrorKind::CONFIGURATION, message).hint("it looks like `age1…`"))
}

fn read_recipients(file: &Path) -> Result<Vec<AnyRecipient>> {
    let shown = file.display();
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot read recipients file {shown}"));
    let mut text = String::new();
    File::open(file).and_then(|it| it.take(LONGEST).read_to_string(&mut text)).map_err(failed)?;
    let keys = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let all: Vec<_> = keys
        .map(|(number, line)| {
            recipient(line).map_err(|e| e.context(format!("line {} of {shown}", number + 1)))
        })
        .collect::<Result<_>>()?;
    if all.is_empty() {
        return Err(Error::msg(format!("recipients file {shown} has no public key in it")));
    }
    Ok(all)
}

/// Returns everything that can decrypt.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is nothing, [`ErrorKind::PERMISSION`] if
/// others can read a file.
pub(crate) fn identities(config: &Config) -> Result<Vec<AnyIdentity>> {
    let mut all: Vec<AnyIdentity> = Vec::new();
    if let Some(passphrase) = passphrase(config)? {
        let mut identity = scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MOST_WORK);
        all.push(Box::new(identity));
    }
    for file in &config.identity_file {
        all.extend(read_identities(file)?);
    }
    if all.is_empty() {
        let message = "age cannot decrypt: no identity is configured";
        return Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint("give <identity_file> with the secret key of one of the recipients"));
    }
    Ok(all)
}

fn read_identities(file: &Path) -> Result<Vec<AnyIdentity>> {
    let shown = file.display();
    let text = read_private(file)?;
    let wrong = |what: &str| Error::msg(format!("identity file {shown} {what}"));
    if text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE") {
        return Err(wrong("is itself encrypted")
            .hint("decrypt it to a file of mode 600, with `age -d`, for as long as you need it"));
    }
    let identities = IdentityFile::from_buffer(text.as_slice())
        .map_err(|e| wrong("cannot be used").context_of(&e))?
        .into_identities()
        .map_err(|_| wrong("cannot be used"))?;
    if identities.is_empty() {
        return Err(wrong("has no secret key in it"));
    }
    Ok(identities)
}

/// Puts a cause behind an error.
trait ContextOf {
    fn context_of(self, cause: &io::Error) -> Self;
}

impl ContextOf for Error {
    fn context_of(self, cause: &io::Error) -> Self {
        let message = self.message().to_owned();
        Error::msg(cause.to_string()).context(message)
    }
}

/// Reads a file that nobody else may read: the owner only, or root and a
/// group.
fn read_private(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot read identity file {shown}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        let mode = metadata.mode() & 0o777;
        let message =
            format!("identity file {shown} has mode {mode:04o}: others can read or change it");
        return Err(
            Error::new(ErrorKind::PERMISSION, message).hint(format!("run chmod 600 {shown}"))
        );
    }
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

fn passphrase(config: &Config) -> Result<Option<SecretString>> {
    let source = SecretSource::from_parts(
        None,
        config.passphrase_file.clone(),
        config.passphrase_command.clone(),
    );
    let secret = source.resolve().map_err(|e| e.context("there is no passphrase for age"))?;
    Ok(secret.map(|it| SecretString::from(it.expose().to_owned())))
}
