//! The method `ldap`: what its options come to, and URLs.

use super::{
    error::RuleError,
    options::{Option as Setting, atoi},
};

/// What the options of a rule come to. Each overrides what was said before it,
/// a URL several at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ldap {
    pub(super) server: Option<Vec<u8>>,
    pub(super) port: i32,
    pub(super) scheme: Option<Vec<u8>>,
    pub(super) tls: bool,
    pub(super) prefix: Option<Vec<u8>>,
    pub(super) suffix: Option<Vec<u8>>,
    pub(super) base: Option<Vec<u8>>,
    pub(super) bind: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) attribute: Option<Vec<u8>>,
    pub(super) filter: Option<Vec<u8>>,
    pub(super) scope: u32,
}

/// `LDAP_SCOPE_SUBTREE`, where nothing else is said.
const SUBTREE: u32 = 2;

impl Ldap {
    /// Reads the options in their order; those that are wrong by themselves
    /// are passed over.
    pub(super) fn of(options: &[Setting]) -> Self {
        let mut it = Self {
            server: None,
            port: 0,
            scheme: None,
            tls: false,
            prefix: None,
            suffix: None,
            base: None,
            bind: None,
            password: None,
            attribute: None,
            filter: None,
            scope: SUBTREE,
        };
        for (name, value) in options {
            // The server begins anew here with every option, be it of this
            // method or not: what a URL says of it counts only at the end.
            it.scope = SUBTREE;
            let text = || Some(value.clone());
            match &name[..] {
                b"ldapurl" => {
                    if let Ok(url) = Url::parse(value) {
                        it.take(url);
                    }
                }
                b"ldapserver" => it.server = text(),
                b"ldapport" => it.port = atoi(value),
                b"ldapscheme" => it.scheme = text(),
                b"ldaptls" => it.tls = value == b"1",
                b"ldapprefix" => it.prefix = text(),
                b"ldapsuffix" => it.suffix = text(),
                b"ldapbasedn" => it.base = text(),
                b"ldapbinddn" => it.bind = text(),
                b"ldapbindpasswd" => it.password = text(),
                b"ldapsearchattribute" => it.attribute = text(),
                b"ldapsearchfilter" => it.filter = text(),
                _ => {}
            }
        }
        it
    }

    fn take(&mut self, url: Url) {
        self.scheme = Some(url.scheme.as_bytes().to_vec());
        self.port = url.port;
        self.scope = url.scope;
        self.server = url.host.or(self.server.take());
        self.base = url.dn.or(self.base.take());
        self.attribute = url.attribute.or(self.attribute.take());
        self.filter = url.filter.or(self.filter.take());
    }

