//! Regular expressions of PostgreSQL: what is one, and what it matches.
//!
//! The server has a dialect of its own ("advanced regular expressions"), of
//! which all but the embedded options `b`, `e`, `m`, `n`, `p`, `w` and `x` is
//! known here. What is not known, or would take too long, is said to be so,
//! never guessed.
//!
//! A pattern and what it is compared with are bytes: when a server reads these
//! files and when somebody connects, no encoding is known yet.

mod bracket;
mod bytes;
mod matching;
mod syntax;

use self::{
    matching::{Search, groups_of},
    syntax::{Node, Syntax, parse},
};

/// Checks whether a server of a version would compile a pattern.
///
/// # Errors
///
/// What is wrong, in a few words.
pub(crate) fn check(pattern: &[u8], major: u32) -> Result<(), &'static str> {
    parse(pattern, major).map(drop)
}

/// What a pattern finds in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    No,
    /// Something.
    Yes,
    /// Only the server can tell.
    Unknown,
}

/// What the first group of a pattern holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// There is none, or it took no part.
    None,
    /// This.
    Text(Vec<u8>),
    /// Only the server can tell.
    Unknown,
}

/// Looks for a pattern in a text, anywhere in it.
pub(crate) fn find(pattern: &[u8], text: &[u8], major: u32) -> Found {
    let Ok(Syntax::Read(node, fold)) = parse(pattern, major) else { return Found::Unknown };
    match Search::new(text, count(&node), fold).start(&node) {
        Err(_) => Found::Unknown,
        Ok(None) => Found::No,
        Ok(Some(_)) => Found::Yes,
    }
}

/// Tells what the first group holds in a text that the pattern finds.
///
/// A server takes of the matches that begin first the longest, and in it of
/// each part the longest, one after the other. Where several ways are left
/// that differ in the group, and it is not plainly the first part with a
/// choice, this does not tell.
pub(crate) fn group(pattern: &[u8], text: &[u8], major: u32) -> Group {
    let Ok(Syntax::Read(node, fold)) = parse(pattern, major) else { return Group::Unknown };
    let groups = count(&node);
    if groups == 0 {
        return Group::None;
    }
    let mut search = Search::new(text, groups, fold);
    let Ok(Some(start)) = search.start(&node) else { return Group::Unknown };
    let Ok(ways) = search.ways(&node, start) else { return Group::Unknown };
    let greedy = is_greedy(&node);
    let end = ways.last().map(|it| it.0);
    let ways = ways.iter().filter(|it| !greedy || Some(it.0) == end);
    let spans: Vec<Option<(usize, usize)>> = ways.map(|it| it.1).collect();
    let held = |span: &Option<(usize, usize)>| span.map(|it| &text[it.0..it.1]);
    let chosen = match spans.as_slice() {
        [] => return Group::Unknown,
        [first, rest @ ..] if rest.iter().all(|it| held(it) == held(first)) => *first,
        all if greedy && is_first(&node) => all.iter().copied().max().flatten(),
        _ => return Group::Unknown,
    };
    chosen.map_or(Group::None, |it| Group::Text(text[it.0..it.1].to_vec()))
}

fn count(node: &Node) -> usize {
    let mut found = Vec::new();
    groups_of(node, &mut found);
    found.into_iter().max().unwrap_or_default()
}

fn is_greedy(node: &Node) -> bool {
    match node {
        Node::Repeat { node, greedy, .. } => *greedy && is_greedy(node),
        Node::Group(_, node) => is_greedy(node),
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().all(is_greedy),
        Node::One(_) | Node::At(_) | Node::Look { .. } | Node::Back(_) => true,
    }
}

