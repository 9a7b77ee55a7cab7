use serde::Deserialize;

use super::*;
use crate::config::{Attribute, Position};

/// Every element gets a line of its own, in the order of creation of its
/// parents: the tests look at lines.
fn element(line: u32, name: &str, text: &str, children: Vec<Node>) -> Node {
    let mut node = Node::empty(name, Position { line, column: 2 });
    node.text = text.into();
    node.first_text = text.into();
    node.text_position = Position { line, column: 10 };
    node.children = children.into();
    node
}

fn leaf(line: u32, name: &str, text: &str) -> Node {
    element(line, name, text, Vec::new())
}

fn attribute(line: u32, name: &str, value: &str) -> Attribute {
    let position = Position { line, column: 20 };
    Attribute { name: name.into(), value: value.into(), position }
}

fn lines(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|it| format!("{}:{} {}", it.position.line, it.path, it.message)).collect()
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    Gzip,
    Level(u8),
    Deep { depth: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    path: String,
    #[serde(default)]
    keep: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Outer {
    #[serde(rename = "@id")]
    id: Option<u32>,
    mode: Mode,
    port: u16,
    user: Option<String>,
    #[serde(default)]
    database: Vec<String>,
    #[serde(default)]
    inner: Vec<Inner>,
}

#[test]
fn elements_attributes_lists_and_enumerations_become_fields() {
    let mut node = element(
        1,
        "section",
        "\n  ",
        vec![
            leaf(2, "mode", " gzip "),
            leaf(3, "port", "\n 5432"),
            leaf(4, "user", "  "),
            leaf(5, "database", "a"),
            element(6, "inner", "", vec![leaf(7, "path", "/x"), leaf(8, "keep", "Y")]),
            leaf(9, "database", "b"),
        ],
    );
    node.attributes.push(attribute(1, "id", "7"));
    let decoded = Outer::decode(&node);
    assert_eq!(lines(&decoded.diagnostics), [""; 0]);
    let expected = Outer {
        id: Some(7),
        mode: Mode::Gzip,
        port: 5432,
        user: None,
        database: vec!["a".into(), "b".into()],
        inner: vec![Inner { path: "/x".into(), keep: true }],
    };
    assert_eq!(decoded.value, Some(expected));
}

#[test]
fn an_enumeration_may_be_an_element() {
    let level = element(1, "mode", "", vec![leaf(2, "level", "9")]);
    assert_eq!(Mode::decode(&level).value, Some(Mode::Level(9)));
    let deep = element(1, "mode", "", vec![element(2, "deep", "", vec![leaf(3, "depth", "3")])]);
    assert_eq!(Mode::decode(&deep).value, Some(Mode::Deep { depth: 3 }));
    assert_eq!(
        lines(&Mode::decode(&leaf(1, "mode", "level")).diagnostics),
        ["1:mode `level` needs an element <level> here, not text"]
    );
}

#[test]
fn every_error_is_found_and_none_follows_from_another() {
    let mut node = element(
        1,
        "section",
        "",
        vec![
            leaf(2, "mode", "gzpi"),
            leaf(3, "port", "99999"),
            leaf(4, "port", "1"),
            element(5, "inner", "", vec![leaf(6, "keep", "maybe")]),
            element(7, "inner", "", vec![leaf(8, "path", "/x"), leaf(9, "kepe", "Y")]),
            leaf(10, "colour", "red"),
        ],
    );
    node.attributes.push(attribute(1, "id", "x"));
    let decoded = Outer::decode(&node);
    assert!(decoded.value.is_none());
    assert_eq!(
        lines(&decoded.diagnostics),
        [
            "1:section/@id `x` is not a whole number from 0 to 4294967295",
            "2:section/mode `gzpi` is none of `none`, `gzip`, `level`, `deep`",
            "3:section/port `99999` is not a whole number from 0 to 65535",
            "4:section/port <port> is given more than once",
            "5:section/inner <path> is missing",
            "6:section/inner/keep `maybe` is neither Y nor N",
            "9:section/inner/kepe unknown element <kepe>",
            "10:section/colour unknown element <colour>",
        ]
    );
    let help: Vec<_> = decoded.diagnostics.iter().filter_map(|it| it.help.as_deref()).collect();
    assert!(help.contains(&"did you mean `gzip`?"));
    assert!(help.contains(&"did you mean <keep>?"));
}

#[test]
fn every_missing_field_is_told() {
    let decoded = Outer::decode(&leaf(1, "section", ""));
    assert_eq!(
        lines(&decoded.diagnostics),
        ["1:section <mode> is missing", "1:section <port> is missing"]
    );
    let error = decode::<Outer>(&leaf(1, "section", "")).unwrap_err();
    assert_eq!(error.diagnostics().len(), 2);
}

#[test]
fn unknown_elements_are_errors_if_the_type_says_so() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(default)]
        retries: u8,
    }
    let node = element(
        1,
        "strict",
        "",
        vec![leaf(2, "retires", "1"), leaf(3, "x", ""), leaf(4, "retries", "x")],
    );
    assert_eq!(
        lines(&Strict::decode(&node).diagnostics),
        [
            "2:strict/retires unknown element <retires>, known are <retries>",
            "3:strict/x unknown element <x>, known are <retries>",
            "4:strict/retries `x` is not a whole number from 0 to 255",
        ]
    );
    let good = Strict::decode(&element(1, "strict", "", vec![leaf(2, "retries", "3")]));
    assert_eq!(good.value.map(|it| it.retries), Some(3));
}

