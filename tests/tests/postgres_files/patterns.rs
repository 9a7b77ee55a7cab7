//! Regular expressions: random ones, and what servers make of them.

use std::{fmt::Write as _, path::Path};

use hayloft_postgres::{
    hba::{Client, Decision, Rule, Rules, Server},
    ident::{Mappings, Permission},
    tree::{Nothing, Overlay},
};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{ask, lossy, rounds, server, some};

const PIECES: [&str; 74] = [
    "a",
    "a",
    "a",
    "b",
    "b",
    "c",
    "ab",
    "A",
    "_",
    "-",
    " ",
    "é",
    "\u{e9}",
    "1",
    "0",
    ".",
    ".*",
    ".+",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{",
    "}",
    "{2}",
    "{0}",
    "{1,2}",
    "{1,2}?",
    "{,2}",
    "{2,1}",
    "{256}",
    "{1,",
    "(",
    "(",
    "(",
    ")",
    ")",
    ")",
    "(?:",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?#x)",
    "(?i)",
    "(?",
    "|",
    "|",
    "^",
    "$",
    "[ab]",
    "[^a]",
    "[",
    "]",
    "[a-b]",
    "[b-a]",
    "[-a]",
    "[a-]",
    "[[:alpha:]]",
    "[[:digit:]-]",
    "[[.hyphen.]]",
    "[[=a=]]",
    "[[:<:]]",
    "\\",
    "\\1",
    "\\2",
    "\\d",
    "\\W",
    "\\m",
    "\\y",
    "\\x61",
    "\\012",
];

fn pattern() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned);
    let escape = "\\\\[a-zA-Z0-9.]{1,3}".boxed();
    let bracket = "\\[\\^?[-a-c\\]\\[:.=\\\\dW]{0,5}\\]".boxed();
    let any = prop_oneof![20 => piece.boxed(), 1 => escape, 1 => bracket];
    let parts = proptest::collection::vec(any, 1..9).prop_map(|it| it.concat());
    // Patterns as people write them, too.
    let sensible = "(\\^)?((a|b|\\.|\\(a\\|b\\)|\\(\\.\\*\\)|\\(a\\*\\)|\\[ab\\]|\\(ab\\|a\\)|\\([ab]\\))(\\*|\\+|\\?|\\*\\?|\\{1,2\\})?){1,4}(\\$)?";
    let director =
        prop_oneof![30 => Just(""), 1 => Just("***="), 1 => Just("***:"), 1 => Just("***")];
    let text = prop_oneof![3 => parts.boxed(), 2 => sensible.boxed()];
    (director, text).prop_map(|(a, b)| format!("{a}{b}").into_bytes())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => "[ab]{0,5}".boxed(), 2 => "[abAc1_é -]{0,4}".boxed()]
        .prop_map(String::into_bytes)
}

/// What a server says: `bad`, `no`, or `yes` with what the first group holds,
/// and how many groups there are.
const TRY: &str = "CREATE FUNCTION try(t text, p text) RETURNS text LANGUAGE plpgsql AS $$ \
    DECLARE m text[]; n int; BEGIN \
    IF NOT t COLLATE \"C\" ~ p COLLATE \"C\" THEN RETURN 'no'; END IF; \
    m := regexp_match(t COLLATE \"C\", p COLLATE \"C\"); \
    BEGIN n := array_length(regexp_match('', '(?:' || p || ')|()'), 1) - 1; \
    EXCEPTION WHEN invalid_regular_expression THEN n := -1; END; \
    RETURN 'yes ' || n || ' ' || coalesce(m[1], 'NULL'); \
    EXCEPTION WHEN invalid_regular_expression THEN RETURN 'bad'; END $$";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, it| {
        let _ = write!(all, "{it:02x}");
        all
    })
}

fn theirs(server: &Postgres, cases: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
    let value = |it: &[u8]| format!("convert_from('\\x{}', 'SQL_ASCII')", hex(it));
    let rows: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(number, (pattern, text))| format!("({number}, {}, {})", value(text), value(pattern)))
        .collect();
    let from = format!("FROM (VALUES {}) AS v (n, t, p) ORDER BY n", rows.join(", "));
    ask(server, &["try(t, p)"], &from).into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

