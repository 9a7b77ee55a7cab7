//! Whose settings for Amazon count.
//!
//! Cedar Backup, run by root, calls Amazon's programs as the backup user, with
//! `su`: keys, region and endpoint are in that user's home directory.

use std::{io::Read, path::Path};

use hayloft_plugin_api::{ErrorKind, Host, Result};

/// Returns the directory with the settings of the backup user for Amazon's
/// programs, if it is there and is not ours anyway.
///
/// # Errors
///
/// If nobody can tell where that user is at home.
pub(crate) fn profile_dir(host: &Host) -> Result<Option<String>> {
    let user = host.settings()?.backup_user;
    if !rustix::process::geteuid().is_root() || user == "root" {
        return Ok(None);
    }
    let directory = entry(host, &user)?.as_deref().and_then(home).map(|it| format!("{it}/.aws"));
    Ok(directory.filter(|it| Path::new(it).is_dir()))
}

/// Returns the user's line of `passwd(5)`. `getent` knows every source of
/// users that the machine has.
fn entry(host: &Host, user: &str) -> Result<Option<String>> {
    let mut process = match host.process("getent").args(["passwd", "--", user]).spawn() {
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => return Ok(None),
        other => other?,
    };
    let mut text = String::new();
    process.read_to_string(&mut text)?;
    let known = process.wait()?.code == Some(0);
    Ok(known.then_some(text))
}

/// Returns the home directory in a line of `passwd(5)`.
fn home(line: &str) -> Option<&str> {
    let home = line.lines().next()?.split(':').nth(5)?;
    (home.starts_with('/') && home != "/").then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_read() {
        let cases = [
            ("backup:x:34:34:backup:/var/backups:/usr/sbin/nologin\n", Some("/var/backups")),
            ("b:x:1:1::/home/b:\n", Some("/home/b")),
            ("b:x:1:1::/:\n", None),
            ("b:x:1:1::home/b:\n", None),
            ("b:x:1:1:\n", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(home(line), expected, "{line}");
        }
    }
}
