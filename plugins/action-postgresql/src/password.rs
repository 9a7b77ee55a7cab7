//! The file with the password.

use std::{
    fmt::Write,
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_dump::Scratch;
use hayloft_plugin_api::{Error, ErrorKind, Result};

/// The longest password file that is looked at, in bytes.
const LONGEST: u64 = 1 << 20;

/// What is in a password file.
#[derive(PartialEq, Eq)]
pub(crate) enum Content {
    /// Lines as in `~/.pgpass`: libpq can read the file itself.
    PasswordFile,
    /// One password alone.
    Password(String),
}

/// The password is not shown.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PasswordFile => "PasswordFile",
            Self::Password(_) => "Password(…)",
        })
    }
}

/// Reads a password file.
///
/// # Errors
///
/// If it is not there or cannot be read; and, as libpq would ignore it,
/// [`ErrorKind::PERMISSION`] if others than its owner can read it.
pub(crate) fn read(path: &Path) -> Result<Content> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Error::from(error)
            .context(format!("cannot read {shown}, named by <password_file>"))
            .hint("create it, with the password in its only line, owned by whom the backup runs as")
    };
    let file = File::open(path).map_err(failed)?;
    check(path, &file.metadata().map_err(failed)?)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    parse(&text).ok_or_else(|| {
        Error::new(ErrorKind::CONFIGURATION, format!("there is no password in {shown}")).hint(
            "write the password into its only line, or lines host:port:database:user:password",
        )
    })
}

fn check(path: &Path, metadata: &Metadata) -> Result<()> {
    let shown = path.display();
    if !metadata.is_file() {
        return Err(Error::new(
            ErrorKind::CONFIGURATION,
            format!("{shown}, named by <password_file>, is no regular file"),
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::PERMISSION,
            format!(
                "others can read {shown}, named by <password_file> (mode {:04o})",
                metadata.mode() & 0o7777
            ),
        )
        .hint(format!("run `chmod 0600 {shown}`")));
    }
    Ok(())
}

fn parse(text: &str) -> Option<Content> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let first = lines.next()?;
    let alone = lines.next().is_none();
    if alone && !is_entry(first) {
        return Some(Content::Password(first.to_owned()));
    }
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.any(is_entry).then_some(Content::PasswordFile)
}

/// Tells whether a line has the five fields of `~/.pgpass`.
fn is_entry(line: &str) -> bool {
    let mut escaped = false;
    let mut colons = 0;
    for c in line.chars() {
        colons += u32::from(c == ':' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    colons >= 4
}

/// Writes a file that gives `password` to every server, and returns its path.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn write(scratch: &Scratch, password: &str) -> Result<PathBuf> {
    let mut line = String::from("*:*:*:*:");
    for c in password.chars() {
        if matches!(c, ':' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    // Writing into a string does not fail.
    let _ = writeln!(line);
    scratch.private_file("pgpass", line.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_password_alone_and_the_format_of_libpq_are_told_apart() {
        let password = |it: &str| Some(Content::Password(it.to_owned()));
        let cases = [
            ("secret\n", password("secret")),
            ("secret", password("secret")),
            ("a:b:c\n", password("a:b:c")),
            ("  blanks stay \n", password("  blanks stay ")),
            ("#secret\n", password("#secret")),
            ("*:*:*:*:secret\n", Some(Content::PasswordFile)),
            ("# comment\nh:5432:*:u:p\n", Some(Content::PasswordFile)),
            ("h\\:1:5432:*:u", password("h\\:1:5432:*:u")),
            ("", None),
            ("\n\n", None),
            ("two\nlines\n", None),
        ];
        for (text, expected) in cases {
            assert!(parse(text) == expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pw");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PERMISSION);
        assert_eq!(error.remedy(), Some(&*format!("run `chmod 0600 {}`", path.display())));
        assert!(!error.to_string().contains("secret"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).unwrap() == Content::Password("secret".into()));
    }

    #[test]
    fn a_missing_file_is_named_with_its_setting() {
        let error = read(Path::new("/nonexistent/pw")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
        assert!(error.message().contains("/nonexistent/pw, named by <password_file>"));
    }

    #[test]
    fn a_password_is_written_so_that_libpq_reads_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(directory.path(), "test").unwrap();
        let path = write(&scratch, r"a:b\c").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "*:*:*:*:a\\:b\\\\c\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