#[test]
fn a_value_that_the_author_refuses_is_an_error_at_that_value() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u8")]
    struct Even(u8);
    impl TryFrom<u8> for Even {
        type Error = String;
        fn try_from(value: u8) -> std::result::Result<Self, String> {
            if value.is_multiple_of(2) { Ok(Self(value)) } else { Err(format!("{value} is odd")) }
        }
    }
    #[derive(Debug, Deserialize)]
    struct Two {
        a: Even,
        b: Vec<Even>,
    }
    let node = element(1, "two", "", vec![leaf(2, "a", "1"), leaf(3, "b", "2"), leaf(4, "b", "5")]);
    let decoded = Two::decode(&node);
    assert_eq!(lines(&decoded.diagnostics), ["2:two/a 1 is odd", "4:two/b 5 is odd"]);
    let node = element(1, "two", "", vec![leaf(2, "a", "2"), leaf(3, "b", "4")]);
    let two = Two::decode(&node).value.unwrap();
    assert_eq!((two.a.0, two.b[0].0), (2, 4));
}

#[test]
fn a_wrong_value_of_a_type_that_reads_text_hides_no_other_error() {
    #[derive(Debug, Deserialize)]
    struct Tape {
        #[serde(rename = "size")]
        _size: crate::config::ByteSize,
        #[serde(rename = "wait")]
        _wait: crate::config::Duration,
        #[serde(rename = "address")]
        _address: std::net::IpAddr,
    }
    let size = leaf(2, "size", "huge");
    let wait = leaf(3, "wait", "long");
    let address = leaf(4, "address", "nowhere");
    let decoded = Tape::decode(&element(1, "tape", "", vec![size.clone(), wait]));
    let size_is = "2:tape/size `huge` is not a size such as `1048576`, `64 MB` or `2.5 GB`";
    let wait_is =
        "3:tape/wait `long` is not a span of time such as `90`, `90s`, `15min`, `2h` or `7d`";
    assert_eq!(lines(&decoded.diagnostics), ["1:tape <address> is missing", size_is, wait_is]);
    // No address can be made up: it is left out, and nobody hears of that.
    let decoded = Tape::decode(&element(1, "tape", "", vec![size, address]));
    let address_is = "4:tape/address invalid IP address syntax";
    assert_eq!(lines(&decoded.diagnostics), ["1:tape <wait> is missing", size_is, address_is]);
}

