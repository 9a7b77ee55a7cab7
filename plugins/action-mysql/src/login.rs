//! How the programs learn where the server is and who we are.
//!
//! Neither the list of processes nor the environment is a place for that. The
//! programs read an option file from their standard input: there is no file
//! on the disk that could be left behind.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result, config::Secret};

use crate::settings::Connection;

/// Where a program reads the options from that are ours.
const STANDARD_INPUT: &str = "--defaults-extra-file=/dev/stdin";
/// A directory without a file in it.
const NOWHERE: &str = "/nonexistent";

/// What a program is given besides its own arguments.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    input: String,
    environment: BTreeMap<&'static str, String>,
}

impl Login {
    /// Works out how to reach the server, with `home` as our user's home
    /// directory.
    ///
    /// # Errors
    ///
    /// If the password cannot be had, or the option file is not there.
    pub(crate) fn new(connection: &Connection, home: Option<&Path>) -> Result<Self> {
        if let Some(file) = &connection.options_file
            && !file.is_file()
        {
            let message = format!("<options_file> {} is no file", file.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint("create it, in the format of my.cnf, or leave it out"));
        }
        let password = connection
            .password
            .resolve()
            .map_err(|error| error.context("the password of the <mysql> section cannot be had"))?;
        let own = home.map(|it| it.join(".my.cnf")).filter(|it| it.is_file());
        Ok(Self::of(connection, password.as_ref(), own))
    }

    fn of(connection: &Connection, password: Option<&Secret>, own: Option<PathBuf>) -> Self {
        let mut it = Self::default();
        let port = connection.port.map(|it| it.to_string());
        // A host in another option file would lead away from the socket.
        let local = connection.socket.as_ref().map(|_| "localhost".to_owned());
        let options = [
            ("user", connection.user.as_deref()),
            ("password", password.map(Secret::expose)),
            ("host", connection.host.as_deref().or(local.as_deref())),
            ("port", port.as_deref()),
            ("socket", connection.socket.as_deref()),
        ];
        let given: Vec<_> = options.iter().filter_map(|(k, v)| v.map(|v| (*k, v))).collect();
        if given.is_empty() && connection.options_file.is_none() {
            return it;
        }
        if let Some(own) = own {
            // The programs read the one in the home directory last, and what
            // comes last counts. So it is read first of ours, and the home
            // directory is elsewhere for them.
            it.include(&own);
            it.environment.insert("HOME", NOWHERE.to_owned());
        }
        if password.is_some() {
            // MySQL's programs read another file even later.
            it.environment.insert("MYSQL_TEST_LOGIN_FILE", format!("{NOWHERE}/mylogin.cnf"));
        }
        if let Some(file) = &connection.options_file {
            it.include(file);
        }
        it.input.push_str("[client]\n");
        for (option, value) in given {
            // Writing into a string does not fail.
            let _ = writeln!(it.input, "{option}={}", quote(value));
        }
        it
    }

    fn include(&mut self, file: &Path) {
        let _ = writeln!(self.input, "!include {}", file.display());
    }

    /// Returns the arguments that come before all others.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let needed = !self.input.is_empty();
        needed.then(|| STANDARD_INPUT.to_owned()).into_iter().collect()
    }

    /// Returns what the program reads from its standard input.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Returns the variables to set.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// What the program reads is not shown.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// Quotes a value for an option file.
fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            user: Some("backup".into()),
            host: Some("db".into()),
            port: Some(3307),
            ..Connection::default()
        }
    }

    #[test]
    fn nothing_configured_leaves_everything_to_the_programs() {
        let login = Login::of(&Connection::default(), None, Some("/root/.my.cnf".into()));
        assert!(login.arguments().is_empty() && login.input().is_empty());
        assert_eq!(login.environment().count(), 0);
    }

    #[test]
    fn everything_goes_through_the_standard_input() {
        let secret = Secret::new("it's # \"a\" \\secret\n");
        let login = Login::of(&connection(), Some(&secret), None);
        assert_eq!(login.arguments(), ["--defaults-extra-file=/dev/stdin"]);
        let expected = "[client]\nuser=\"backup\"\n\
            password=\"it's # \\\"a\\\" \\\\secret\\n\"\nhost=\"db\"\nport=\"3307\"\n";
        assert_eq!(String::from_utf8_lossy(login.input()), expected);
        assert!(!format!("{login:?}").contains("secret"));
        assert!(login.environment().all(|(_, value)| value.starts_with(NOWHERE)));
    }

    #[test]
    fn what_is_configured_comes_after_every_other_option_file() {
        let connection =
            Connection { options_file: Some("/etc/backup.cnf".into()), ..connection() };
        let login = Login::of(&connection, None, Some("/root/.my.cnf".into()));
        let input = String::from_utf8(login.input().to_vec()).unwrap();
        let lines: Vec<_> = input.lines().take(3).collect();
        assert_eq!(lines, ["!include /root/.my.cnf", "!include /etc/backup.cnf", "[client]"]);
        assert_eq!(login.environment().collect::<Vec<_>>(), [("HOME", NOWHERE)]);
    }

    #[test]
    fn a_socket_is_on_this_machine() {
        let socket = Connection { socket: Some("/run/s".into()), ..Connection::default() };
        let login = Login::of(&socket, None, None);
        let expected = "[client]\nhost=\"localhost\"\nsocket=\"/run/s\"\n";
        assert_eq!(String::from_utf8_lossy(login.input()), expected);
    }
}
