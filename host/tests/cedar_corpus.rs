//! Compares what we make of configurations with what Cedar Backup 3.12.0
//! makes of them.
//!
//! Every pair of `fixtures/cedar-config/conf/X` and `expected/X.json` is a
//! case; `CEDAR_CORPUS` names another directory of the same layout.

#![expect(clippy::expect_used, reason = "a test's own files are as they must be")]

#[path = "cedar_corpus/json.rs"]
mod json;
#[path = "cedar_corpus/messages.rs"]
mod messages;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use hayloft::config::{Document, SyntaxError};
use hayloft_plugin_api::{
    Position,
    cedar::{self, Names, Pass, Problem, Section},
};
use serde_json::{Value, json};

fn corpus() -> PathBuf {
    match std::env::var_os("CEDAR_CORPUS") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cedar-config"),
    }
}

#[test]
fn every_configuration_is_read_as_cedar_backup_reads_it() {
    let corpus = corpus();
    let mut cases = 0;
    let mut failures = BTreeMap::new();
    for entry in fs::read_dir(corpus.join("conf")).expect("the corpus is there") {
        let path = entry.expect("the corpus can be listed").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let expected = corpus.join("expected").join(format!("{name}.json"));
        let expected = fs::read_to_string(expected).expect("every case has an answer");
        // Python writes infinity and other things that JSON does not have.
        let expected = expected.replace(": NaN", ": \"nan\"").replace(": Infinity", ": \"inf\"");
        let expected: Value = serde_json::from_str(&expected).expect("the answer is JSON");
        let wrong = differences(&path, &expected);
        if !wrong.is_empty() {
            failures.insert(name, wrong);
        }
        cases += 1;
    }
    assert!(cases > 0, "no case in {}", corpus.display());
    let shown: Vec<String> =
        failures.iter().map(|(name, wrong)| format!("{name}:\n  {}", wrong.join("\n  "))).collect();
    assert!(failures.is_empty(), "{} of {cases} fail\n{}", failures.len(), shown.join("\n"));
}

const EXTENSIONS: [&str; 8] =
    ["amazons3", "capacity", "encrypt", "mbox", "mysql", "postgresql", "split", "subversion"];

fn differences(path: &Path, expected: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let bytes = fs::read(path).expect("the case can be read");
    match Document::from_bytes(path, &bytes) {
        Err(error) => {
            let ours = outcome(Some((Pass::Parse, messages::syntax(&error))), Value::Null);
            compare("main", &ours, &expected["main"], &mut wrong);
            for name in EXTENSIONS {
                compare(name, &ours, &expected["extensions"][name], &mut wrong);
            }
            check_syntax_position(&bytes, &error, &mut wrong);
        }
        Ok(document) => {
            standard_sections(&document, expected, &mut wrong);
            extension_sections(&document, &expected["extensions"], &mut wrong);
        }
    }
    wrong
}

fn outcome(error: Option<(Pass, String)>, config: Value) -> Value {
    let phase = error.as_ref().map(|(pass, _)| match pass {
        Pass::Parse => "parse",
        Pass::Validate => "validate",
    });
    let config = if phase == Some("parse") { Value::Null } else { config };
    json!({
        "ok": error.is_none(),
        "phase": phase,
        "error": error.map(|(_, message)| message),
        "config": config,
    })
}

/// Compares those members that both have an opinion about.
fn compare(what: &str, ours: &Value, expected: &Value, wrong: &mut Vec<String>) {
    for member in ["ok", "phase", "error", "config"] {
        let expected = expected.get(member).unwrap_or(&Value::Null);
        difference(&format!("{what}.{member}"), &ours[member], expected, wrong);
    }
}

fn difference(path: &str, ours: &Value, expected: &Value, wrong: &mut Vec<String>) {
    match (ours, expected) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let value = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_else(|| json!("(not there)"))
                };
                difference(&format!("{path}.{key}"), &value(a), &value(b), wrong);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{path}[{i}]"), a, b, wrong);
            }
        }
        // Beyond 64 bits ours saturate.
        (Value::Number(a), Value::Number(b))
            if a.as_i64() == Some(i64::MAX) && b.as_f64().is_some_and(|b| b > 9e18) => {}
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        (a, b) => wrong.push(format!("{path}: ours is {a}, Cedar Backup's is {b}")),
    }
}

/// The first thing that Cedar Backup would complain about.
fn first(problems: &[Problem]) -> Option<(Pass, String)> {
    let first = problems.iter().find(|it| !it.warning)?;
    Some((first.pass, messages::message(first, problems)))
}

fn standard_sections(document: &Document, expected: &Value, wrong: &mut Vec<String>) {
    let (sections, problems) = cedar::read(&document.root, &Names::cedar_only());
    let ours = outcome(first(&problems), json::document(&sections));
    compare("main", &ours, &expected["main"], wrong);
    check_positions(&document.text, &problems, wrong);
    if ours["phase"] == "parse" {
        return;
    }
    if let Some(order) = expected.get("order") {
        // What Cedar Backup makes of actions without a name or a place says
        // nothing about us.
        let whole = sections.extensions.iter().all(|extensions| {
            extensions.actions.iter().all(|it| {
                let placed = if extensions.by_dependency() {
                    it.depends.is_some()
                } else {
                    it.index.is_some()
                };
                it.name.is_some() && placed
            })
        });
        if whole {
            check_order(&sections, order, wrong);
        }
    }
    let effective = json::effective(&sections);
    let Some(expected) = expected.get("effective").and_then(Value::as_object) else { return };
    for (key, value) in expected {
        // What is an exception of Python's says nothing about us.
        if !key.ends_with("_error") {
            difference(&format!("effective.{key}"), &effective[key.as_str()], value, wrong);
        }
    }
}

