//! What the administrator says must be so.

use std::time::Instant;

use hayloft_plugin_api::Result;
use hayloft_postgres::connection::Connection;

use super::{Check, Outcome};
use crate::config::Assertion;

/// Asks one question, in a transaction that changes nothing.
pub(super) fn ask(
    assertion: &Assertion,
    database: &str,
    connect: &dyn Fn(&str) -> Result<Connection>,
) -> Check {
    let began = Instant::now();
    let name = assertion.name.as_deref().unwrap_or_else(|| assertion.sql.trim());
    let (outcome, detail) = match connect(database) {
        Err(error) => (Outcome::Failed, format!("{name}: {error}")),
        Ok(session) => judge(name, &answer(&session, &assertion.sql)),
    };
    Check {
        name: "assertion".to_owned(),
        database: Some(database.to_owned()),
        outcome,
        detail,
        seconds: began.elapsed().as_secs_f64(),
    }
}

/// The first column of the first row, or what the server says.
fn answer(session: &Connection, sql: &str) -> Result<Option<String>, String> {
    // As the administrator's own sessions find names.
    session.execute("RESET search_path; BEGIN READ ONLY").map_err(|e| e.to_string())?;
    let rows = session.simple(sql).map_err(|e| e.to_string())?;
    Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
}

fn judge(name: &str, answer: &Result<Option<String>, String>) -> (Outcome, String) {
    match answer {
        Ok(Some(said)) if matches!(said.as_str(), "t" | "true") => {
            (Outcome::Passed, name.to_owned())
        }
        Ok(Some(said)) => (Outcome::Failed, format!("{name}: the answer is {said}")),
        Ok(None) => (Outcome::Failed, format!("{name}: there is no answer")),
        Err(error) => (Outcome::Failed, format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_is_true() {
        let cases = [
            (Ok(Some("t")), Outcome::Passed),
            (Ok(Some("f")), Outcome::Failed),
            (Ok(Some("1")), Outcome::Failed),
            (Ok(None), Outcome::Failed),
            (Err("no such table"), Outcome::Failed),
        ];
        for (answer, expected) in cases {
            let answer = answer.map(|it| it.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(judge("x", &answer).0, expected, "{answer:?}");
        }
    }
}