    /// Checks the options together.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let searches = [
            ("ldapbasedn", &self.base),
            ("ldapbinddn", &self.bind),
            ("ldapbindpasswd", &self.password),
            ("ldapsearchattribute", &self.attribute),
            ("ldapsearchfilter", &self.filter),
        ];
        if self.prefix.is_some() || self.suffix.is_some() {
            return match searches.into_iter().find(|it| it.1.is_some()) {
                Some((other, _)) => {
                    Err(RuleError::Exclusive { one: "ldapprefix or ldapsuffix", other })
                }
                None => Ok(()),
            };
        }
        if self.base.is_none() {
            return Err(RuleError::Needs {
                method: "ldap",
                option: "ldapbasedn, ldapprefix or ldapsuffix",
            });
        }
        if self.attribute.is_some() && self.filter.is_some() {
            let (one, other) = ("ldapsearchattribute", "ldapsearchfilter");
            return Err(RuleError::Exclusive { one, other });
        }
        Ok(())
    }

    /// Returns the options as `pg_hba_file_rules` shows them.
    pub(super) fn shown(&self) -> Vec<(&'static str, Vec<u8>)> {
        let number = |it: i64| (it != 0).then(|| it.to_string().into_bytes());
        let all = [
            ("ldapserver", self.server.clone()),
            ("ldapport", number(self.port.into())),
            ("ldapscheme", self.scheme.clone()),
            ("ldaptls", self.tls.then(|| b"true".to_vec())),
            ("ldapprefix", self.prefix.clone()),
            ("ldapsuffix", self.suffix.clone()),
            ("ldapbasedn", self.base.clone()),
            ("ldapbinddn", self.bind.clone()),
            ("ldapbindpasswd", self.password.clone()),
            ("ldapsearchattribute", self.attribute.clone()),
            ("ldapsearchfilter", self.filter.clone()),
            ("ldapscope", number(self.scope.into())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Checks an `ldapurl` by itself.
pub(super) fn check_url(value: &[u8]) -> Result<(), RuleError> {
    let bad = |why| RuleError::BadUrl { url: String::from_utf8_lossy(value).into_owned(), why };
    Url::parse(value).map(drop).map_err(bad)
}

/// What a URL says, as the library of `OpenLDAP` reads it (`ldap_url_parse`).
#[derive(Debug, PartialEq, Eq)]
struct Url {
    scheme: &'static str,
    host: Option<Vec<u8>>,
    port: i32,
    dn: Option<Vec<u8>>,
    attribute: Option<Vec<u8>>,
    scope: u32,
    filter: Option<Vec<u8>>,
}

const BAD_SCHEME: &str = "it begins neither with ldap:// nor with ldaps://";
const BAD_FORM: &str = "it has not the form of a URL";
const BAD_SCOPE: &str = "its scope is unknown";
const BAD_EXTENSION: &str = "its extensions are none";
const BAD_ENCLOSURE: &str = "its < has no >";

impl Url {
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let (rest, enclosed) = match text.strip_prefix(b"<") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let rest = strip(rest, b"URL:").unwrap_or(rest);
        let schemes = [("ldap", &b"ldap://"[..], 389), ("ldaps", b"ldaps://", 636)];
        let found = schemes.iter().find_map(|it| Some((it, strip(rest, it.1)?)));
        let Some(((scheme, _, default), rest)) = found else {
            let is_socket = strip(rest, b"ldapi://").is_some();
            return Err(if is_socket { "a socket cannot be used" } else { BAD_SCHEME });
        };
        let rest = if enclosed { rest.strip_suffix(b">").ok_or(BAD_ENCLOSURE)? } else { rest };
        let end = rest.iter().position(|it| *it == b'/');
        let (authority, path) = match end {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            // What follows a `?` here is passed over.
            None => (rest.split(|it| *it == b'?').next().unwrap_or_default(), None),
        };
        let (host, port) = host_and_port(authority)?;
        let mut it = Self {
            scheme,
            host: Some(unescape(host)).filter(|it| !it.is_empty()),
            port: if port == 0 { *default } else { port },
            dn: None,
            attribute: None,
            scope: 0,
            filter: None,
        };
        if let Some(path) = path {
            it.read_path(path)?;
        }
        Ok(it)
    }

    /// Reads `dn?attributes?scope?filter?extensions`.
    fn read_path(&mut self, path: &[u8]) -> Result<(), &'static str> {
        let mut parts = path.split(|it| *it == b'?');
        self.dn = parts.next().map(unescape);
        if let Some(raw) = parts.next().filter(|it| !it.is_empty()) {
            let attributes = unescape(raw);
            let first = attributes.split(|it| *it == b',').find(|it| !it.is_empty());
            // A list of nothing makes the server fall over.
            self.attribute = Some(first.ok_or("its attributes are none")?.to_vec());
        }
        let scope = unescape(parts.next().unwrap_or_default()).to_ascii_lowercase();
        self.scope = match &scope[..] {
            b"" | b"base" | b"baseobject" => 0,
            b"one" | b"onelevel" => 1,
            b"sub" | b"subtree" => 2,
            b"children" | b"subordinate" => 3,
            _ => return Err(BAD_SCOPE),
        };
        let filter = parts.next().filter(|it| !it.is_empty());
        self.filter = filter.map(unescape);
        if self.filter.as_ref().is_some_and(Vec::is_empty) {
            return Err("its filter is none");
        }
        let Some(extensions) = parts.next() else { return Ok(()) };
        if parts.next().is_some() {
            return Err(BAD_FORM);
        }
        let has_one = extensions.split(|it| *it == b',').any(|it| !it.is_empty());
        if has_one { Ok(()) } else { Err(BAD_EXTENSION) }
    }
}

/// Takes a beginning away, in small or capital letters.
fn strip<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn host_and_port(authority: &[u8]) -> Result<(&[u8], i32), &'static str> {
    let (host, rest) = if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|it| *it == b']').ok_or(BAD_FORM)?;
        (&rest[..end], &rest[end + 1..])
    } else {
        let end = authority.iter().position(|it| *it == b':').unwrap_or(authority.len());
        authority.split_at(end)
    };
    let Some(at) = rest.iter().position(|it| *it == b':') else { return Ok((host, 0)) };
    let port = unescape(&rest[at + 1..]);
    let digits = port.strip_prefix(b"-").or(port.strip_prefix(b"+")).unwrap_or(&port);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if at > 0 || !is_number { Err(BAD_FORM) } else { Ok((host, atoi(&port))) }
}

