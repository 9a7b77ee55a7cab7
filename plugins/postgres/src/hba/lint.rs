//! What is allowed and yet suspicious.

use std::{fmt, net::IpAddr, path::PathBuf};

use super::{
    address::{Address, prefix},
    matching::same_word,
    rule::{ConnectionKind, Method, Rule},
    rules::{LoadedRule, Rules},
};
use crate::auth::word::Word;

/// A rule that one should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is suspicious.
    pub kind: WarningKind,
}

/// What is suspicious about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// An earlier rule matches everything that this one does.
    Unreachable {
        /// The earlier one's file.
        file: PathBuf,
        /// The earlier one's line.
        line: usize,
    },
    /// The same rule is there already.
    Duplicate {
        /// The earlier one's file.
        file: PathBuf,
        /// The earlier one's line.
        line: usize,
    },
    /// Whoever reaches the server is let in.
    Trust,
    /// Everybody in the world may try.
    OpenToTheWorld,
    /// MD5 is weak, and goes away with a later version.
    Md5,
    /// Passwords go over the network as they are.
    ClearText,
    /// Only the client's machine says who the client is.
    Ident,
    /// The rule never matches: TLS is off, or the build has no GSSAPI.
    NeverMatches,
    /// Part of the address is octal: `010` is 8.
    Octal,
    /// The address has bits that its mask does not cover; they do not count.
    HostBits,
    /// The mask has holes.
    HolesInMask,
    /// From 16 on this name would be a pattern; it is none here.
    NoPatternYet {
        /// The name.
        name: String,
    },
    /// A file that stands for words (`@file`) holds none: where it stood alone
    /// its whole field is gone, and those behind it moved up.
    EmptyFile {
        /// The file.
        file: PathBuf,
    },
    /// This is a name, not the keyword that it looks like.
    LooksLikeKeyword {
        /// The name.
        name: String,
    },
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { file, line } => {
                write!(f, "never reached: {}:{line} decides before", file.display())
            }
            Self::Duplicate { file, line } => {
                write!(f, "the same as {}:{line}", file.display())
            }
            Self::Trust => f.write_str("lets in everybody from there without asking"),
            Self::OpenToTheWorld => f.write_str("everybody in the world may try"),
            Self::Md5 => f.write_str("md5 is weak; scram-sha-256 is better"),
            Self::ClearText => f.write_str("the password goes over the network in clear text"),
            Self::Ident => f.write_str("only the client's own machine says who the client is"),
            Self::NeverMatches => f.write_str("never matches: the encryption is off"),
            Self::Octal => f.write_str("a number of the address with a leading 0 is octal"),
            Self::HostBits => f.write_str("the address has bits that the mask does not cover"),
            Self::HolesInMask => f.write_str("the mask has holes"),
            Self::NoPatternYet { name } => {
                write!(f, "`{name}` is a pattern from version 16 on only")
            }
            Self::EmptyFile { file } => {
                write!(f, "{} holds no words, and a field may be missing for it", file.display())
            }
            Self::LooksLikeKeyword { name } => write!(f, "`{name}` is a name here, no keyword"),
        }
    }
}

impl Rules {
    /// Returns what is suspicious, in the order of the rules.
    pub fn warnings(&self) -> Vec<Warning> {
        let rules: Vec<(&LoadedRule, &Rule)> = self.rules().collect();
        let mut warnings = Vec::new();
        for (index, (line, rule)) in rules.iter().enumerate() {
            let mut kinds = self.own_warnings(line, rule);
            if let Some((earlier, other)) = rules[..index].iter().find(|it| covers(it.1, rule)) {
                let (file, line) = (earlier.file.clone(), earlier.line);
                let same = covers(rule, other) && rule.method == other.method;
                kinds.push(if same {
                    WarningKind::Duplicate { file, line }
                } else {
                    WarningKind::Unreachable { file, line }
                });
            }
            let place = |kind| Warning { file: line.file.clone(), line: line.line, kind };
            warnings.extend(kinds.into_iter().map(place));
        }
        warnings
    }

