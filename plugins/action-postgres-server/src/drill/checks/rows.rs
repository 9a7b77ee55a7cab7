//! Every row of every table is read, and every value of it.

use hayloft_plugin_api::{Host, Result};
use hayloft_postgres::connection::Connection;

use super::{Findings, wrong};

/// Tables and materialised views that have rows, those of the system too.
const RELATIONS: &str = "SELECT c.oid::regclass::text, c.relkind FROM pg_class c \
                         WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' \
                         AND (c.relkind = 'r' OR c.relispopulated) ORDER BY c.oid";

/// Lets the server write every row to nowhere.
pub(super) fn read(host: &Host, session: &Connection) -> Result<Findings> {
    let mut found = Findings::default();
    for row in session.simple(RELATIONS).map_err(|e| wrong(&e))? {
        host.check_cancelled()?;
        let [Some(name), Some(kind)] = row.as_slice() else { continue };
        // Named by the server, with quotes where they are needed.
        let what = if kind == "m" { format!("(TABLE {name})") } else { name.clone() };
        match session.execute(&format!("COPY {what} TO '/dev/null'")) {
            Ok(()) => {}
            Err(error) if session.ended().is_some() => return Err(wrong(&error)),
            Err(error) => found.wrong(format!("{name}: {error}")),
        }
        found.looked_at += 1;
    }
    Ok(found)
}