/// Tells whether nothing before the first group leaves a choice.
fn is_first(node: &Node) -> bool {
    let Node::All(nodes) = node else { return false };
    let is_fixed = |it: &&Node| matches!(it, Node::One(_) | Node::At(_) | Node::Look { .. });
    matches!(nodes.iter().find(|it| !is_fixed(it)), Some(Node::Group(Some(1), _)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_patterns_are_told() {
        let cases = [
            ("(", "parentheses () not balanced"),
            ("a)", "parentheses () not balanced"),
            ("(?:a", "parentheses () not balanced"),
            ("^a{2", "braces {} not balanced"),
            ("[a", "brackets [] not balanced"),
            ("[]", "brackets [] not balanced"),
            ("*a", "quantifier operand invalid"),
            ("a**", "quantifier operand invalid"),
            ("^*", "quantifier operand invalid"),
            ("(?=a)*", "quantifier operand invalid"),
            ("(?x", "invalid embedded option"),
            ("a(?i)", "quantifier operand invalid"),
            ("***", "quantifier operand invalid"),
            ("***x", "quantifier operand invalid"),
            ("a{256}", "invalid repetition count(s)"),
            ("a{3,2}", "invalid repetition count(s)"),
            ("a{2x}", "invalid repetition count(s)"),
            ("[[:nope:]]", "invalid character class"),
            ("[[.nope.]]", "invalid collating element"),
            ("\\1", "invalid backreference number"),
            ("(a\\1)", "invalid backreference number"),
            ("(a)(?=\\1)", "invalid backreference number"),
            ("a\\", "invalid escape \\ sequence"),
            ("\\q", "invalid escape \\ sequence"),
            ("\\x", "invalid escape \\ sequence"),
            ("\\u12", "invalid escape \\ sequence"),
            ("[z-a]", "invalid character range"),
            ("[a-c-e]", "invalid character range"),
            ("[a-\\d]", "invalid character range"),
        ];
        for (pattern, why) in cases {
            assert_eq!(check(pattern.as_bytes(), 16), Err(why), "{pattern}");
        }
    }

    #[test]
    fn good_patterns_are_taken() {
        for pattern in [
            "",
            "^a.*$",
            "^db\\d+$",
            "^a{2,3}$",
            "(a|b)\\1",
            "(a){0}\\1",
            "[]a]",
            "[^]a]",
            "[a-]",
            "[--a]",
            "[[.hyphen.]]",
            "[\\W\\d]",
            "a*?",
            "a(?# comment )*",
            "(?#",
            "[[:alpha:]]",
            "[[:<:]]a[[:>:]]",
            "{",
            "a{,3}",
            "a|",
            "|",
            "()",
            "***=(",
            "***:a",
            "(?i)a",
            "(?q)(",
            "\\B\\07\\10",
        ] {
            assert_eq!(check(pattern.as_bytes(), 16), Ok(()), "{pattern}");
        }
        assert!(check(b"[\\W]", 13).is_err() && check(b"[[:word:]]", 13).is_err());
    }

    #[test]
    fn patterns_find() {
        let cases = [
            ("^a.*$", "abc", Found::Yes),
            ("b", "abc", Found::Yes),
            ("^b", "abc", Found::No),
            ("B", "abc", Found::No),
            ("(?i)B", "abc", Found::Yes),
            ("***=a.", "xa.y", Found::Yes),
            ("***=a.", "xab", Found::No),
            ("^(a|b)\\1$", "bb", Found::Yes),
            ("^(a|b)\\1$", "ab", Found::No),
            ("^(?!a)", "abc", Found::No),
            ("(?<=b)c", "abc", Found::Yes),
            ("^(a*)*$", "aaab", Found::No),
            ("\\mb", "a b", Found::Yes),
            ("\\mb", "ab", Found::No),
            ("^.$", "é", Found::No),
            ("^..$", "é", Found::Yes),
            ("\\w", "é", Found::No),
            ("(?n)a", "a", Found::Unknown),
            ("(", "a", Found::Unknown),
        ];
        for (pattern, text, found) in cases {
            assert_eq!(find(pattern.as_bytes(), text.as_bytes(), 16), found, "{pattern} {text}");
        }
        // A number that grows too fast to be tried out.
        let many = "a".repeat(60);
        assert_eq!(find(b"^((a*)*)*b", many.as_bytes(), 16), Found::Unknown);
        let deep = format!("^{}a{}*$", "(".repeat(200), ")".repeat(200));
        assert_eq!(find(deep.as_bytes(), many.as_bytes(), 16), Found::Unknown);
        assert_eq!(check("(".repeat(100_000).as_bytes(), 16), Ok(()));
    }

    #[test]
    fn the_first_group_holds_what_the_server_puts_into_it() {
        let text = |it: &str| Group::Text(it.as_bytes().to_vec());
        let cases = [
            ("^(.*)@x$", "ann@x", text("ann")),
            ("^(.*)@(.*)$", "a@b@c", text("a@b")),
            ("^(a|ab)(.*)$", "abc", text("ab")),
            ("(b)?", "abc", Group::None),
            ("a", "abc", Group::None),
            ("^x?(.*)$", "xy", Group::Unknown),
            ("^(.*?)@.*$", "a@b@c", Group::Unknown),
            ("^(.*?)@x$", "a@x", text("a")),
        ];
        for (pattern, text, group_) in cases {
            assert_eq!(group(pattern.as_bytes(), text.as_bytes(), 16), group_, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(
            pattern in "[a-c()|*+?{}0-9,\\[\\]\\\\:^$.=<!#-]{0,12}",
            text: Vec<u8>,
        ) {
            let _ = find(pattern.as_bytes(), &text, 16);
            let _ = group(pattern.as_bytes(), &text, 16);
        }
    }
}
