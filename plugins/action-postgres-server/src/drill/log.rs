//! What a scratch server's log tells of its replay.
//!
//! The server is configured to write English without a prefix. Messages are
//! those of PostgreSQL 13 to 18, seen in their logs.

use hayloft_postgres::wal::Lsn;

/// What is understood of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The position of the last record that was replayed.
    pub(super) redo_done: Option<Lsn>,
    /// When the last transaction that was replayed was committed, in the
    /// server's words (UTC).
    pub(super) last_commit: Option<String>,
    /// Where it stopped for the target's sake.
    pub(super) stopped: Option<String>,
    /// Where WAL is damaged, in the server's words.
    pub(super) damage: Vec<String>,
    /// Why the server ended.
    pub(super) fatal: Option<Fatal>,
    /// Further warnings.
    pub(super) warnings: Vec<String>,
}

/// A message with which a server ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fatal {
    pub(super) text: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
}

impl Fatal {
    /// Returns the setting that is too low, and how high it has to be.
    ///
    /// The message is "recovery aborted because of insufficient parameter
    /// settings" with "NAME = N is a lower setting than on the primary server,
    /// where its value was N.", or for prepared transactions a hint to raise.
    pub(super) fn too_low(&self) -> Option<(String, u64)> {
        let detail = self.detail.as_deref()?;
        if self.text.contains("insufficient parameter settings") {
            let name = detail.split_whitespace().next()?;
            let value = detail.rsplit(' ').next()?.trim_end_matches('.');
            return Some((name.to_owned(), value.parse().ok()?));
        }
        None
    }

    /// Returns everything in one line.
    pub(super) fn line(&self) -> String {
        let mut line = self.text.clone();
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            line.push_str(" (");
            line.push_str(more);
            line.push(')');
        }
        line
    }
}

/// What the server says when WAL is not what it should be; an archived segment
/// is whole, so that none of it is how a replay ends well.
const DAMAGE: [&str; 15] = [
    "incorrect resource manager data checksum",
    "invalid magic number",
    "invalid info bits",
    "invalid record length",
    "invalid record offset",
    "invalid contrecord length",
    "invalid resource manager ID",
    "incorrect prev-link",
    "unexpected pageaddr",
    "out-of-sequence timeline ID",
    "record length",
    "there is no contrecord flag",
    "contrecord is requested",
    "WAL file is from different database system",
    "could not decompress image",
];

/// Reads a log.
pub(super) fn read(text: &str) -> Told {
    let mut told = Told::default();
    // Whether details that follow belong to the last fatal message.
    let mut open = false;
    for line in text.lines() {
        let Some((severity, message)) = line.split_once(":  ") else { continue };
        match severity {
            "LOG" => {
                open = false;
                told.note(message);
            }
            "FATAL" | "PANIC" => {
                open = true;
                told.fatal = Some(Fatal { text: message.to_owned(), ..Fatal::default() });
            }
            "WARNING" => {
                open = false;
                told.warnings.push(message.to_owned());
            }
            "DETAIL" | "HINT" if open => {
                if let Some(fatal) = &mut told.fatal {
                    let place =
                        if severity == "HINT" { &mut fatal.hint } else { &mut fatal.detail };
                    place.get_or_insert_with(|| message.to_owned());
                }
            }
            _ => {}
        }
    }
    told
}

impl Told {
    fn note(&mut self, message: &str) {
        if let Some(rest) = message.strip_prefix("redo done at ") {
            self.redo_done = rest.split_whitespace().next().and_then(|it| it.parse().ok());
        } else if let Some(rest) =
            message.strip_prefix("last completed transaction was at log time ")
        {
            self.last_commit = Some(rest.to_owned());
        } else if message.starts_with("recovery stopping ") {
            self.stopped = Some(message.to_owned());
        } else if DAMAGE.iter().any(|it| message.contains(it)) {
            self.damage.push(message.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_replay_is_understood() {
        let log = "LOG:  starting archive recovery\n\
                   LOG:  restored log file \"000000010000000000000003\" from archive\n\
                   LOG:  redo starts at 0/3000028\n\
                   LOG:  redo done at 0/5000110 system usage: CPU: user: 0.01 s\n\
                   LOG:  last completed transaction was at log time 2026-11-30 07:00:00.1+00\n\
                   LOG:  archive recovery complete\n";
        let told = read(log);
        assert_eq!(told.redo_done, Some("0/5000110".parse().unwrap()));
        assert_eq!(told.last_commit.as_deref(), Some("2026-11-30 07:00:00.1+00"));
        assert!(told.damage.is_empty() && told.fatal.is_none());
    }

    #[test]
    fn damage_is_seen() {
        for message in [
            "invalid magic number 0000 in log segment 000000010000000000000004, offset 0",
            "incorrect resource manager data checksum in record at 0/4000100",
            "invalid record length at 0/5000148: wanted 24, got 0",
            "record with incorrect prev-link 0/1 at 0/2",
            "unexpected pageaddr 0/2000000 in log segment 000000010000000000000004, offset 0",
        ] {
            let told = read(&format!("LOG:  {message}\nLOG:  redo done at 0/4000110\n"));
            assert_eq!(told.damage, [message]);
        }
    }

    #[test]
    fn why_it_ended_is_told_with_its_details() {
        let log = "FATAL:  recovery aborted because of insufficient parameter settings\n\
                   DETAIL:  max_connections = 20 is a lower setting than on the primary server, \
                   where its value was 300.\n\
                   HINT:  You can restart the server after making the necessary changes.\n\
                   LOG:  startup process (PID 1) exited with exit code 1\n\
                   DETAIL:  not of it\n";
        let fatal = read(log).fatal.unwrap();
        assert_eq!(fatal.too_low(), Some(("max_connections".to_owned(), 300)));
        assert!(fatal.line().contains("where its value was 300.) (You can"), "{}", fatal.line());
        let other = Fatal { text: "no".into(), detail: Some("x = 1.".into()), hint: None };
        assert_eq!(other.too_low(), None);
    }
}