/// Replaces `%41`; a text with a wrong one is empty.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'%' {
            plain.push(*byte);
            continue;
        }
        let digit = |at: usize| text.get(at).and_then(|it| char::from(*it).to_digit(16));
        let (Some(high), Some(low)) = (digit(at), digit(at + 1)) else { return Vec::new() };
        // A zero byte ends the text.
        match u8::try_from(high * 16 + low) {
            Ok(byte @ 1..) => plain.push(byte),
            _ => break,
        }
        at += 2;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_of_a_url_is_forgotten_with_the_next_option() {
        let option = |name: &str, value: &str| (name.into(), value.into());
        let options = [option("ldapurl", "ldap://h/d"), option("ldaptls", "0")];
        assert_eq!((Ldap::of(&options).scope, Ldap::of(&options[..1]).scope), (SUBTREE, 0));
    }

    fn shown(url: &str) -> String {
        let options = [(b"ldapurl".to_vec(), url.as_bytes().to_vec())];
        let all = Ldap::of(&options).shown().into_iter();
        let all = all.map(|(name, value)| {
            format!("{}={}", name.trim_start_matches("ldap"), String::from_utf8_lossy(&value))
        });
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn urls_are_read_as_the_library_reads_them() {
        let cases = [
            ("ldap://h/dc=x", "server=h port=389 scheme=ldap basedn=dc=x"),
            ("ldap:///", "port=389 scheme=ldap basedn="),
            ("ldap://h?uid", "server=h port=389 scheme=ldap"),
            (
                "ldaps://h:1/dc=x?uid,cn?sub",
                "server=h port=1 scheme=ldaps basedn=dc=x searchattribute=uid scope=2",
            ),
            ("LDAP://h/dc=x??SUB", "server=h port=389 scheme=ldap basedn=dc=x scope=2"),
            ("ldap://h/d???(a=b)", "server=h port=389 scheme=ldap basedn=d searchfilter=(a=b)"),
            ("ldap://h%41/dc=%78%20y", "server=hA port=389 scheme=ldap basedn=dc=x y"),
            ("ldap://h/dc=x%zz", "server=h port=389 scheme=ldap basedn="),
            ("ldap://[::1]:5/d", "server=::1 port=5 scheme=ldap basedn=d"),
            ("ldap://h:%33/d", "server=h port=3 scheme=ldap basedn=d"),
            ("ldap://h:99999999999/d", "server=h port=1215752191 scheme=ldap basedn=d"),
            ("<URL:ldap://h/a/b>", "server=h port=389 scheme=ldap basedn=a/b"),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_told() {
        let cases = [
            ("389", BAD_SCHEME),
            ("http://h/d", BAD_SCHEME),
            ("ldap:/h/d", BAD_SCHEME),
            (" ldap://h/d", BAD_SCHEME),
            ("ldapi://h/d", "a socket cannot be used"),
            ("<ldap://h/d", BAD_ENCLOSURE),
            ("ldap://h:/d", BAD_FORM),
            ("ldap://h:1x/d", BAD_FORM),
            ("ldap://a:b:5/d", BAD_FORM),
            ("ldap://[::1/d", BAD_FORM),
            ("ldap://[::1]x:5/d", BAD_FORM),
            ("ldap://h/d?a?sub?f?e?x", BAD_FORM),
            ("ldap://h/d?a?sub?f?", BAD_EXTENSION),
            ("ldap://h/d?a?nope", BAD_SCOPE),
        ];
        for (url, expected) in cases {
            assert_eq!(Url::parse(url.as_bytes()), Err(expected), "{url}");
        }
    }
}
