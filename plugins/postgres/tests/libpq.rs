//! Connection strings, compared with what the system's own libpq makes of
//! them.

#![expect(unsafe_code, reason = "libpq is a C library")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
};

use hayloft_postgres::conninfo::{Conninfo, Environment, KEYWORDS, Secret};
use libloading::Library;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;

/// `PQconninfoOption` of libpq-fe.h.
#[repr(C)]
struct ConninfoOption {
    keyword: *const c_char,
    variable: *const c_char,
    compiled: *const c_char,
    value: *const c_char,
    label: *const c_char,
    display: *const c_char,
    size: c_int,
}

struct Libpq(Library);

type Parse = unsafe extern "C" fn(*const c_char, *mut *mut c_char) -> *mut ConninfoOption;
type Free = unsafe extern "C" fn(*mut ConninfoOption);
type Start = unsafe extern "C" fn(*const c_char) -> *mut c_void;
type Pass = unsafe extern "C" fn(*mut c_void) -> *const c_char;
type FreeMem = unsafe extern "C" fn(*mut c_void);

impl Libpq {
    fn load() -> Self {
        // SAFETY: libpq's initialisers do nothing.
        match unsafe { Library::new("libpq.so.5") } {
            Ok(library) => Self(library),
            Err(error) => panic!("this test needs libpq (Debian: libpq5): {error}"),
        }
    }

    /// Returns what the string sets, or the message that it is wrong.
    fn parse(&self, text: &str) -> Result<BTreeMap<String, String>, String> {
        let text = CString::new(text).unwrap();
        let mut message = ptr::null_mut();
        // SAFETY: the types are those of libpq-fe.h; every pointer is used
        // before what it points into is freed, once.
        unsafe {
            let parse = self.0.get::<Parse>(b"PQconninfoParse").unwrap();
            let options = parse(text.as_ptr(), &raw mut message);
            if options.is_null() {
                let text = CStr::from_ptr(message).to_string_lossy().into_owned();
                self.0.get::<FreeMem>(b"PQfreemem").unwrap()(message.cast());
                return Err(text);
            }
            let mut values = BTreeMap::new();
            let mut option = options;
            while !(*option).keyword.is_null() {
                if !(*option).value.is_null() {
                    let string = |it| CStr::from_ptr(it).to_string_lossy().into_owned();
                    values.insert(string((*option).keyword), string((*option).value));
                }
                option = option.add(1);
            }
            self.0.get::<Free>(b"PQconninfoFree").unwrap()(options);
            Ok(values)
        }
    }
}

impl Libpq {
    /// Returns the password that a connection would be begun with.
    fn password(&self, conninfo: &str) -> String {
        let conninfo = CString::new(conninfo).unwrap();
        // SAFETY: the types are those of libpq-fe.h; the text belongs to the
        // connection, and is copied before that is freed, once.
        unsafe {
            let connection = self.0.get::<Start>(b"PQconnectStart").unwrap()(conninfo.as_ptr());
            assert!(!connection.is_null());
            let password = self.0.get::<Pass>(b"PQpass").unwrap()(connection);
            let text = CStr::from_ptr(password).to_string_lossy().into_owned();
            self.0.get::<FreeMem>(b"PQfinish").unwrap()(connection);
            text
        }
    }
}

fn compare(libpq: &Libpq, text: &str) -> Result<(), TestCaseError> {
    let ours = text.parse::<Conninfo>();
    match (libpq.parse(text), ours) {
        (Ok(theirs), Ok(ours)) => {
            let ours: BTreeMap<String, String> =
                ours.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(ours, theirs, "{:?}", text);
        }
        (Err(_), Err(_)) => {}
        // Values are text to us: bytes that are none are refused.
        (Ok(_), Err(_)) if has_high_escape(text) => {}
        (theirs, ours) => {
            return Err(TestCaseError::fail(format!("{text:?}: libpq {theirs:?}, ours {ours:?}")));
        }
    }
    Ok(())
}

/// Tells whether there is a `%XX` of a byte that is no character by itself.
fn has_high_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|it| it.starts_with(|c: char| "89abcdefABCDEF".contains(c)))
}

fn run(strategy: impl Strategy<Value = String>) {
    let libpq = Libpq::load();
    let mut runner =
        TestRunner::new(Config { cases: 20_000, failure_persistence: None, ..Config::default() });
    if let Err(error) = runner.run(&strategy, |text| compare(&libpq, &text)) {
        panic!("{error}");
    }
}

/// A keyword that every version knows, or almost one.
fn keyword() -> impl Strategy<Value = String> {
    let old: Vec<&'static str> =
        KEYWORDS.iter().filter(|it| it.since == 0).map(|it| it.name).collect();
    prop_oneof![
        20 => prop::sample::select(old).prop_map(ToOwned::to_owned),
        1 => "[a-z]{0,4}",
        1 => Just("requiressl".to_owned()),
    ]
}

