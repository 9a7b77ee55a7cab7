//! Password files: `~/.pgpass`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::Secret;

/// Why a password file was not used. libpq warns of the first two, and goes
/// on without a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PassfileProblem {
    /// It is a directory, a device or the like.
    #[error("the password file {} is no plain file", _0.display())]
    NotPlain(PathBuf),
    /// Its group or others may read or write it.
    #[error("the password file {} is not used: others may read it; its mode must be 0600 or less", _0.display())]
    Permissions(PathBuf),
    /// It is there and cannot be read.
    #[error("the password file {} cannot be read", _0.display())]
    Unreadable(PathBuf),
}

/// Looks up a password. `host` is as in the connection string: a name, an
/// address, or the directory of a socket; empty is `localhost`.
///
/// # Errors
///
/// [`PassfileProblem`]; a file that is not there has no password.
pub fn password_from_file(
    path: &Path,
    host: &str,
    port: &str,
    database: &str,
    user: &str,
) -> Result<Option<Secret>, PassfileProblem> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    if !metadata.is_file() {
        return Err(PassfileProblem::NotPlain(path.to_owned()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(PassfileProblem::Permissions(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(|_| PassfileProblem::Unreadable(path.to_owned()))?;
    Ok(find(&String::from_utf8_lossy(&bytes), [host, port, database, user]))
}

/// Finds the first line that matches.
fn find(text: &str, wanted: [&str; 4]) -> Option<Secret> {
    text.split('\n').find_map(|line| {
        let line = line.trim_end_matches('\r');
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let password = wanted.iter().try_fold(line, |rest, token| match_field(rest, token))?;
        Some(Secret::new(unescape(password)))
    })
}

/// Matches a field and the colon after it; returns what follows.
fn match_field<'a>(line: &'a str, token: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut token = token.chars();
    let mut rest = line.char_indices();
    loop {
        let (at, mut c) = rest.next()?;
        if c == ':' && token.as_str().is_empty() {
            return Some(&line[at + 1..]);
        }
        if c == '\\' {
            c = rest.next()?.1;
        }
        if token.next() != Some(c) {
            return None;
        }
    }
}

/// Takes the escapes out of a password, which ends at a colon.
fn unescape(text: &str) -> String {
    let mut password = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ':' => break,
            '\\' => password.push(rest.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_counts() {
        let file = "# comment\nh:5432:d:u:first\nh:*:*:*:sec\\:ond:rest\r\n\
                    *:*:*:colon\\:user:x\\\\y\n*:1:*:*:\n";
        let cases = [
            (["h", "5432", "d", "u"], Some("first")),
            (["h", "5433", "d", "u"], Some("sec:ond")),
            (["x", "5433", "d", "colon:user"], Some("x\\y")),
            (["x", "1", "d", "u"], Some("")),
            (["x", "2", "d", "u"], None),
            (["*", "2", "d", "u"], None),
        ];
        for (wanted, password) in cases {
            assert_eq!(find(file, wanted).as_ref().map(Secret::expose), password, "{wanted:?}");
        }
    }
}
