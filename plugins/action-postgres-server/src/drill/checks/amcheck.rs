//! The structure of tables and indexes, by PostgreSQL's extension amcheck.

use hayloft_plugin_api::{Host, Result};
use hayloft_postgres::connection::Connection;

use super::{Findings, wrong};

/// Installs it, unless it is there.
const INSTALL: &str = "CREATE EXTENSION IF NOT EXISTS amcheck";
/// Where it is, and whether it can look at tables (PostgreSQL 14 and later).
const PLACE: &str = "SELECT quote_ident(n.nspname), \
                     (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = n.oid \
                      AND p.proname = 'verify_heapam') FROM pg_extension e \
                     JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
const INDEXES: &str = "SELECT c.oid, c.oid::regclass::text FROM pg_index i \
                       JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam \
                       WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' \
                       AND i.indisvalid AND i.indisready ORDER BY c.oid";
const TABLES: &str = "SELECT c.oid, c.oid::regclass::text FROM pg_class c \
                      LEFT JOIN pg_am a ON a.oid = c.relam \
                      WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p' \
                      AND a.amname = 'heap' ORDER BY c.oid";

/// Looks at every B-tree and every table; `full` looks for each row of a table
/// in its indexes as well.
pub(super) fn look(host: &Host, session: &Connection, full: bool) -> Result<Findings> {
    let mut found = Findings::default();
    if let Err(error) = session.execute(INSTALL) {
        found.impossible = Some(format!("the extension amcheck cannot be had: {error}"));
        return Ok(found);
    }
    let place = session.simple(PLACE).map_err(|e| wrong(&e))?;
    let Some([Some(schema), Some(tables)]) = place.first().map(Vec::as_slice) else {
        found.impossible = Some("the extension amcheck is not there".to_owned());
        return Ok(found);
    };
    for (oid, name) in objects(session, INDEXES)? {
        host.check_cancelled()?;
        let asked =
            format!("SELECT {schema}.bt_index_parent_check({oid}::regclass, {full}, {full})");
        note(session, &name, &asked, &mut found)?;
    }
    if tables != "0" {
        for (oid, name) in objects(session, TABLES)? {
            host.check_cancelled()?;
            let asked = format!(
                "SELECT format('block %s, item %s: %s', blkno, offnum, msg) \
                 FROM {schema}.verify_heapam({oid}::regclass)"
            );
            note(session, &name, &asked, &mut found)?;
        }
    }
    Ok(found)
}

/// Each row that comes, and each error, is something wrong.
fn note(session: &Connection, name: &str, asked: &str, found: &mut Findings) -> Result<()> {
    found.looked_at += 1;
    match session.simple(asked) {
        Ok(rows) => {
            for said in rows.into_iter().flatten().flatten().filter(|it| !it.is_empty()) {
                found.wrong(format!("{name}: {said}"));
            }
            Ok(())
        }
        Err(error) if session.ended().is_some() => Err(wrong(&error)),
        Err(error) => {
            found.wrong(format!("{name}: {error}"));
            Ok(())
        }
    }
}

fn objects(session: &Connection, asked: &str) -> Result<Vec<(String, String)>> {
    let rows = session.simple(asked).map_err(|e| wrong(&e))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(oid), Some(name)]) => Some((oid, name)),
            _ => None,
        })
        .collect())
}
