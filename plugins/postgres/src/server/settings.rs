//! Settings, with their units.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{Reading, Why};
use crate::{connection::Connection, roles::quote_literal};

/// Returns one setting of any name, as `SHOW` does. There is none of a name
/// that the server does not know.
///
/// Some may be seen by members of `pg_read_all_settings` only.
pub fn setting(connection: &Connection, name: &str) -> Reading<String> {
    let sql = format!("SELECT pg_catalog.current_setting({}, true)", quote_literal(name));
    let rows = Reading::of(connection.simple(&sql));
    rows.and_then(|rows| Reading::of_option(rows.into_iter().flatten().next().flatten()))
}

/// The settings that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Settings {
    values: BTreeMap<String, Setting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Setting {
    setting: Option<String>,
    unit: Option<String>,
}

/// The settings that are read, each with the first version that has it.
pub(super) const NAMES: &[(&str, u32)] = &[
    ("archive_command", 8),
    ("archive_library", 15),
    ("archive_mode", 8),
    ("archive_timeout", 8),
    ("block_size", 8),
    ("checkpoint_timeout", 8),
    ("config_file", 8),
    ("data_checksums", 9),
    ("data_directory", 8),
    ("external_pid_file", 8),
    ("full_page_writes", 8),
    ("hba_file", 8),
    ("hot_standby", 9),
    ("ident_file", 8),
    ("idle_session_timeout", 14),
    ("listen_addresses", 8),
    ("max_replication_slots", 9),
    ("max_slot_wal_keep_size", 13),
    ("max_wal_senders", 9),
    ("port", 8),
    ("primary_conninfo", 12),
    ("primary_slot_name", 12),
    ("restore_command", 12),
    ("server_version", 8),
    ("ssl", 8),
    ("summarize_wal", 17),
    ("synchronous_commit", 8),
    ("synchronous_standby_names", 9),
    ("wal_compression", 9),
    ("wal_keep_size", 13),
    ("wal_level", 9),
    ("wal_segment_size", 8),
    ("wal_sender_timeout", 9),
];

impl Settings {
    /// Returns a setting as the server has it. Unknown are those that our
    /// role may not see (the server leaves them out without a word), and
    /// those that this version does not have.
    pub fn get(&self, name: &str) -> Reading<&str> {
        match self.values.get(name).and_then(|it| it.setting.as_deref()) {
            Some(value) => Reading::Value(value),
            None => Reading::Unknown(Self::why(name)),
        }
    }

    fn why(name: &str) -> Why {
        match NAMES.iter().find(|it| it.0 == name) {
            Some((_, since)) if *since > 12 => Why::Version { since: *since },
            Some(_) => Why::Privilege("pg_read_all_settings".to_owned()),
            None => Why::Failed(format!("{name} was not asked for")),
        }
    }

    /// Returns a setting that is on or off.
    pub fn is_on(&self, name: &str) -> Reading<bool> {
        self.get(name).map(|it| it == "on")
    }

    /// Returns a number in bytes: the server gives `16` and the unit `8kB`,
    /// say. Less than nothing stands for "no limit", and is no value.
    pub fn bytes(&self, name: &str) -> Reading<u64> {
        let unit = self.values.get(name).and_then(|it| it.unit.as_deref()).unwrap_or("B");
        let factor = unit_bytes(unit);
        self.get(name).and_then(|it| match (it.parse::<i64>(), factor) {
            (Ok(number), Some(factor)) => {
                Reading::of_option(u64::try_from(number).ok().and_then(|it| it.checked_mul(factor)))
            }
            _ => Reading::Unknown(Why::Failed(format!("{name} is `{it}` {unit}"))),
        })
    }

    /// Returns a span of time; 0 is "never", and is no value.
    pub fn duration(&self, name: &str) -> Reading<Duration> {
        let unit = self.values.get(name).and_then(|it| it.unit.as_deref()).unwrap_or("s");
        let factor = match unit {
            "ms" => 1,
            "min" => 60_000,
            _ => 1000,
        };
        self.get(name).and_then(|it| match it.parse::<u64>() {
            Ok(0) => Reading::No,
            Ok(number) => Reading::Value(Duration::from_millis(number.saturating_mul(factor))),
            Err(_) => Reading::Unknown(Why::Failed(format!("{name} is `{it}`"))),
        })
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let digits = unit.bytes().take_while(u8::is_ascii_digit).count();
    let number = if digits == 0 { 1 } else { unit[..digits].parse::<u64>().ok()? };
    let factor = match &unit[digits..] {
        "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_taken_into_account() {
        let settings: Settings = serde_json::from_value(serde_json::json!({
            "wal_segment_size": { "setting": "16777216", "unit": "B" },
            "wal_keep_size": { "setting": "64", "unit": "MB" },
            "max_slot_wal_keep_size": { "setting": "-1", "unit": "MB" },
            "shared_buffers": { "setting": "16", "unit": "8kB" },
            "checkpoint_timeout": { "setting": "300", "unit": "s" },
            "archive_timeout": { "setting": "0", "unit": "s" },
        }))
        .unwrap();
        assert_eq!(settings.bytes("wal_segment_size"), Reading::Value(16 << 20));
        assert_eq!(settings.bytes("wal_keep_size"), Reading::Value(64 << 20));
        assert_eq!(settings.bytes("shared_buffers"), Reading::Value(128 << 10));
        assert_eq!(settings.bytes("max_slot_wal_keep_size"), Reading::No);
        assert_eq!(settings.duration("checkpoint_timeout"), Reading::Value(Duration::from_mins(5)));
        assert_eq!(settings.duration("archive_timeout"), Reading::No);
        assert!(matches!(settings.get("data_directory").why(), Some(Why::Privilege(_))));
        assert_eq!(settings.get("summarize_wal").why(), Some(&Why::Version { since: 17 }));
    }
}
