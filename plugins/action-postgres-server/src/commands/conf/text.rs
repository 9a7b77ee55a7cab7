//! Settings and mistakes, for people and for programs.

use hayloft_plugin_api::{Error, ErrorKind};
use hayloft_postgres::conf::{
    Catalogue, Configuration, Context, Origin, Parameter, Problem, Setting,
};
use serde_json::{Value, json};

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value as it would stand in a file.
pub(super) fn quoted(value: &[u8]) -> String {
    let text = lossy(value).replace('\\', "\\\\").replace('\'', "''");
    format!("'{}'", text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"))
}

/// Where a value comes from, for programs.
pub(super) fn origin(origin: &Origin) -> Value {
    let kind = match origin {
        Origin::File(_) => "file",
        Origin::AlterSystem(_) => "alter-system",
        Origin::CommandLine => "command-line",
    };
    let at = origin.location();
    json!({
        "kind": kind,
        "file": at.map(|it| it.file.to_string_lossy()),
        "line": at.map(|it| it.line),
    })
}

/// When a change takes effect, in one word.
pub(super) fn needs(parameter: Option<&Parameter>) -> &'static str {
    match parameter.map(|it| it.context) {
        Some(Context::Restart) => "restart",
        Some(Context::Connection) => "reload-and-reconnect",
        _ => "reload",
    }
}

/// A parameter as it is set, for programs.
pub(super) fn setting(configuration: &Configuration, catalogue: &Catalogue, name: &[u8]) -> Value {
    let all: Vec<&Setting> = configuration.all(name).collect();
    let (last, earlier) = match all.split_last() {
        Some((last, earlier)) => (Some(*last), earlier),
        None => (None, &[][..]),
    };
    let parameter = catalogue.get(name);
    let overridden: Vec<Value> = earlier
        .iter()
        .rev()
        .map(|it| json!({ "value": lossy(&it.value), "origin": origin(&it.origin) }))
        .collect();
    json!({
        "name": parameter.map_or_else(|| lossy(name), |it| it.name.clone()),
        "value": last.map(|it| lossy(&it.value)),
        "origin": last.map(|it| origin(&it.origin)),
        "overrides": overridden,
        "unit": parameter.map(|it| it.unit.as_str()).filter(|it| !it.is_empty()),
        "takes_effect": needs(parameter),
    })
}

/// A mistake, for programs.
pub(super) fn problem(problem: &Problem) -> Value {
    json!({
        "file": problem.at.as_ref().map(|it| it.file.to_string_lossy()),
        "line": problem.at.as_ref().map(|it| it.line),
        "message": problem.kind.to_string(),
        "stops_reload": problem.kind.stops_reload(),
    })
}

/// There is no such parameter.
pub(super) fn unknown(catalogue: &Catalogue, name: &str) -> Error {
    let error = Error::new(ErrorKind::NOT_FOUND, format!("there is no parameter `{name}`"));
    match similar(catalogue, name.as_bytes()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Names of parameters that may have been meant.
pub(super) fn similar(catalogue: &Catalogue, name: &[u8]) -> Option<String> {
    let wanted = lossy(name).to_ascii_lowercase();
    let limit = 1 + wanted.len() / 4;
    let mut found: Vec<(usize, &str)> = catalogue
        .iter()
        .map(|it| {
            let inside = wanted.len() > 3 && it.name.contains(&wanted);
            (
                if inside { limit } else { distance(&wanted, &it.name.to_ascii_lowercase()) },
                &*it.name,
            )
        })
        .filter(|it| it.0 <= limit)
        .collect();
    found.sort_unstable();
    let names: Vec<String> = found.iter().take(3).map(|it| format!("`{}`", it.1)).collect();
    (!names.is_empty()).then(|| format!("is {} meant?", names.join(" or ")))
}

/// How many letters are to be changed, inserted or left out.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_guessed() {
        let catalogue = Catalogue::built_in(15);
        let guess = |name: &str| similar(&catalogue, name.as_bytes());
        assert_eq!(guess("wrok_mem").as_deref(), Some("is `work_mem` meant?"));
        assert!(guess("connections").is_some_and(|it| it.contains("`max_connections`")));
        assert_eq!(guess("zzzz"), None);
        assert_eq!((distance("", "ab"), distance("abc", "axc"), distance("ab", "ab")), (2, 1, 0));
    }

    #[test]
    fn values_are_quoted_as_in_a_file() {
        assert_eq!(quoted(b"it's \\ \n"), "'it''s \\\\ \\n'");
    }
}