#[test]
fn text_with_attributes_is_the_text_field() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Note {
        #[serde(rename = "@lang")]
        lang: String,
        #[serde(rename = "$text")]
        text: String,
    }
    let mut node = leaf(1, "note", " hello ");
    node.attributes.push(attribute(1, "lang", "en"));
    assert_eq!(Note::decode(&node).value, Some(Note { lang: "en".into(), text: "hello".into() }));
    assert_eq!(
        lines(&Note::decode(&leaf(1, "note", "")).diagnostics),
        ["1:note attribute lang=\"…\" is missing", "1:note the text is missing"]
    );
}

#[test]
fn text_that_no_field_takes_is_a_warning() {
    let node = element(1, "inner", "x", vec![leaf(2, "path", "p")]);
    let decoded = Inner::decode(&node);
    assert_eq!(decoded.value, Some(Inner { path: "p".into(), keep: false }));
    assert_eq!(lines(&decoded.diagnostics), ["1:inner the text in <inner> is not read"]);
}

#[test]
fn a_plugin_without_configuration_takes_an_empty_element() {
    assert!(NoConfig::decode(&leaf(1, "none", "")).diagnostics.is_empty());
    let decoded = NoConfig::decode(&element(1, "none", "", vec![leaf(2, "x", "")]));
    assert!(decoded.value.is_some());
    assert_eq!(lines(&decoded.diagnostics), ["2:none/x unknown element <x>"]);
}

/// A whole number from 1: nothing that is made up is one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Positive(u8);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|it| *it > 0);
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not positive")))
    }
}

#[test]
fn what_cannot_be_made_up_hides_no_other_error() {
    #[derive(Debug, Deserialize)]
    #[serde(default)]
    struct Optional {
        jobs: Positive,
        parts: Positive,
        port: u16,
    }
    impl Default for Optional {
        fn default() -> Self {
            Self { jobs: Positive(1), parts: Positive(1), port: 0 }
        }
    }
    #[derive(Debug, Deserialize)]
    struct Needed {
        #[expect(dead_code, reason = "never decoded")]
        jobs: Positive,
        #[expect(dead_code, reason = "never decoded")]
        parts: Vec<Positive>,
    }
    let wrong = || {
        let leaves = vec![leaf(2, "jobs", "0"), leaf(3, "parts", "x"), leaf(4, "port", "y")];
        element(1, "it", "", leaves)
    };
    let expected = [
        "2:it/jobs `0` is not positive",
        "3:it/parts `x` is not positive",
        "4:it/port `y` is not a whole number from 0 to 65535",
    ];
    assert_eq!(lines(&Optional::decode(&wrong()).diagnostics), expected);
    let right = element(1, "it", "", vec![leaf(2, "jobs", "3")]);
    let found = Optional::decode(&right).value.unwrap();
    assert_eq!((found.jobs, found.parts, found.port), (Positive(3), Positive(1), 0));
    // It is there, if not good: nobody is told that it is missing.
    assert_eq!(lines(&Needed::decode(&wrong()).diagnostics)[..1], expected[..1]);
    let several = vec![leaf(2, "jobs", "1"), leaf(3, "parts", "0"), leaf(4, "parts", "z")];
    assert_eq!(
        lines(&Needed::decode(&element(1, "it", "", several)).diagnostics),
        ["3:it/parts `0` is not positive", "4:it/parts `z` is not positive"]
    );
}

#[test]
fn errors_are_bounded() {
    #[derive(Debug, Deserialize)]
    struct Numbers {
        #[expect(dead_code, reason = "never decoded")]
        database: Vec<u8>,
    }
    let children = (0..1000).map(|line| leaf(line, "database", "x")).collect();
    let decoded = Numbers::decode(&element(1, "numbers", "", children));
    assert_eq!(decoded.diagnostics.len(), MOST_ERRORS);
}
