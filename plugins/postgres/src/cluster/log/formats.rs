//! Logs for programs, `csvlog` and `jsonlog`, as the plain one would have it.

use std::path::Path;

use serde::Deserialize;

/// Columns of `csvlog`, counted from 0; the same in all versions.
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const HINT: usize = 15;
const CONTEXT: usize = 18;

/// What is of interest in an entry of `jsonlog`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    error_severity: String,
    message: String,
    detail: String,
    hint: String,
    context: String,
}

/// Returns a part of a log as text, whatever its format: the server gives the
/// others files that end with `.csv` and `.json`.
pub(super) fn plain(path: &Path, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match path.extension().and_then(|it| it.to_str()) {
        Some("csv") => records(&text).iter().map(|it| of_record(it)).collect(),
        Some("json") => {
            let entries = text.lines().filter_map(|it| serde_json::from_str(it).ok());
            entries.map(|it| lines(&it)).collect()
        }
        _ => text.into_owned(),
    }
}

fn of_record(fields: &[String]) -> String {
    let get = |at: usize| fields.get(at).cloned().unwrap_or_default();
    lines(&Entry {
        error_severity: get(SEVERITY),
        message: get(MESSAGE),
        detail: get(DETAIL),
        hint: get(HINT),
        context: get(CONTEXT),
    })
}

fn lines(entry: &Entry) -> String {
    let all = [
        (entry.error_severity.as_str(), &entry.message),
        ("DETAIL", &entry.detail),
        ("HINT", &entry.hint),
        ("CONTEXT", &entry.context),
    ];
    let given = all.into_iter().filter(|it| !it.0.is_empty() && !it.1.is_empty());
    given.fold(String::new(), |all, (word, text)| {
        all + word + ":  " + &text.replace('\n', "\n\t") + "\n"
    })
}

/// Takes records apart: fields with commas between them, perhaps in quotes,
/// within which newlines may be and quotes are doubled.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '"' if quoted && rest.peek() == Some(&'"') => field.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                all.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_tells_the_same() {
        let csv = "2026-01-01 10:00:00.000 UTC,,,7,,6a.7,1,,2026-01-01 10:00:00 UTC,,0,LOG,00000,\"could not bind \"\"x\"\"\",,\"a, b\nc\",,,\"line 3\",,,,\"\",\"postmaster\",,0\n\
                   2026-01-01 10:00:00.001 UTC,,,7,,6a.7,2,,2026-01-01 10:00:00 UTC,,0,FATAL,XX000,\"no\",\"why\",,,,,,,,\"\",\"postmaster\",,0\n";
        let json = "{\"timestamp\":\"2026\",\"pid\":7,\"error_severity\":\"LOG\",\"message\":\"could not bind \\\"x\\\"\",\"hint\":\"a, b\\nc\",\"context\":\"line 3\"}\n\
                    {\"pid\":7,\"error_severity\":\"FATAL\",\"message\":\"no\",\"detail\":\"why\"}\n{\"half";
        let expected = "LOG:  could not bind \"x\"\nHINT:  a, b\n\tc\nCONTEXT:  line 3\nFATAL:  no\nDETAIL:  why\n";
        assert_eq!(plain(Path::new("/l/a.csv"), csv.as_bytes()), expected);
        assert_eq!(plain(Path::new("/l/a.json"), json.as_bytes()), expected);
        assert_eq!(plain(Path::new("/l/a.log"), expected.as_bytes()), expected);
    }

    proptest::proptest! {
        #[test]
        fn no_log_makes_it_fall_over(text in "[\",\na{}:]{0,60}") {
            let _ = plain(Path::new("a.csv"), text.as_bytes());
            let _ = plain(Path::new("a.json"), text.as_bytes());
        }
    }
}
