//! The least that a role needs for backups.
//!
//! Everything here is SQL for a superuser to run once, in the database that
//! the role will connect to: the rights on functions are kept in each
//! database, those of membership and `REPLICATION` in the whole cluster.
//!
//! | right | for | PostgreSQL |
//! |---|---|---|
//! | `REPLICATION` | streaming of WAL and base backups | all |
//! | member of `pg_monitor` | settings, statistics, sizes, the files in `pg_wal` | 10 and later |
//! | `pg_start_backup(text, boolean, boolean)`, `pg_stop_backup(boolean, boolean)` | a backup of the data directory's files | 13, 14 |
//! | `pg_backup_start(text, boolean)`, `pg_backup_stop(boolean)` | the same | 15 and later |
//! | `pg_switch_wal()` | finishing a segment, so that it is archived at once | all |
//! | `pg_create_restore_point(text)` | a name to recover to after each backup | all |
//! | member of `pg_checkpoint` | `CHECKPOINT` on the primary, where a standby is backed up; 13 and 14 leave it to superusers | 15 and later |

use std::fmt::Write as _;

use crate::version::ServerVersion;

/// What a role is to be able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrants {
    /// The role's name, as it is: it is quoted where it is used.
    pub role: String,
    /// Whether it streams: WAL, or base backups.
    pub replication: bool,
    /// Whether it may ask for a checkpoint; from 15 on.
    pub checkpoint: bool,
}

impl RoleGrants {
    /// Everything that a backup from a primary needs, for a role.
    pub fn new(role: impl Into<String>) -> Self {
        Self { role: role.into(), replication: true, checkpoint: false }
    }

    /// Returns the SQL for a server of that version. It can be run again
    /// without harm, and makes the role if it is not there yet, without a
    /// password.
    pub fn sql(&self, version: ServerVersion) -> String {
        let role = quote_identifier(&self.role);
        let mut sql = self.create();
        let replication = if self.replication { " REPLICATION" } else { "" };
        let _ = writeln!(sql, "ALTER ROLE {role} LOGIN{replication};");
        let _ = writeln!(sql, "GRANT pg_monitor TO {role};");
        if self.checkpoint && version.major() >= 15 {
            let _ = writeln!(sql, "GRANT pg_checkpoint TO {role};");
        }
        for function in functions(version) {
            let _ = writeln!(sql, "GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {role};");
        }
        sql
    }

    /// Returns the SQL that takes everything back and keeps the role, which
    /// may own things.
    pub fn revoke_sql(&self, version: ServerVersion) -> String {
        let role = quote_identifier(&self.role);
        let mut sql = String::new();
        for function in functions(version) {
            let _ = writeln!(sql, "REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM {role};");
        }
        if version.major() >= 15 {
            let _ = writeln!(sql, "REVOKE pg_checkpoint FROM {role};");
        }
        let _ = writeln!(sql, "REVOKE pg_monitor FROM {role};");
        let _ = writeln!(sql, "ALTER ROLE {role} NOREPLICATION;");
        sql
    }

    fn create(&self) -> String {
        let literal = quote_literal(&self.role);
        let statement = quote_literal(&format!("CREATE ROLE {}", quote_identifier(&self.role)));
        // No dollar quotes: the name could end them.
        let body = format!(
            "BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal}) \
             THEN EXECUTE {statement}; END IF; END"
        );
        format!("DO {};\n", quote_literal(&body))
    }
}

/// Returns the functions of a backup that are not for everybody, with the
/// types of their arguments.
pub fn functions(version: ServerVersion) -> [&'static str; 4] {
    let [start, stop] = if version.major() >= 15 {
        ["pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"]
    } else {
        ["pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"]
    };
    [start, stop, "pg_switch_wal()", "pg_create_restore_point(text)"]
}

/// Quotes a name for SQL.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text for SQL, whatever `standard_conforming_strings` is.
pub fn quote_literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> ServerVersion {
        ServerVersion::from_number(number)
    }

    #[test]
    fn the_functions_are_those_of_the_version() {
        let grants = RoleGrants { checkpoint: true, ..RoleGrants::new("ann") };
        let old = grants.sql(version(140_010));
        assert!(old.contains("pg_catalog.pg_stop_backup(boolean, boolean) TO \"ann\""), "{old}");
        assert!(!old.contains("pg_checkpoint"), "{old}");
        let new = grants.sql(version(150_000));
        assert!(new.contains("pg_catalog.pg_backup_stop(boolean) TO \"ann\""), "{new}");
        assert!(new.contains("GRANT pg_checkpoint TO \"ann\""), "{new}");
    }

    #[test]
    fn any_name_is_quoted() {
        let sql = RoleGrants::new("o'\"\\b$$").sql(version(180_000));
        assert!(sql.contains("TO \"o'\"\"\\b$$\""), "{sql}");
        assert_eq!(quote_literal("a'b\\c"), r"E'a''b\\c'");
        assert_eq!(quote_literal("plain"), "'plain'");
    }
}