    fn own_warnings(&self, line: &LoadedRule, rule: &Rule) -> Vec<WarningKind> {
        let mut kinds = Vec::new();
        let mut when = |is: bool, kind| {
            if is {
                kinds.push(kind);
            }
        };
        let remote = rule.kind != ConnectionKind::Local;
        let plain = !matches!(rule.kind, ConnectionKind::HostSsl | ConnectionKind::HostGssEnc);
        let in_clear =
            matches!(rule.method, Method::Password | Method::Ldap | Method::Pam | Method::Radius);
        when(rule.method == Method::Trust && !is_loopback(rule), WarningKind::Trust);
        when(is_world(rule) && rule.method != Method::Reject, WarningKind::OpenToTheWorld);
        when(rule.method == Method::Md5, WarningKind::Md5);
        when(remote && plain && in_clear, WarningKind::ClearText);
        when(rule.method == Method::Ident, WarningKind::Ident);
        when(line.is_idle(self.server()), WarningKind::NeverMatches);
        if let Some(Address::Network { ip, mask, .. }) = &rule.address {
            when(is_octal(line), WarningKind::Octal);
            when(prefix(*mask).is_none(), WarningKind::HolesInMask);
            when(has_host_bits(*ip, *mask) && prefix(*mask).is_some(), WarningKind::HostBits);
        }
        for file in &line.empty {
            when(true, WarningKind::EmptyFile { file: file.clone() });
        }
        for word in rule.databases.iter().chain(&rule.users) {
            let name = || String::from_utf8_lossy(&word.text).into_owned();
            let pattern = self.server().major < 16 && word.pattern().is_some();
            when(pattern, WarningKind::NoPatternYet { name: name() });
            when(looks_like_keyword(word), WarningKind::LooksLikeKeyword { name: name() });
        }
        kinds
    }
}

fn is_world(rule: &Rule) -> bool {
    match &rule.address {
        Some(Address::All) => true,
        Some(Address::Network { mask, .. }) => prefix(*mask) == Some(0),
        _ => false,
    }
}

fn is_loopback(rule: &Rule) -> bool {
    match &rule.address {
        Some(Address::Network { ip, mask, .. }) => {
            ip.is_loopback() && prefix(*mask).is_some_and(|it| it >= 8)
        }
        Some(Address::SameHost) => true,
        _ => false,
    }
}

fn is_octal(line: &LoadedRule) -> bool {
    let word = line.words.get(3).and_then(|it| it.first());
    is_octal_address(&word.map(|it| String::from_utf8_lossy(&it.text)).unwrap_or_default())
}

/// Tells whether an address, with or without a length, has a number that is
/// octal because of its leading zero: `010.0.0.0/8` is 8.0.0.0/8.
pub fn is_octal_address(text: &str) -> bool {
    let address = text.split('/').next().unwrap_or_default();
    let octal = |it: &str| it.len() > 1 && it.starts_with('0') && !it.contains(['x', 'X', ':']);
    let numeric = address.bytes().all(|it| it.is_ascii_hexdigit() || b".xX".contains(&it));
    numeric && address.split('.').any(octal)
}

fn has_host_bits(ip: IpAddr, mask: IpAddr) -> bool {
    match (ip, mask) {
        (IpAddr::V4(ip), IpAddr::V4(mask)) => ip.to_bits() & !mask.to_bits() != 0,
        (IpAddr::V6(ip), IpAddr::V6(mask)) => ip.to_bits() & !mask.to_bits() != 0,
        _ => false,
    }
}

fn looks_like_keyword(word: &Word) -> bool {
    const KEYWORDS: [&str; 5] = ["all", "sameuser", "samerole", "samegroup", "replication"];
    let is_one = |it: &&str| it.as_bytes().eq_ignore_ascii_case(&word.text);
    let exact = KEYWORDS.iter().any(|it| it.as_bytes() == word.text);
    KEYWORDS.iter().any(is_one) && !exact && !word.quoted
}

/// Tells whether `one` matches every connection that `other` matches, as far
/// as can be told from the two.
fn covers(one: &Rule, other: &Rule) -> bool {
    let kind = one.kind == other.kind
        || one.kind == ConnectionKind::Host && other.kind != ConnectionKind::Local;
    kind && covers_address(one.address.as_ref(), other.address.as_ref())
        && other.databases.iter().all(|it| covers_database(&one.databases, it))
        && other.users.iter().all(|it| covers_user(&one.users, it))
}

