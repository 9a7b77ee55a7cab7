//! Which databases the server has.

use std::io::Read;

use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{context::Context, failure};

/// The largest first: with several at once, the last one then ends early.
const QUERY: &str = "SELECT datname FROM pg_catalog.pg_database \
     WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 \
     ORDER BY CASE WHEN pg_catalog.has_database_privilege(oid, 'CONNECT') \
     THEN pg_catalog.pg_database_size(oid) END DESC NULLS LAST, datname";

/// Where to ask: databases that nearly every server has.
const ASKED: [&str; 2] = ["postgres", "template1"];

/// Returns all databases that can be connected to and are no templates.
///
/// # Errors
///
/// If the server cannot be asked.
pub(crate) fn list(context: &Context<'_>) -> Result<Vec<String>> {
    let mut first = None;
    for database in ASKED {
        let asked = context.retry.run(context.host, failure::patience, || ask(context, database));
        match asked {
            Ok(names) => return Ok(names),
            // That of the usual database says more.
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => first = first.or(Some(error)),
            Err(error) => return Err(failed(first.unwrap_or(error))),
        }
    }
    Err(first.map_or_else(|| Error::msg("no database could be asked"), failed))
}

fn failed(error: Error) -> Error {
    error.context("the databases of the server could not be listed")
}

fn ask(context: &Context<'_>, database: &str) -> Result<Vec<String>> {
    let mut arguments = context.target.arguments(Some(database));
    arguments.extend(
        ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--record-separator-zero"]
            .map(ToOwned::to_owned),
    );
    arguments.push(format!("--command={QUERY}"));
    let mut environment = context.target.environment(Some(database));
    environment.insert("PGCLIENTENCODING", Some("UTF8".to_owned()));
    let mut started = context.start("psql", &arguments, &environment)?;
    let mut answer = Vec::new();
    started.process.read_to_end(&mut answer)?;
    let finished = started.process.wait()?;
    if let Some(error) = failure::MEANINGS.of_program(&started.program, &finished) {
        return Err(error);
    }
    parse(answer)
}

fn parse(answer: Vec<u8>) -> Result<Vec<String>> {
    let text = String::from_utf8(answer).map_err(|_| {
        Error::new(ErrorKind::UNSUPPORTED, "a database's name is not in UTF-8")
            .hint("name the databases with <database>")
    })?;
    Ok(text.split('\0').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_contain_anything_but_nul() {
        let names = parse(b"a\0two\nlines\0 blank \0".to_vec()).unwrap();
        assert_eq!(names, ["a", "two\nlines", " blank "]);
        assert!(parse(Vec::new()).unwrap().is_empty());
        assert!(parse(vec![0xff]).is_err());
    }
}