/// Every connection string of the fixture file, and of this table.
#[test]
fn strings_of_people_are_what_libpq_makes_of_them() {
    let libpq = Libpq::load();
    let all: Value = serde_json::from_str(include_str!("fixtures/barman-vectors.json")).unwrap();
    let vectors = all["conninfo"].as_array().unwrap().iter().map(|it| it["in"].as_str().unwrap());
    let ours = [
        "host='a' user = 'b c'",
        "host = '' user=x",
        r"password='it\'s \\ a' user=x",
        r"password=a\ b\\c\'d user=x",
        "user=x\u{b}host=h\u{c}port=1",
        "user=x\u{a0}host=h",
        "user=x\u{1c}host=h",
        "host=h=x user==y",
        "dbname=postgresql://u@h/d",
        "dbname='host=a port=b'",
        "postgresql://u%40x:p%3a%2F@%2Fvar%2Frun:5433/d%20b?options=-c%20a%3Db",
        "postgresql://[fe80::1%25eth0]:1,[::1]/d",
        "postgresql://h1:1,h2,:3/d?target_session_attrs=primary",
        "postgresql:///?host=a,b&port=1,2&user=u",
        "postgresql://h/d?user=a&user=b",
        "postgresql://h/d?host=x",
        "postgresql://u:p@/d",
        "postgresql://u:@h",
        "postgresql://@h",
        "postgresql://:@h",
        "postgresql://h:/d",
        "postgresql://h?",
        "postgresql://h/?&",
        "postgresql://h/d?ssl=true&ssl=false",
        "postgresql://h/d?sslmode=require#x",
        "postgresql:/h",
        "postgres:///d",
    ];
    for text in vectors.chain(ours) {
        if let Err(error) = compare(&libpq, text) {
            panic!("{error}");
        }
    }
}

#[test]
fn words_are_what_libpq_makes_of_them() {
    let value = prop_oneof![
        "[a-z0-9]{0,4}",
        "'([^'\\\\\0]|\\\\[^\0]){0,8}'",
        "([^' \\\\\0]|\\\\[^\0]){0,6}",
        "[a '\\\\=\t\u{b}é]{0,6}",
    ];
    let word = (keyword(), "[ \n]{0,2}", "=?", "[ \t]{0,2}", value, "[ ,]{0,2}");
    let word = word.prop_map(|(a, b, c, d, e, f)| {
        let equals = if c.is_empty() && a.len() % 7 != 0 { "=" } else { &c };
        format!("{a}{b}{equals}{d}{e}{f}")
    });
    run(prop::collection::vec(word, 0..5).prop_map(|it| it.join(" ")));
}

#[test]
fn uris_are_what_libpq_makes_of_them() {
    // No raw blanks: 18 trims and refuses what older ones keep.
    let text = || {
        let piece = prop_oneof![
            10 => "[a-z0-9._-]{1,4}",
            1 => prop::sample::select(vec!["%20", "%2F", "%zz", "%4", "%00", "%c3%a9", "é", "%"])
                .prop_map(ToOwned::to_owned),
            1 => "[:/?#@,=&\\[\\]]",
        ];
        prop::collection::vec(piece, 0..3).prop_map(|it| it.concat())
    };
    let credentials = prop_oneof![
        Just(String::new()),
        (text(), ":?", text()).prop_map(|(a, b, c)| format!("{a}{b}{c}@"))
    ];
    let host = prop_oneof![text(), "\\[[0-9a-f:%]{0,6}\\]?"];
    let host = (host, prop_oneof![Just(String::new()), ":[0-9]{0,5}"])
        .prop_map(|(host, port)| format!("{host}{port}"));
    let hosts = prop::collection::vec(host, 0..3).prop_map(|it| it.join(","));
    let parameter = (keyword(), "=?", text()).prop_map(|(name, equals, value)| {
        let equals = if equals.is_empty() && value.len() != 3 { "=" } else { &equals };
        format!("{name}{equals}{value}")
    });
    let parameters = prop::collection::vec(parameter, 0..4).prop_map(|it| it.join("&"));
    let tail =
        (
            prop_oneof![Just(String::new()), text().prop_map(|it| format!("/{it}"))],
            "\\??",
            parameters,
        )
            .prop_map(|(database, mark, parameters)| {
                if mark.is_empty() { database } else { format!("{database}?{parameters}") }
            });
    let scheme = prop::sample::select(vec!["postgresql://", "postgres://"]);
    run((scheme, credentials, hosts, tail).prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}")));
}

/// Quotes a value.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[test]
fn passwords_are_what_libpq_finds_in_files() {
    let libpq = Libpq::load();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    let field = || prop_oneof![3 => "[ab]", 2 => Just("*".to_owned()), 2 => "([ab*:]|\\\\[ab:*\\\\]|\\\\){0,3}"];
    let line = (field(), prop_oneof![Just("1".to_owned()), Just("*".to_owned()), field()]);
    let line = (line, field(), field(), "([pq:#* ]|\\\\[pq:\\\\]){0,4}", "#?", "\r{0,2}");
    let line = line.prop_map(|((host, port), database, user, password, comment, end)| {
        format!("{comment}{host}:{port}:{database}:{user}:{password}{end}")
    });
    let lines = prop::collection::vec(line, 0..6).prop_map(|it| it.join("\n"));
    let token = || prop_oneof![5 => "[ab]", 1 => "[ab:*\\\\]{1,3}"];
    let strategy = (lines, "\n?", token(), token(), token());
    let mut runner =
        TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&strategy, |(lines, end, host, database, user)| {
        std::fs::write(&file, format!("{lines}{end}")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        // Nobody listens there; the connection is only begun.
        let conninfo = format!(
            "host={} hostaddr=127.0.0.1 port=1 dbname={} user={} passfile={}",
            quoted(&host),
            quoted(&database),
            quoted(&user),
            quoted(file.to_str().unwrap())
        );
        let target = conninfo.parse::<Conninfo>().unwrap().resolve(&Environment::empty());
        let ours = target.unwrap().hosts.remove(0).password;
        let ours = ours.as_ref().map(Secret::expose).unwrap_or_default();
        prop_assert_eq!(ours, libpq.password(&conninfo), "{:?} {}", lines, conninfo);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
