//! Which days are to be stored.

use std::path::Path;

use hayloft_plugin_api::{Error, ErrorKind, Result};
pub use hayloft_staging::day::{Day, STAGED, STORED};

/// Returns the days that are to be stored, oldest first: all that are staged
/// and not stored yet, and with `full` today's once more.
///
/// Cedar Backup looks at yesterday, today and tomorrow only; a day that could
/// not be stored for longer is never stored.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is none.
pub fn to_store(root: &Path, today: &str, full: bool) -> Result<Vec<Day>> {
    let mut days = hayloft_staging::day::dated(root)?;
    days.retain(|day| day.has(STAGED) && (!day.has(STORED) || full && day.name == today));
    if !days.is_empty() {
        return Ok(days);
    }
    let at = root.join(today);
    let why = match (at.is_dir(), Day { name: today.to_owned(), path: at.clone() }) {
        (false, _) => "there is no such directory".to_owned(),
        (true, day) if !day.has(STAGED) => format!("it has no {STAGED}"),
        (true, _) => format!("it has {STORED} already"),
    };
    let message = format!("nothing to store: today's directory is {}, and {why}", at.display());
    let hint = format!(
        "no day below {} has {STAGED} without {STORED}; --full stores today's again",
        root.display()
    );
    Err(Error::new(ErrorKind::NOT_FOUND, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn area(days: &[(&str, &[&str])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (day, indicators) in days {
            fs::create_dir_all(root.path().join(day)).unwrap();
            for it in *indicators {
                fs::write(root.path().join(day).join(it), "").unwrap();
            }
        }
        root
    }

    #[test]
    fn every_staged_day_that_is_not_stored_is_found_oldest_first() {
        let root = area(&[
            ("2026/11/17", &[STAGED]),
            ("2026/11/16", &[STAGED, STORED]),
            ("2026/11/15", &[]),
            ("2026/02/03", &[STAGED]),
            ("2025/12/31", &[STAGED]),
            ("2026/11/1x", &[STAGED]),
            ("other/11/17", &[STAGED]),
        ]);
        let names = |full, today| {
            let days = to_store(root.path(), today, full).unwrap();
            days.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(false, "2026/11/17"), ["2025/12/31", "2026/02/03", "2026/11/17"]);
        assert_eq!(
            names(true, "2026/11/16"),
            ["2025/12/31", "2026/02/03", "2026/11/16", "2026/11/17"]
        );
    }

    #[test]
    fn nothing_to_store_says_what_was_looked_for() {
        let cases: [(&[&str], &str); 3] = [
            (&[STAGED, STORED], "it has cback.store already"),
            (&[], "it has no cback.stage"),
            (&["-"], "there is no such directory"),
        ];
        for (indicators, why) in cases {
            let day = if indicators == ["-"] { "2026/11/16" } else { "2026/11/17" };
            let root = area(&[(day, indicators)]);
            let error = to_store(root.path(), "2026/11/17", false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
            let at = root.path().join("2026/11/17");
            let text =
                format!("nothing to store: today's directory is {}, and {why}", at.display());
            assert_eq!(error.message(), text);
        }
    }

    #[test]
    fn a_missing_staging_area_is_an_error_that_names_it() {
        let error = to_store(Path::new("/nonexistent/s"), "2026/11/17", false).unwrap_err();
        assert_eq!(error.message(), "cannot read /nonexistent/s");
    }
}
