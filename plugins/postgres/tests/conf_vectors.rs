//! What servers make of lines of `postgresql.conf`: every vector in
//! `fixtures/postgres-files/conf_*.json`.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use hayloft_postgres::{
    conf::{Catalogue, Configuration, Context, FileSetting, ProblemKind, Sources, Type},
    tree::{Disk, Overlay},
};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postgres-files")
}

/// A row of `pg_file_settings`: file, line, name, value, error.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    file: String,
    line: u64,
    name: Option<String>,
    value: Option<String>,
    applied: bool,
    error: Option<String>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn expected(vector: &Value) -> Vec<Row> {
    let rows = vector["rows"].as_array().unwrap().iter();
    rows.map(|row| Row {
        file: text(&row["file"]).unwrap(),
        line: row["line"].as_u64().unwrap(),
        name: text(&row["name"]),
        value: text(&row["value"]),
        applied: row["applied_on_running_server"].as_bool().unwrap(),
        // Directories are those of the machine the vector was made on.
        error: text(&row["error"]).map(|it| without_directories(&it)),
    })
    .collect()
}

fn without_directories(error: &str) -> String {
    let Some((before, path)) = error.split_once('"') else { return error.to_owned() };
    let path = path.trim_end_matches('"');
    format!("{before}\"{}\"", path.rsplit('/').next().unwrap())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The server's words for a problem.
fn message(kind: &ProblemKind) -> String {
    match kind {
        ProblemKind::Syntax => "syntax error".into(),
        ProblemKind::EmptyFileName => "empty configuration file name".into(),
        ProblemKind::EmptyDirectoryName => "empty configuration directory name".into(),
        ProblemKind::TooDeep { .. } => "nesting depth exceeded".into(),
        ProblemKind::Recursion { .. } => "configuration file recursion".into(),
        ProblemKind::UnreadableFile { file, .. } => {
            format!("could not open file \"{}\"", file_name(file))
        }
        ProblemKind::UnreadableDirectory { directory, .. } => {
            format!("could not open directory \"{}\"", file_name(directory))
        }
        ProblemKind::UnknownParameter { .. } => "unrecognized configuration parameter".into(),
        _ => "setting could not be applied".into(),
    }
}

/// What we say the server shows.
fn ours(row: &FileSetting) -> Row {
    let lossy = |it: &Vec<u8>| String::from_utf8_lossy(it).into_owned();
    let at = row.at.as_ref().unwrap();
    Row {
        file: file_name(&at.file),
        line: at.line as u64,
        name: row.setting.as_ref().map(|it| lossy(&it.0)),
        value: row.setting.as_ref().map(|it| lossy(&it.1)),
        applied: row.applied,
        error: row.problem.as_ref().map(message),
    }
}

/// Whether the server may refuse a value that we find good: a parameter that
/// needs a restart and now has another value, and texts of which only the
/// server knows what they may be.
fn server_may_refuse(catalogue: &Catalogue, row: &Row) -> bool {
    let parameter = row.name.as_ref().and_then(|it| catalogue.get(it));
    parameter.is_some_and(|it| it.context == Context::Restart || it.kind == Type::Text)
}

/// Every vector, with the version of the server to try it with. What was
/// made with 15 counts for later ones too that have no file of their own.
fn vectors() -> Vec<(Value, u32)> {
    let file = |major| fixtures().join(format!("conf_pg{major}.json"));
    let mut all = Vec::new();
    for major in [15, 16, 17, 18] {
        let own = if file(major).exists() { file(major) } else { file(15) };
        let vectors: Vec<Value> = serde_json::from_slice(&fs::read(own).unwrap()).unwrap();
        assert!(!vectors.is_empty());
        all.extend(vectors.into_iter().map(|it| (it, major)));
    }
    assert!(all.len() >= 4 * 84);
    all
}

#[test]
fn every_line_is_read_as_the_servers_read_it() {
    let mut wrong = Vec::new();
    for (vector, major) in vectors() {
        let catalogue = Catalogue::built_in(major);
        let home = fixtures().join("conf");
        let input = decode(vector["input_hex"].as_str().unwrap());
        let tree = Overlay::new(&Disk)
            .with(home.join("postgresql.conf"), "include 't/vector.conf'\n")
            .with(home.join("t/vector.conf"), input);
        let configuration =
            Configuration::load(&Sources::main(home.join("postgresql.conf")), &tree);
        let ours: Vec<Row> = catalogue.file_settings(&configuration).iter().map(ours).collect();
        let theirs = expected(&vector);
        let same = ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| {
                let tolerated = ours.error.is_none()
                    && theirs.error.as_deref() == Some("setting could not be applied")
                    && server_may_refuse(&catalogue, ours);
                let adapted =
                    Row { error: theirs.error.clone(), applied: theirs.applied, ..ours.clone() };
                ours == theirs || tolerated && adapted == *theirs
            });
        if !same {
            wrong.push(format!("{major}: {vector}\n  ours: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn decode(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|it| str::from_utf8(it).unwrap());
    digits.map(|it| u8::from_str_radix(it, 16).unwrap()).collect()
}
