use proptest::prelude::*;

use super::*;

#[test]
fn whole_numbers_are_read_as_python_reads_them() {
    let cases = [
        ("99", Ok(99)),
        (" +5\n", Ok(5)),
        ("-0", Ok(0)),
        ("007", Ok(7)),
        ("1_000", Ok(1000)),
        ("٣५", Ok(35)),
        ("999999999999999999999999", Ok(i64::MAX)),
        ("1__0", Err(IntError::Malformed)),
        ("_1", Err(IntError::Malformed)),
        ("1_", Err(IntError::Malformed)),
        ("+ 5", Err(IntError::Malformed)),
        ("0x10", Err(IntError::Malformed)),
        ("1.5", Err(IntError::Malformed)),
        ("²", Err(IntError::Malformed)),
        (" ", Err(IntError::Malformed)),
    ];
    for (text, expected) in cases {
        assert_eq!(int(text), expected, "{text:?}");
    }
    assert_eq!(int(&"9".repeat(4301)), Err(IntError::TooLong));
}

#[test]
fn numbers_are_read_as_python_reads_them() {
    let cases = [
        ("1e3", Some(1000.0)),
        (" .5 ", Some(0.5)),
        ("5.", Some(5.0)),
        ("1_0.5", Some(10.5)),
        ("inf", Some(f64::INFINITY)),
        ("-Infinity", Some(f64::NEG_INFINITY)),
        ("٣", Some(3.0)),
        ("1._5", None),
        (".", None),
        ("1e", None),
        ("x", None),
        ("", None),
        ("50%", None),
    ];
    for (text, expected) in cases {
        assert_eq!(float(text), expected, "{text:?}");
    }
    assert!(float("nan").is_some_and(f64::is_nan));
}

#[test]
fn names_let_one_newline_slip_through() {
    assert!(is_action_name("a1\n") && !is_action_name("a\n\n") && !is_action_name(""));
    assert!(!is_action_name("A") && !is_action_name("a-b"));
    assert!(is_module("a.b_1.C\n") && !is_module("a.") && !is_module("a..b") && !is_module("1a"));
    assert!(is_identifier("class") && !is_identifier("a.b") && !is_identifier("é"));
}

const ACCEPTED: &[&str] = &[
    "",
    "a|b",
    ".*\\.bak",
    "a{,3}",
    "a{,}",
    "a{x}",
    "a{}",
    "{",
    "]",
    "[]a]",
    "[^]]",
    "[[a]",
    "[a&&b]",
    "a*?",
    "a*+",
    "(?>a)",
    "(?i)a",
    "(?i:a)",
    "(?-i:a)",
    "(?P<n>a)(?P=n)",
    "(a)\\1",
    "(?(1)a|b)(c)",
    "(?<=ab)c",
    "(?<!a|b)c",
    "\\Z",
    "\\011",
    "\\x41\\u0041",
    "(?#c)a",
    "(?x) a #",
    "[a-]",
    "[-a]",
    "[\\w-]",
    "(?=a)*",
    "(?:)*",
    "a{2}?",
    "é",
    "(?a:\\w)",
    "(?s-i:.)",
    "\\_",
    "[\\b]",
];

const REFUSED: &[&str] = &[
    "*",
    "*.bak",
    "a**",
    "a{2}{3}",
    "+",
    "?",
    "(",
    ")",
    "[",
    "[]",
    "a{3,2}",
    "\\",
    "\\z",
    "\\p",
    "\\xg",
    "^*",
    "$+",
    "\\b*",
    "(?i",
    "a(?i)",
    "|*",
    "(?P<1>a)",
    "(?P=n)",
    "\\1",
    "(\\1)",
    "(?<=a*)b",
    "(?<=a|bc)d",
    "(?<n>a)",
    "(?z)",
    "[z-a]",
    "[\\w-z]",
    "[\\A]",
    "[\\8]",
    "(?(0)a)",
    "(?(2)a)(b)",
    "(?(1)a|b|c)(d)",
    "(?#",
    "(?P<a>x)(?P<a>y)",
    "(?L)",
    "(?au)",
    "(?i-i:a)",
    "(?<=(a)\\1)",
    "a??+?",
    "(?",
    "(?<",
    "\\u12",
    "{2}",
    "(?",
    "\\400",
];

/// The answers are those of `CPython` 3.11.2.
#[test]
fn patterns_that_python_refuses_are_refused() {
    for pattern in ACCEPTED {
        assert_eq!(Pattern::check(pattern), Ok(()), "{pattern}");
        Pattern::new(pattern).unwrap();
    }
    for pattern in REFUSED {
        assert!(Pattern::check(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn patterns_mean_what_they_mean_in_python() {
    let cases = [
        // between ^ and $, text, whether it matches from the beginning
        (".*\\.bak", "/x/y.bak", true),
        (".*\\.bak", "/x/y.bak2", false),
        ("/x|y", "/xz", true),
        ("/x|y", "y", true),
        ("/x|y", "/y", false),
        ("a", "a\n", true),
        ("a\\Z", "a\n", false),
        (".*", "a\nb", false),
        ("a{,2}", "aa", true),
        ("a{x}", "a{x}", true),
        ("[[a]", "[", true),
        ("[a&&b]", "&", true),
        ("(?i:A)", "a", true),
        ("(a)(?(1)b|c)", "ab", true),
        ("(?<=/).*", "x", false),
        ("\\141", "a", true),
        ("é+", "éé", true),
    ];
    for (pattern, text, expected) in cases {
        let compiled = Pattern::exclusion(pattern).unwrap();
        assert_eq!(compiled.is_match(text), Ok(expected), "{pattern} {text}");
    }
    assert!(Pattern::new("(?i)x").unwrap().is_match("XY").unwrap());
    assert!(Pattern::exclusion("(?i).*x").is_err());
}

proptest! {
    #[test]
    fn no_pattern_makes_the_translation_fail_otherwise_than_with_an_error(
        pattern in r"([a-z0]|[\[\](){}|?*+^$\\.,:<>=!#PimsxuaLdwbAZ12-]){0,24}"
    ) {
        if Pattern::check(&pattern).is_ok() && let Ok(compiled) = Pattern::new(&pattern) {
            drop(compiled.is_match("abcaab\n"));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,40}") {
        let _ = int(&text);
        let _ = float(&text);
        drop(Pattern::check(&text));
    }
}
