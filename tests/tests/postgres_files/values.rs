//! Values of parameters: what servers make of their texts.

use hayloft_postgres::conf::{Catalogue, Context, Parameter, Type, Value};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{ask, lossy, rounds, server, some};

/// Sets a parameter, returns what it is then, in its own unit, and sets it
/// back.
const TRY: &str = "CREATE FUNCTION try(n text, v text) RETURNS text LANGUAGE plpgsql AS $$ \
    DECLARE r text; BEGIN PERFORM set_config(n, v, true); \
    SELECT 'is ' || setting INTO r FROM pg_settings WHERE lower(name) = lower(n); \
    RAISE EXCEPTION USING errcode = 'ZZ000', message = r; \
    EXCEPTION WHEN SQLSTATE 'ZZ000' THEN RETURN sqlerrm; \
    WHEN OTHERS THEN RETURN 'bad'; END $$";

/// About these the server knows more, or their text is shown differently.
const SPECIAL: [&str; 17] = [
    "exit_on_error",
    "default_toast_compression",
    "effective_io_concurrency",
    "extra_float_digits",
    "log_executor_stats",
    "log_parser_stats",
    "log_planner_stats",
    "log_statement_stats",
    "maintenance_io_concurrency",
    "max_stack_depth",
    "client_connection_check_interval",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "transaction_timeout",
    "wal_compression",
];

fn value() -> impl Strategy<Value = String> {
    let blank = || "[ \t\u{b}\u{c}\r]{0,2}";
    let whole = "[-+]?(0|0x|0X)?[0-9a-f]{1,6}";
    let huge = "[-+]?[0-9]{8,22}";
    let real = "[-+]?[0-9]{0,5}\\.[0-9]{0,4}([eE][-+]?[0-9]{0,3})?";
    let hexadecimal = "0x[0-9a-f]{0,3}\\.?[0-9a-f]{0,3}(p[-+]?[0-9]{0,3})?";
    let number = prop_oneof![
        4 => whole.boxed(),
        1 => huge.boxed(),
        4 => real.boxed(),
        1 => hexadecimal.boxed(),
        1 => "[0-9]{1,3}[eE][-+]?[0-9]{1,3}".boxed(),
    ];
    let unit = proptest::sample::select(vec![
        "", "", "", "B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d", "m", "kb",
        "minute", "e", "x",
    ]);
    let numbers = (blank(), number, blank(), unit, blank())
        .prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}"));
    let words = proptest::sample::select(vec![
        "on",
        "OFF",
        "of",
        "o",
        "tRu",
        "yes",
        "n",
        "1",
        "0",
        "01",
        " on",
        "on ",
        "true",
        "auto",
        "none",
        "all",
        "debug",
        "Debug1",
        "info",
        "local",
        "try",
        "regress",
        "partition",
        "inf",
        "nan",
        "infinity",
        "",
        " ",
        "-",
        "+",
        ".",
        "disabled",
    ]);
    prop_oneof![8 => numbers, 3 => words.prop_map(str::to_owned)]
}

fn shown(value: &Value, parameter: &Parameter) -> String {
    match value {
        Value::Boolean(it) => if *it { "on" } else { "off" }.to_owned(),
        Value::Integer(it) => it.to_string(),
        Value::Real(it) => format!("{it:?}"),
        Value::Text(it) => match &parameter.kind {
            // A hidden word is shown as what it stands for.
            Type::OneOf(values) => {
                let text = lossy(it);
                values.iter().find(|it| it.eq_ignore_ascii_case(&text)).cloned().unwrap_or(text)
            }
            _ => lossy(it),
        },
    }
}

/// Both show numbers with six digits.
fn same_number(ours: &str, theirs: &str) -> bool {
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= a.abs() * 1e-5,
        _ => false,
    }
}

fn compare(server: &Postgres, cases: &[(Parameter, String)]) {
    let literal = |it: &str| format!("E'{}'", it.escape_default().to_string().replace("\\'", "''"));
    let rows: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(number, (parameter, value))| {
            let value = literal(value).replace("\\u{b}", "\\x0b").replace("\\u{c}", "\\x0c");
            format!("({number}, {}, {value})", literal(&parameter.name))
        })
        .collect();
    let from = format!("FROM (VALUES {}) AS v (n, p, t) ORDER BY n", rows.join(", "));
    let theirs = ask(server, &["try(p, t)"], &from);
    assert_eq!(theirs.len(), cases.len());
    for ((parameter, value), theirs) in cases.iter().zip(theirs) {
        let theirs = lossy(theirs[0].as_ref().unwrap());
        let read = parameter.read(value.as_bytes());
        let what = format!("{} {} = {value:?}: {read:?} {theirs}", server.major(), parameter.name);
        match (&read, theirs.strip_prefix("is ")) {
            (Err(_), None) => {}
            (Ok(ours), Some(theirs)) => {
                let ours = shown(ours, parameter);
                let is_hidden = parameter.name == "password_encryption"
                    || matches!(&parameter.kind, Type::OneOf(all) if !all.contains(&ours));
                let same = ours == theirs || is_hidden || same_number(&ours, theirs);
                assert!(same, "{what}");
            }
            _ => panic!("{what}"),
        }
    }
}

#[test]
fn random_values_are_what_the_servers_make_of_them() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        server.sql("postgres", TRY);
        let catalogue = Catalogue::built_in(server.major());
        let is_free = |it: &&Parameter| {
            matches!(it.context, Context::User | Context::Superuser)
                && it.in_file
                && it.kind != Type::Text
                && !SPECIAL.contains(&it.name.as_str())
        };
        let free: Vec<Parameter> = catalogue.iter().filter(is_free).cloned().collect();
        assert!(free.len() > 80);
        for _ in 0..rounds(4) {
            let cases = some(700, (proptest::sample::select(free.clone()), value()));
            compare(&server, &cases);
        }
    }
}
