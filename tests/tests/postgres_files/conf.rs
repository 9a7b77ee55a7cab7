//! `postgresql.conf`: grammar and values.

use std::fs;

use hayloft_postgres::{
    conf::{Catalogue, Configuration, Context, FileSetting, Sources, Type},
    tree::Disk,
};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{ask, line, lossy, rounds, server, some, write};

const PIECES: [&str; 62] = [
    "work_mem",
    "port",
    "a.b",
    "A.B",
    "a",
    "b",
    "x1",
    "_y",
    "é",
    "a.b.c",
    "a-b",
    "include",
    "=",
    "=",
    "=",
    " ",
    " ",
    " ",
    "\t",
    "\r",
    "'",
    "'",
    "''",
    "\\",
    "'4MB'",
    "'it''s'",
    "'it\\'s'",
    "'a\\qb'",
    "'\\102\\7'",
    "'\\400z'",
    "4MB",
    "4.5",
    "4.5MB",
    "1e4",
    "1.e4",
    ".",
    "..",
    "+",
    "-",
    "0x1F",
    "0x",
    "0xg",
    "010",
    "5x5",
    "-5kB",
    "1.5e-3",
    "#",
    " # c",
    "\"",
    "$",
    ",",
    ";",
    "*",
    "/",
    ":",
    "@",
    "\x0b",
    "\x0c",
    "\u{a0}",
    "\u{feff}",
    "yes",
    "off",
];

/// File, line, name, value, error: what a row is about.
type Row = (String, String, Option<String>, Option<String>, bool);

fn theirs(server: &Postgres) -> Vec<(Row, bool)> {
    let columns = [
        "regexp_replace(sourcefile, '.*/', '')",
        "sourceline",
        "name",
        "setting",
        "error",
        "applied",
    ];
    let rows = ask(
        server,
        &columns,
        "FROM pg_file_settings WHERE sourcefile LIKE '%/fuzz.d/%' ORDER BY seqno",
    );
    let rows = rows.into_iter().map(|row| {
        let text = |index: usize| row[index].as_deref().map(lossy);
        let has_error = row[4].is_some();
        (
            (text(0).unwrap(), text(1).unwrap(), text(2), text(3), has_error),
            text(5).unwrap() == "true",
        )
    });
    rows.collect()
}

fn ours(row: &FileSetting) -> (Row, bool) {
    let at = row.at.as_ref().unwrap();
    let (name, value) = row.setting.as_ref().map(|it| (lossy(&it.0), lossy(&it.1))).unzip();
    let file = at.file.file_name().unwrap().to_str().unwrap().to_owned();
    ((file, at.line.to_string(), name, value, row.problem.is_some()), row.applied)
}

/// A file is read up to its first mistake: each line gets one of its own.
const EACH: &str = "include 'fuzz.d/{}.conf'\n";

fn compare(server: &Postgres, lines: &[Vec<u8>], catalogue: &Catalogue) {
    compare_included(server, lines, catalogue, EACH);
}

fn compare_included(server: &Postgres, lines: &[Vec<u8>], catalogue: &Catalogue, directive: &str) {
    let home = server.data_dir().join("fuzz.d");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir(&home).unwrap();
    let mut list = String::new();
    for (number, line) in lines.iter().enumerate() {
        write(&home.join(format!("{number:04}.conf")), line);
        list.push_str(directive.replace("{}", &format!("{number:04}")).as_str());
    }
    write(&server.data_dir().join("fuzz.conf"), list.as_bytes());
    let main = server.data_dir().join("postgresql.conf");
    let configuration = Configuration::load(&Sources::main(main).data(server.data_dir()), &Disk);
    let rows = catalogue.file_settings(&configuration);
    let in_fuzz = |it: &&FileSetting| it.at.as_ref().is_some_and(|it| it.file.starts_with(&home));
    let ours: Vec<_> = rows.iter().filter(in_fuzz).map(ours).collect();
    let theirs = theirs(server);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let number: usize = theirs.0.0.trim_end_matches(".conf").parse().unwrap();
        assert_eq!(ours, theirs, "{} on {:?}", server.major(), lossy(&lines[number]));
    }
    assert_eq!(ours.len(), theirs.len());
}

fn prepared(server: &Postgres) {
    let main = server.data_dir().join("postgresql.conf");
    let text = fs::read_to_string(&main).unwrap();
    write(&main, format!("{text}\ninclude 'fuzz.conf'\n").as_bytes());
}

/// What is about the server and not about the grammar.
fn is_harmless(line: &[u8]) -> bool {
    let text = line.to_ascii_lowercase();
    !text.windows(7).any(|it| it == b"include")
}