fn covers_database(words: &[Word], word: &Word) -> bool {
    let all = words.iter().any(|it| it.is_keyword("all"));
    all && !word.is_keyword("replication") || words.iter().any(|it| same_word(it, word))
}

fn covers_user(words: &[Word], word: &Word) -> bool {
    let itself = |it: &Word| it.role() == Some(&word.text) && word.pattern().is_none();
    words.iter().any(|it| {
        it.is_keyword("all") || same_word(it, word) || itself(it) && word.role().is_none()
    })
}

fn covers_address(one: Option<&Address>, other: Option<&Address>) -> bool {
    match (one, other) {
        (None, None) | (Some(Address::All), Some(_)) => true,
        (
            Some(one @ Address::Network { mask, .. }),
            Some(Address::Network { ip, mask: inner, .. }),
        ) => {
            let wider = match (prefix(*mask), prefix(*inner)) {
                (Some(outer), Some(inner)) => outer <= inner,
                _ => mask == inner,
            };
            wider && one.contains(*ip) == Some(true)
        }
        (Some(one), Some(other)) => one.same_as(other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        hba::Server,
        tree::{Nothing, Overlay},
    };

    fn warnings(text: &str) -> Vec<String> {
        let tree = Overlay::new(&Nothing).with("/hba", text);
        let rules = Rules::load(Path::new("/hba"), &Server::of(15), &tree).unwrap();
        let show = |it: &Warning| {
            let kind = format!("{:?}", it.kind);
            format!("{} {}", it.line, kind.split([' ', '{']).next().unwrap())
        };
        rules.warnings().iter().map(show).collect()
    }

    #[test]
    fn an_empty_file_of_words_is_told_with_the_rule_that_it_leaves() {
        let text = "host all @none all trust trust\nlocal x,@none y peer\nlocal @some z peer\n";
        let tree = Overlay::new(&Nothing)
            .with("/hba", text)
            .with("/none", "# nobody\n")
            .with("/some", "a\n");
        let rules = Rules::load(Path::new("/hba"), &Server::of(15), &tree).unwrap();
        let none = WarningKind::EmptyFile { file: "/none".into() };
        let lines: Vec<_> =
            rules.warnings().iter().filter(|it| it.kind == none).map(|it| it.line).collect();
        assert_eq!(rules.rules().next().unwrap().1.users, [Word::plain("all")], "it moved up");
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn suspicious_rules_are_told() {
        let cases: [(&str, &[&str]); 16] = [
            ("local all all peer\nlocal x y md5\n", &["2 Md5", "2 Unreachable"]),
            ("local a u peer\nlocal \"a\" u peer\n", &["2 Duplicate"]),
            (
                "host all all 10.0.0.0/8 reject\nhostssl a b 10.1.0.0 255.255.0.0 scram-sha-256\n",
                &["2 Unreachable"],
            ),
            ("hostssl all all 10.0.0.0/8 reject\nhost a b 10.1.0.0/16 scram-sha-256\n", &[]),
            ("local all all peer\nlocal replication all peer\n", &[]),
            ("local a +g peer\nlocal a g peer\n", &["2 Unreachable"]),
            ("local all all trust\n", &["1 Trust"]),
            ("host all all 127.0.0.1/32 trust\n", &[]),
            ("host all all 0.0.0.0/0 scram-sha-256\n", &["1 OpenToTheWorld"]),
            ("host all all all reject\n", &[]),
            ("host a b 10.0.0.0/8 password\nhostssl c d 10.0.0.0/8 password\n", &["1 ClearText"]),
            ("host a b 010.0.0.0/8 ident\n", &["1 Ident", "1 Octal"]),
            ("host a b 10.0.0.5/8 scram-sha-256\n", &["1 HostBits"]),
            ("host a b 10.0.0.0 255.0.255.0 scram-sha-256\n", &["1 HolesInMask"]),
            ("local /^a ALL peer\n", &["1 NoPatternYet", "1 LooksLikeKeyword"]),
            ("host a b ::/0 reject\nhost a b 0.0.0.0/0 reject\n", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(warnings(text), expected, "{text}");
        }
    }
}
