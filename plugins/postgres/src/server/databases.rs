//! The databases of a server.

use super::bytes::{as_hex, of_hex, shown};
use crate::connection::{Connection, QueryError};

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName {
    /// Its number: the name of its directories.
    pub oid: u32,
    /// Its name; bytes that are no text of the encoding of the database that
    /// was asked as `\xe9`.
    pub name: String,
}

/// Lists the databases of a server, templates too, by their numbers. Needs no
/// privilege.
///
/// # Errors
///
/// [`QueryError`] if the server cannot tell.
pub fn databases(connection: &Connection) -> Result<Vec<DatabaseName>, QueryError> {
    let ask = format!(
        "SELECT oid, {}, CASE WHEN pg_catalog.getdatabaseencoding() NOT IN ('SQL_ASCII', 'UTF8') \
         THEN datname END FROM pg_catalog.pg_database ORDER BY oid",
        as_hex("datname")
    );
    let rows = connection.simple(&ask)?.into_iter();
    rows.map(|row| database(&row).ok_or_else(|| unreadable(&row))).collect()
}

fn database(row: &[Option<String>]) -> Option<DatabaseName> {
    let [Some(oid), Some(bytes), text] = row else { return None };
    let name = match text {
        Some(text) => text.clone(),
        None => shown(&of_hex(bytes)?),
    };
    Some(DatabaseName { oid: oid.parse().ok()?, name })
}

fn unreadable(row: &[Option<String>]) -> QueryError {
    QueryError::Answer(format!("{row:?} is no database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_if_they_can_be() {
        let cases = [
            ([Some("5"), Some("6c61"), None], Some("la")),
            ([Some("5"), Some("e9"), None], Some("\\xe9")),
            ([Some("5"), Some("e9"), Some("é")], Some("é")),
            ([Some("x"), Some("e9"), None], None),
            ([Some("5"), Some("e"), None], None),
            ([Some("5"), None, None], None),
        ];
        for (row, expected) in cases {
            let row = row.map(|it| it.map(ToOwned::to_owned));
            assert_eq!(database(&row).map(|it| it.name).as_deref(), expected, "{row:?}");
        }
    }
}
