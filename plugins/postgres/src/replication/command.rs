//! The texts of commands: pure functions, and the checks before them.
//!
//! Source: "Streaming Replication Protocol" of PostgreSQL's documentation;
//! what differs by version is told at each function.

use super::error::ReplicationError;
use crate::{
    version::ServerVersion,
    wal::{Lsn, TimelineId},
};

/// The longest name of a slot, in bytes.
const LONGEST_NAME: usize = 63;

/// A text in quotes. The grammar of replication commands knows no escapes
/// but the doubled quote.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn show(setting: &str) -> Result<String, ReplicationError> {
    let good = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.');
    if setting.is_empty() || !setting.chars().all(good) {
        return Err(ReplicationError::Invalid {
            what: "the name of a setting",
            value: setting.to_owned(),
            problem: "it has other characters than letters, digits, `_` and `.`",
        });
    }
    Ok(format!("SHOW {setting}"))
}

/// Returns the name if it can be one, in quotes.
pub(super) fn slot(name: &str) -> Result<String, ReplicationError> {
    let good = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(good) {
        return Err(ReplicationError::SlotName { name: name.to_owned() });
    }
    Ok(format!("\"{name}\""))
}

/// From 15 on options stand in brackets.
pub(super) fn create_slot(
    name: &str,
    temporary: bool,
    reserve_wal: bool,
    version: ServerVersion,
) -> Result<String, ReplicationError> {
    let temporary = if temporary { " TEMPORARY" } else { "" };
    let reserve = match (reserve_wal, version.major() >= 15) {
        (false, _) => "",
        (true, true) => " (RESERVE_WAL)",
        (true, false) => " RESERVE_WAL",
    };
    Ok(format!("CREATE_REPLICATION_SLOT {}{temporary} PHYSICAL{reserve}", slot(name)?))
}

pub(super) fn drop_slot(name: &str, wait: bool) -> Result<String, ReplicationError> {
    Ok(format!("DROP_REPLICATION_SLOT {}{}", slot(name)?, if wait { " WAIT" } else { "" }))
}

pub(super) fn start(
    name: Option<&str>,
    position: Lsn,
    timeline: TimelineId,
) -> Result<String, ReplicationError> {
    let slot = match name {
        None => String::new(),
        Some(name) => format!("SLOT {} ", slot(name)?),
    };
    Ok(format!("START_REPLICATION {slot}PHYSICAL {position} TIMELINE {timeline}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_what_each_version_takes() {
        let old = ServerVersion::from_major(14);
        let new = ServerVersion::from_major(15);
        let made = create_slot("s_1", true, true, old).unwrap();
        assert_eq!(made, "CREATE_REPLICATION_SLOT \"s_1\" TEMPORARY PHYSICAL RESERVE_WAL");
        let made = create_slot("s_1", false, true, new).unwrap();
        assert_eq!(made, "CREATE_REPLICATION_SLOT \"s_1\" PHYSICAL (RESERVE_WAL)");
        assert_eq!(drop_slot("a", true).unwrap(), "DROP_REPLICATION_SLOT \"a\" WAIT");
        let started = start(Some("a"), Lsn::new(0x2_0000_0010), TimelineId::FIRST).unwrap();
        assert_eq!(started, "START_REPLICATION SLOT \"a\" PHYSICAL 2/10 TIMELINE 1");
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_command() {
        for name in ["", "A", "a b", "a\"", "a;b", "ä", "a-b", &"x".repeat(64)] {
            assert!(slot(name).is_err(), "{name:?}");
        }
        for name in ["", "a b", "a;", "a'", "\0"] {
            assert!(show(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_ends_where_it_should(text in "[a'\\\\b ]{0,20}") {
            let quoted = literal(&text);
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inner.replace("''", "'"), text.clone());
            prop_assert_eq!(inner.matches('\'').count(), 2 * text.matches('\'').count());
        }
    }
}