#[test]
fn random_lines_are_read_as_the_servers_read_them() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        prepared(&server);
        let catalogue = Catalogue::built_in(server.major());
        for _ in 0..rounds(4) {
            let ends =
                proptest::sample::select(vec!["", "\n", "\n", "\r\n", "\n\n", "\n#", "\na.b=1"]);
            let texts = (line(&PIECES, 9), ends).prop_map(|(a, b)| [&a, b.as_bytes()].concat());
            let mut lines = some(250, texts);
            lines.retain(|it| is_harmless(it));
            // One mistake at least, so that names and values do not count.
            lines.push(b"= =\n".to_vec());
            compare(&server, &lines, &catalogue);
        }
    }
}

/// Values that make sense for one type or another.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::sample::select(vec![
        "on",
        "OFF",
        "of",
        "o",
        "t",
        "tr",
        "yes",
        "ye",
        "no",
        "n",
        "1",
        "0",
        "00",
        "true ",
        "",
        "auto",
        "none",
        "all",
        "debug",
        "DEBUG1",
        "info",
        "replica",
        "always",
        "pglz",
        "lz4",
        "local",
        "try",
        "regress",
        "partial",
        "scram-sha-256",
    ]);
    let words = words.prop_map(|it| it.as_bytes().to_vec());
    let number = "[-+]?(0|0x)?[0-9]{1,5}(\\.[0-9]{0,3})?(e[-+]?[0-9])?";
    let unit = " ?(B|kB|MB|GB|TB|mb|us|ms|s|min|h|d|m|x)? ?";
    let numbers = (number, unit).prop_map(|(a, b)| format!("{a}{b}").into_bytes());
    let odd = proptest::sample::select(vec![
        "1e400",
        "nan",
        "inf",
        "0x1.8p3",
        ".5",
        "5.",
        "99999999999",
        "-1",
        "1e-9",
    ]);
    prop_oneof![2 => words, 6 => numbers, 1 => odd.prop_map(|it| it.as_bytes().to_vec())]
}

/// Parameters about which the server knows more than type and range.
const SPECIAL: [&str; 23] = [
    "allow_system_table_mods",
    "autovacuum_work_mem",
    "default_transaction_deferrable",
    "effective_io_concurrency",
    "exit_on_error",
    "huge_page_size",
    "jit",
    "log_executor_stats",
    "log_parser_stats",
    "log_planner_stats",
    "log_statement_stats",
    "maintenance_io_concurrency",
    "max_stack_depth",
    "ssl",
    "synchronous_standby_names",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "vacuum_buffer_usage_limit",
    "default_toast_compression",
    "wal_compression",
    "debug_io_direct",
];

#[test]
fn random_values_are_judged_as_the_servers_judge_them() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        prepared(&server);
        let catalogue = Catalogue::built_in(server.major());
        let is_free = |it: &&hayloft_postgres::conf::Parameter| {
            it.in_file
                && it.context != Context::Restart
                && it.kind != Type::Text
                && !SPECIAL.contains(&it.name.as_str())
        };
        let names: Vec<String> =
            catalogue.iter().filter(is_free).map(|it| it.name.clone()).collect();
        assert!(names.len() > 100);
        for _ in 0..rounds(4) {
            let values = some(names.len(), value());
            let line = |(name, value): (&String, &Vec<u8>)| {
                let value = lossy(value);
                format!("{name} = '{value}'\n").into_bytes()
            };
            let lines: Vec<Vec<u8>> = names.iter().zip(&values).map(line).collect();
            compare(&server, &lines, &catalogue);
        }
    }
}

#[test]
fn includes_and_duplicates_work_as_in_the_servers() {
    let cases: [&[u8]; 10] = [
        b"work_mem = bogus\nwork_mem = 2MB\n",
        b"work_mem = 1MB\nWORK_MEM = 2MB\n",
        b"work_mem = 3MB\nsort_mem = 2MB\n",
        b"include_if_exists 'gone.conf'\n",
        b"include 'gone.conf'\nwork_mem = 1MB\n",
        b"include_dir 'gone'\n",
        b"include ' '\n",
        b"include_dir ' '\n",
        b"include '0000.conf'\n",
        b"my.x = 1\nmy.x = 2\nnosuch = 3\n",
    ];
    for programs in installed_versions() {
        let server = server(&programs).start();
        prepared(&server);
        for case in cases {
            compare(&server, &[case.to_vec()], &Catalogue::built_in(server.major()));
        }
        // Of a directory the files after one with a mistake are not read.
        let files =
            [&b"a.b = 1\n"[..], b"include 'gone'\na.c = 2\n", b"a.d = 3\n"].map(<[u8]>::to_vec);
        let catalogue = Catalogue::built_in(server.major());
        compare_included(&server, &files[..1], &catalogue, "include_dir 'fuzz.d'\n");
        compare_included(&server, &files, &catalogue, "#{}\ninclude_dir 'fuzz.d'\n");
    }
}