fn quoted(word: &[u8]) -> Vec<u8> {
    let mut all = b"\"/".to_vec();
    for byte in word {
        all.push(*byte);
        if *byte == b'"' {
            all.push(*byte);
        }
    }
    all.push(b'"');
    all
}

/// Whether we take the pattern, and what it finds; nothing if we cannot tell.
fn ours(pattern: &[u8], text: &[u8], known: &Server) -> (bool, Option<bool>) {
    let line = [b"local all ", &quoted(pattern)[..], b" trust"].concat();
    if Rule::parse(&line, known).is_err() {
        return (false, None);
    }
    let tree = Overlay::new(&Nothing).with("/hba", line);
    let rules = Rules::load(Path::new("/hba"), known, &tree).unwrap();
    let found = match rules.effective(&Client::local(text, "d")) {
        Decision::Rule { .. } => Some(true),
        Decision::NoMatch => Some(false),
        Decision::Undecided { .. } => None,
    };
    (true, found)
}

/// Whether a mapping that wants the first group allows a role.
fn allows(pattern: &[u8], text: &[u8], role: &[u8], known: &Server) -> Permission {
    let line = [b"m ", &quoted(pattern)[..], b" x\\1"].concat();
    let tree = Overlay::new(&Nothing).with("/ident", line);
    let mappings = Mappings::load(Path::new("/ident"), known, &tree).unwrap();
    mappings.permits(b"m", text, &[b"x", role].concat(), None)
}

#[derive(Debug, Default)]
struct Undecided {
    finds: usize,
    groups: usize,
    all: usize,
}

fn compare(server: &Postgres, cases: &[(Vec<u8>, Vec<u8>)], undecided: &mut Undecided) {
    let known = Server::of(server.major().max(16));
    for ((pattern, text), theirs) in cases.iter().zip(theirs(server, cases)) {
        let shown = || format!("{} /{}/ on `{}`", server.major(), lossy(pattern), lossy(text));
        let (good, found) = ours(pattern, text, &known);
        let says = lossy(&theirs);
        assert_eq!(good, says != "bad", "{}: {says}", shown());
        if says == "bad" {
            continue;
        }
        undecided.all += 1;
        match found {
            None => undecided.finds += 1,
            Some(found) => assert_eq!(found, says != "no", "{}: {says}", shown()),
        }
        let words: Vec<&[u8]> = theirs.splitn(3, |it| *it == b' ').collect();
        let [b"yes", groups, held] = words[..] else { continue };
        let wrong = allows(pattern, text, b"zzz", &known);
        assert!(!matches!(wrong, Permission::Granted { .. }), "{}", shown());
        match groups {
            b"-1" => {}
            b"0" => {
                assert!(!matches!(allows(pattern, text, held, &known), Permission::Granted { .. }));
            }
            _ => match allows(pattern, text, held, &known) {
                Permission::Undecided { .. } => undecided.groups += 1,
                Permission::Granted { .. } => assert_ne!(held, b"NULL", "{}", shown()),
                Permission::Denied => assert_eq!(lossy(held), "NULL", "{}", shown()),
            },
        }
    }
}

#[test]
fn random_patterns_are_read_as_the_servers_read_them() {
    // Version 13 had a little less, and patterns in mappings only.
    for programs in installed_versions().into_iter().filter(|it| it.major() >= 14) {
        let server = server(&programs).start();
        server.sql("postgres", TRY);
        let mut undecided = Undecided::default();
        for _ in 0..rounds(6) {
            let cases: Vec<_> = some(400, (pattern(), text()))
                .into_iter()
                .filter(|(pattern, _)| !pattern.contains(&b'\n'))
                .collect();
            compare(&server, &cases, &mut undecided);
        }
        // Not to tell is no way to be right.
        assert!(undecided.finds * 50 < undecided.all, "{undecided:?}");
        assert!(undecided.groups * 5 < undecided.all, "{undecided:?}");
    }
}