fn check_order(sections: &cedar::Document, expected: &Value, wrong: &mut Vec<String>) {
    match (cedar::Order::new(sections.extensions.as_ref()), &expected["error"]) {
        (Ok(order), Value::Null) => {
            let ours = json!({
                "mode": if order.mode == cedar::OrderMode::Index { "index" } else { "dependency" },
                "indices": order.indices,
                "sorted": order.sorted(),
            });
            difference("order", &ours, expected, wrong);
        }
        (Err(error), Value::String(message)) => {
            let ours = messages::order(&error);
            if ours != message {
                wrong.push(format!("order: ours is {ours}, Cedar Backup's is {message}"));
            }
        }
        // A missing index breaks Cedar Backup's own sorting, and so on.
        (Ok(_), Value::String(_)) if expected["error_type"] != "ValueError" => {}
        (ours, theirs) => {
            wrong.push(format!("order: ours is {ours:?}, Cedar Backup's is {theirs}"));
        }
    }
}

fn section<S: Section>(document: &Document) -> (Option<S>, Vec<Problem>) {
    cedar::required_section(&document.root, &Names::cedar_only())
}

fn extension_sections(document: &Document, expected: &Value, wrong: &mut Vec<String>) {
    let mut check = |name: &str, problems: Vec<Problem>, config: Value| {
        let ours = outcome(first(&problems), config);
        compare(name, &ours, &expected[name], wrong);
        check_positions(&document.text, &problems, wrong);
    };
    let (it, problems) = section::<cedar::AmazonS3>(document);
    check("amazons3", problems, it.as_ref().map_or(Value::Null, json::amazons3));
    let (it, problems) = section::<cedar::Capacity>(document);
    check("capacity", problems, it.as_ref().map_or(Value::Null, json::capacity));
    let (it, problems) = section::<cedar::Encrypt>(document);
    check("encrypt", problems, it.as_ref().map_or(Value::Null, json::encrypt));
    let (it, problems) = section::<cedar::Mbox>(document);
    check("mbox", problems, it.as_ref().map_or(Value::Null, json::mbox));
    let (it, problems) = section::<cedar::Mysql>(document);
    check("mysql", problems, it.as_ref().map_or(Value::Null, json::mysql));
    let (it, problems) = section::<cedar::Postgresql>(document);
    check("postgresql", problems, it.as_ref().map_or(Value::Null, json::postgresql));
    let (it, problems) = section::<cedar::Split>(document);
    check("split", problems, it.as_ref().map_or(Value::Null, json::split));
    let (it, problems) = section::<cedar::Subversion>(document);
    check("subversion", problems, it.as_ref().map_or(Value::Null, json::subversion));
}

/// A place must be that of the value, or of the element that lacks something.
fn check_positions(text: &str, problems: &[Problem], wrong: &mut Vec<String>) {
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    for problem in problems {
        let Some(there) = text_at(text, problem.position) else {
            wrong.push(format!("{problem:?} is outside of the document"));
            continue;
        };
        let element = problem.path.rsplit('/').next().unwrap_or_default();
        let names = there.starts_with(element) && before(text, problem.position) == Some('<');
        let value = problem.value.trim_start();
        // References may follow, so the first character decides; an item of a
        // list is within it.
        let line = there.lines().next().unwrap_or_default();
        let first = value.chars().next();
        let shown = there.starts_with('&')
            || first.is_some() && (first == there.chars().next() || line.contains(value));
        if !names && !shown {
            let there: String = there.chars().take(20).collect();
            wrong.push(format!("{problem:?} points at {there:?}"));
        }
    }
}

/// Cedar Backup counts columns from 0, we from 1.
fn check_syntax_position(bytes: &[u8], error: &SyntaxError, wrong: &mut Vec<String>) {
    let Position { line, column } = error.position;
    let text = String::from_utf8_lossy(bytes);
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let inside = lines
        .split('\n')
        .nth(line as usize - 1)
        .is_some_and(|it| column >= 1 && column as usize <= it.chars().count() + 1);
    if !inside {
        wrong.push(format!("{line}:{column} is outside of the document"));
    }
}

fn offset(text: &str, position: Position) -> Option<usize> {
    let start = match position.line {
        1 => 0,
        line => text.match_indices('\n').nth(line as usize - 2)?.0 + 1,
    };
    let rest = &text[start..];
    let mark = usize::from(position.line == 1 && rest.starts_with('\u{feff}'));
    let (index, _) = rest.char_indices().nth(position.column as usize - 1 + mark)?;
    Some(start + index)
}

fn text_at(text: &str, position: Position) -> Option<&str> {
    text.get(offset(text, position)?..)
}

fn before(text: &str, position: Position) -> Option<char> {
    text[..offset(text, position)?].chars().next_back()
}
