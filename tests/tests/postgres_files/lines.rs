//! Random lines, and what servers say of them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hayloft_tests::postgres::{Options, Postgres, Programs};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

/// Begins a server in which any bytes are text.
pub(crate) fn server(programs: &Programs) -> Options {
    Postgres::options().programs(programs).initdb("--encoding=SQL_ASCII")
}

/// How many times as much is tried as usual: `HAYLOFT_ROUNDS`. What a change
/// of the grammar needs is an hour with a large number.
pub(crate) fn rounds(usual: usize) -> usize {
    let factor = std::env::var("HAYLOFT_ROUNDS").ok().and_then(|it| it.parse().ok());
    usual * factor.unwrap_or(1)
}

/// Returns so many random values.
pub(crate) fn some<T: std::fmt::Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::new(Config::default());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Lines of pieces, of which many make sense.
pub(crate) fn line(pieces: &[&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> + use<> {
    let known = proptest::sample::select(pieces.to_vec()).prop_map(|it| it.as_bytes().to_vec());
    let any = proptest::collection::vec(prop_oneof![1u8..=9, 11u8..=255], 1..3);
    let piece = prop_oneof![30 => known, 1 => any];
    proptest::collection::vec(piece, 1..most).prop_map(|it| it.concat())
}

/// Writes a file that the server may read.
pub(crate) fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// Asks the server, and takes the answer apart: rows of fields, each in
/// hexadecimal digits, or `-` for NULL.
pub(crate) fn ask(server: &Postgres, columns: &[&str], rest: &str) -> Vec<Vec<Option<Vec<u8>>>> {
    let hex =
        |it: &&str| format!("coalesce(encode(convert_to(({it})::text, 'SQL_ASCII'), 'hex'), '-')");
    let columns: Vec<String> = columns.iter().map(hex).collect();
    let answer = server.sql("postgres", &format!("SELECT {} {rest}", columns.join(", ")));
    let field = |it: &str| match it {
        "-" => None,
        digits => Some(
            digits
                .as_bytes()
                .chunks(2)
                .map(|it| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap())
                .collect(),
        ),
    };
    answer.lines().map(|row| row.split('|').map(field).collect()).collect()
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
