//! Passwords and keys.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// A text that is never shown: neither `Debug` nor an error message contains
/// it, and it cannot be serialised.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret. Do not log it, and do not put it into an argument
    /// of a program: other users see those.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret comes from: the elements `<password>`, `<password_file>`,
/// `<password_command>` or `<password_env>`, of which at most one may be
/// given.
///
/// Use it as the type of one field (`<login><password_file>…`), or put it
/// together from fields of your own with [`SecretSource::from_parts`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SecretSource {
    /// The secret itself.
    pub password: Option<Secret>,
    /// A file whose first line is the secret. `%d/` at the beginning stands
    /// for systemd's credentials directory.
    pub password_file: Option<PathBuf>,
    /// A program, with arguments, whose first line of output is the secret.
    /// Words are split at blanks, `"…"` keeps blanks; there is no shell.
    pub password_command: Option<String>,
    /// The name of an environment variable that holds the secret.
    pub password_env: Option<String>,
}

const LONGEST: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_mins(1);

impl SecretSource {
    /// Puts it together from the fields of another type.
    pub fn from_parts(
        password: Option<Secret>,
        password_file: Option<PathBuf>,
        password_command: Option<String>,
    ) -> Self {
        Self { password, password_file, password_command, password_env: None }
    }

    /// Tells whether no source is configured.
    pub fn is_empty(&self) -> bool {
        self.given() == 0
    }

    fn given(&self) -> usize {
        usize::from(self.password.is_some())
            + usize::from(self.password_file.is_some())
            + usize::from(self.password_command.is_some())
            + usize::from(self.password_env.is_some())
    }

    /// Gets the secret; `None` if no source is configured.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if there are two sources, and
    /// [`ErrorKind::PERMISSION`] if the file can be read by others. Any other
    /// failure to read the file or to run the program too, never with the
    /// secret in the message.
    pub fn resolve(&self) -> Result<Option<Secret>> {
        if self.given() > 1 {
            return Err(Error::new(
                ErrorKind::CONFIGURATION,
                "more than one of password, password_file, password_command and password_env \
                 is given",
            )
            .hint("keep one of them"));
        }
        if let Some(file) = &self.password_file {
            return read_file(&expanded(file)?).map(Some);
        }
        if let Some(command) = &self.password_command {
            return run(command).map(Some);
        }
        if let Some(name) = &self.password_env {
            let value = std::env::var(name).map_err(|_| {
                Error::new(ErrorKind::NOT_FOUND, format!("environment variable {name} is not set"))
            })?;
            return Ok(Some(Secret(value)));
        }
        Ok(self.password.clone())
    }
}

fn expanded(file: &Path) -> Result<PathBuf> {
    let Ok(rest) = file.strip_prefix("%d") else { return Ok(file.to_owned()) };
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        Error::new(
            ErrorKind::NOT_FOUND,
            format!("{} needs systemd's credentials, and there are none", file.display()),
        )
        .hint("add LoadCredential= to the unit, or name a file")
    })?;
    Ok(Path::new(&directory).join(rest))
}

fn read_file(path: &Path) -> Result<Secret> {
    let shown = path.display();
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot read password file {shown}"));
    let open = |e| failed(e).hint("correct <password_file>, or write the file");
    let file = fs::File::open(path).map_err(open)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::msg(format!("password file {shown} is not a regular file")));
    }
    // As libpq does for private keys: the group may read a file of root's.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(Error::new(
            ErrorKind::PERMISSION,
            format!("password file {shown} has mode {mode:04o}: others can read or change it"),
        )
        .hint(format!("run chmod 600 {shown}")));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    first_line(&text).ok_or_else(|| Error::msg(format!("password file {shown} is empty")))
}

fn first_line(text: &str) -> Option<Secret> {
    let line = text.lines().next()?;
    (!line.is_empty()).then(|| Secret(line.to_owned()))
}

/// The program's name only is ever shown: its arguments may be secret too.
fn run(command: &str) -> Result<Secret> {
    let words = words(command);
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::new(ErrorKind::CONFIGURATION, "password_command is empty"));
    };
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot run password_command {program}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.map_or(Ok(0), |it| it.take(LONGEST).read_to_string(&mut text)).map(|_| text)
    });
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            None => {
                drop(child.kill());
                drop(child.wait());
                return Err(Error::new(
                    ErrorKind::TIMED_OUT,
                    format!("password_command {program} did not end within a minute"),
                ));
            }
        }
    };
    if !status.success() {
        return Err(Error::msg(format!("password_command {program} failed with {status}")));
    }
    let text = reader.join().map_err(|_| Error::msg("the reader of password_command stopped"))?;
    first_line(&text.map_err(failed)?)
        .ok_or_else(|| Error::msg(format!("password_command {program} printed nothing")))
}

/// Splits at blanks; `"…"` keeps blanks and joins with what it touches.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in command.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            c if c.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let source = SecretSource::from_parts(Some(Secret::new("hunter2")), None, None);
        assert!(!format!("{source:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("hayloft-secret-{}", std::process::id()));
        fs::write(&path, "s3cret\nmore\n").unwrap();
        let source = SecretSource::from_parts(None, Some(path.clone()), None);
        for (mode, readable) in [(0o600, true), (0o400, true), (0o644, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let resolved = source.resolve();
            assert_eq!(resolved.is_ok(), readable, "{mode:o}");
            match resolved {
                Ok(secret) => assert_eq!(secret.unwrap().expose(), "s3cret"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::PERMISSION);
                    assert!(error.remedy().unwrap().contains("chmod 600"));
                }
            }
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_command_gives_its_first_line_and_two_sources_are_refused() {
        let command = Some(r#"printf "a b\nc\n""#.to_owned());
        let source = SecretSource::from_parts(None, None, command.clone());
        assert_eq!(source.resolve().unwrap().unwrap().expose(), "a b");
        let both = SecretSource::from_parts(Some(Secret::new("x")), None, command);
        assert_eq!(both.resolve().unwrap_err().kind(), ErrorKind::CONFIGURATION);
        for failing in ["false", "true", "/nonexistent/program secret-argument", " "] {
            let source = SecretSource::from_parts(None, None, Some(failing.to_owned()));
            let error = source.resolve().unwrap_err();
            assert!(!format!("{error:?}").contains("secret-argument"));
        }
    }
}
