//! Which databases the server has.

use std::io::Read;

use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{context::Context, failure, programs};

/// As `--all-databases` has it: what the server makes up itself is left out.
/// In hexadecimal digits, any name comes through.
const QUERY: &str = "SELECT HEX(CONVERT(schema_name USING utf8)) FROM information_schema.schemata \
     WHERE LOWER(schema_name) NOT IN \
     ('information_schema', 'performance_schema', 'ndbinfo', 'sys') ORDER BY schema_name";

/// Returns the databases that the user can see, but those that the server
/// makes up itself.
///
/// # Errors
///
/// If the server cannot be asked.
pub(crate) fn list(context: &Context<'_>) -> Result<Vec<String>> {
    let asked = context.retry.run(context.host, failure::patience, || ask(context));
    asked.map_err(|error| error.context("the databases of the server could not be listed"))
}

fn ask(context: &Context<'_>) -> Result<Vec<String>> {
    let query = format!("--execute={QUERY}");
    let arguments = ["--batch", "--skip-column-names", query.as_str()].map(ToOwned::to_owned);
    let mut started = context.start(programs::CLIENT, &arguments)?;
    let mut answer = String::new();
    started.process.read_to_string(&mut answer)?;
    let finished = started.process.wait()?;
    if let Some(error) = failure::MEANINGS.of_program(&started.program, &finished) {
        return Err(error);
    }
    answer.lines().map(decode).collect()
}

fn decode(hexadecimal: &str) -> Result<String> {
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = hexadecimal.trim().as_bytes().chunks(2).map(byte).collect();
    let name = bytes.and_then(|it| String::from_utf8(it).ok());
    name.ok_or_else(|| {
        let message = format!("`{hexadecimal}` is not the name of a database");
        Error::new(ErrorKind::UNSUPPORTED, message).hint("name the databases with <database>")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_through_as_digits() {
        assert_eq!(decode("2E2E2F78").unwrap(), "../x");
        assert_eq!(decode("6772C3B6C39F65").unwrap(), "größe");
        for bad in ["2E2", "xx", "FF", "+1"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
