//! Options of a rule: which there are, what they can be, what they need.

use super::{
    error::RuleError,
    ldap::{Ldap, check_url},
    rule::{ConnectionKind, Method, Rule, Server},
};

/// Name and value.
pub(super) type Option = (Vec<u8>, Vec<u8>);

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a `name=value` word.
pub(super) fn split(word: &[u8]) -> Result<Option, RuleError> {
    let at = word.iter().position(|it| *it == b'=');
    let at = at.ok_or_else(|| RuleError::NoValue { text: lossy(word) })?;
    Ok((word[..at].to_vec(), word[at + 1..].to_vec()))
}

/// Checks one option by itself, as the server does while it reads the line.
pub(super) fn check_one(
    (name, value): &Option,
    kind: ConnectionKind,
    method: Method,
    server: &Server,
) -> Result<(), RuleError> {
    let name = str::from_utf8(name).unwrap_or_default();
    let needs = |name, methods, good: bool| {
        if good { Ok(()) } else { Err(RuleError::NotForMethod { name, methods }) }
    };
    let bad = |name| Err(RuleError::BadOption { name, value: lossy(value) });
    let number = |value: &[u8]| atoi(value) != 0;
    if let Some((known, of)) = OF_ONE_METHOD.iter().find(|it| it.0 == name) {
        if *of == Method::Oauth && server.major < 18 {
            return Err(RuleError::UnknownOption { name: name.to_owned() });
        }
        needs(known, of.word(), method == *of)?;
        return match *known {
            "ldapurl" => check_url(value),
            "ldapport" if !number(value) => bad("ldapport"),
            "radiusservers" | "radiussecrets" | "radiusports" | "radiusidentifiers" => {
                match list(value) {
                    None => bad(known),
                    Some(all) if *known == "radiusports" && !all.iter().all(|it| number(it)) => {
                        bad(known)
                    }
                    Some(_) => Ok(()),
                }
            }
            _ => Ok(()),
        };
    }
    match name {
        "map" => {
            let with_oauth = server.major >= 18;
            let methods = if with_oauth { MAP_METHODS_18 } else { MAP_METHODS };
            let good = matches!(
                method,
                Method::Ident | Method::Peer | Method::Gss | Method::Sspi | Method::Cert
            );
            needs("map", methods, good || with_oauth && method == Method::Oauth)
        }
        "clientcert" | "clientname" => client(name, value, kind, method, server),
        "krb_realm" | "include_realm" => {
            let name = if name == "krb_realm" { "krb_realm" } else { "include_realm" };
            needs(name, "gssapi and sspi", matches!(method, Method::Gss | Method::Sspi))
        }
        _ => Err(RuleError::UnknownOption { name: lossy(name.as_bytes()) }),
    }
}

const MAP_METHODS: &str = "ident, peer, gssapi, sspi, and cert";
const MAP_METHODS_18: &str = "ident, peer, gssapi, sspi, cert, and oauth";

/// Options that one method has.
const OF_ONE_METHOD: [(&str, Method); 24] = [
    ("pamservice", Method::Pam),
    ("pam_use_hostname", Method::Pam),
    ("ldapurl", Method::Ldap),
    ("ldaptls", Method::Ldap),
    ("ldapscheme", Method::Ldap),
    ("ldapserver", Method::Ldap),
    ("ldapport", Method::Ldap),
    ("ldapbinddn", Method::Ldap),
    ("ldapbindpasswd", Method::Ldap),
    ("ldapsearchattribute", Method::Ldap),
    ("ldapsearchfilter", Method::Ldap),
    ("ldapbasedn", Method::Ldap),
    ("ldapprefix", Method::Ldap),
    ("ldapsuffix", Method::Ldap),
    ("compat_realm", Method::Sspi),
    ("upn_username", Method::Sspi),
    ("radiusservers", Method::Radius),
    ("radiussecrets", Method::Radius),
    ("radiusports", Method::Radius),
    ("radiusidentifiers", Method::Radius),
    ("issuer", Method::Oauth),
    ("scope", Method::Oauth),
    ("validator", Method::Oauth),
    ("delegate_ident_mapping", Method::Oauth),
];

fn client(
    name: &str,
    value: &[u8],
    kind: ConnectionKind,
    method: Method,
    server: &Server,
) -> Result<(), RuleError> {
    if name == "clientname" && server.major < 14 {
        return Err(RuleError::UnknownOption { name: name.to_owned() });
    }
    let name = if name == "clientcert" { "clientcert" } else { "clientname" };
    if kind != ConnectionKind::HostSsl {
        return Err(RuleError::NotForKind { name });
    }
    // Before 14 there were numbers too.
    let older = server.major < 14;
    match (name, value) {
        ("clientcert", b"verify-full") | ("clientname", b"CN" | b"DN") => Ok(()),
        ("clientcert", b"0" | b"no-verify") if older => Ok(()),
        ("clientcert", b"1" | b"verify-ca") if older || value.starts_with(b"v") => {
            if method == Method::Cert { Err(RuleError::CertVerifiesFully) } else { Ok(()) }
        }
        _ => Err(RuleError::BadOption { name, value: lossy(value) }),
    }
}

/// Reads a number as `atoi` does: what follows it does not count, and of one
/// that is too large the low half is taken.
pub(super) fn atoi(text: &[u8]) -> i32 {
    let blanks = text.iter().take_while(|it| matches!(it, b' ' | 9..=13)).count();
    let rest = &text[blanks..];
    let negative = rest.starts_with(b"-");
    let signed = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let digits = rest[signed..].iter().take_while(|it| it.is_ascii_digit());
    let number = digits.fold(0i64, |sum, it| {
        let digit = i64::from(it - b'0');
        let sum = sum.saturating_mul(10);
        if negative { sum.saturating_sub(digit) } else { sum.saturating_add(digit) }
    });
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A list of values within one: separated by commas, perhaps in quotes. None
/// if it is no list.
fn list(value: &[u8]) -> std::option::Option<Vec<Vec<u8>>> {
    let skip = |text: &mut &[u8]| {
        let blanks = text.iter().take_while(|it| matches!(it, b' ' | 9..=10 | 12..=13)).count();
        *text = &text[blanks..];
    };
    let mut rest = value;
    let mut all = Vec::new();
    skip(&mut rest);
    if rest.is_empty() {
        return Some(all);
    }
    loop {
        let mut item = Vec::new();
        if let Some(mut inner) = rest.strip_prefix(b"\"") {
            loop {
                let end = inner.iter().position(|it| *it == b'"')?;
                item.extend(&inner[..end]);
                inner = &inner[end + 1..];
                let Some(more) = inner.strip_prefix(b"\"") else { break };
                item.push(b'"');
                inner = more;
            }
            rest = inner;
        } else {
            let is_end = |it: &u8| matches!(it, b',' | b' ' | 9..=10 | 12..=13);
            let end = rest.iter().position(is_end).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            item.extend(&rest[..end]);
            rest = &rest[end..];
        }
        all.push(item);
        skip(&mut rest);
        match rest.split_first() {
            None => return Some(all),
            Some((b',', more)) => rest = more,
            Some(_) => return None,
        }
        skip(&mut rest);
    }
}

/// Checks the options together, once the line is read.
pub(super) fn check_all(rule: &Rule, server: &Server) -> Result<(), RuleError> {
    match rule.method {
        Method::Ldap => Ldap::of(&rule.options).check(),
        Method::Radius => radius(rule),
        Method::Oauth => oauth(rule, server),
        _ => Ok(()),
    }
}

fn radius(rule: &Rule) -> Result<(), RuleError> {
    let count = |it| list(it).map_or(0, |it| it.len());
    for option in ["radiusservers", "radiussecrets"] {
        if rule.option(option).is_none_or(|it| count(it) == 0) {
            return Err(RuleError::Needs { method: "radius", option });
        }
    }
    let count = |name| rule.option(name).map_or(0, count);
    let servers = count("radiusservers");
    let others = [
        ("radiussecrets", "secrets"),
        ("radiusports", "ports"),
        ("radiusidentifiers", "identifiers"),
    ];
    for (option, what) in others {
        let count = count(option);
        if count > 1 && count != servers {
            return Err(RuleError::Counts { what, count, servers });
        }
    }
    Ok(())
}

fn oauth(rule: &Rule, server: &Server) -> Result<(), RuleError> {
    for option in ["issuer", "scope"] {
        if rule.option(option).is_none() {
            return Err(RuleError::Needs { method: "oauth", option });
        }
    }
    if !server.oauth_validators {
        return Err(RuleError::NoValidators);
    }
    if rule.is_on("delegate_ident_mapping") && rule.option("map").is_some() {
        return Err(RuleError::Exclusive { one: "map", other: "delegate_ident_mapping" });
    }
    Ok(())
}

impl Rule {
    /// Returns the value of an option: of several, the last counts.
    pub fn option(&self, name: &str) -> std::option::Option<&[u8]> {
        let found = self.options.iter().rev().find(|it| it.0 == name.as_bytes());
        found.map(|it| &it.1[..])
    }

    fn is_on(&self, name: &str) -> bool {
        self.option(name) == Some(b"1")
    }

    /// Returns the options as `pg_hba_file_rules` shows them: those that
    /// count, in its order, with what methods imply.
    pub fn effective_options(&self) -> Vec<Vec<u8>> {
        let mut shown: Vec<(&str, Vec<u8>)> = Vec::new();
        let given = |names: &[&'static str]| {
            let found = names.iter().filter_map(|name| Some((*name, self.option(name)?.to_vec())));
            found.collect::<Vec<_>>()
        };
        let text = |it: &str| it.as_bytes().to_vec();
        if matches!(self.method, Method::Gss | Method::Sspi) {
            let realm = self.option("include_realm").is_none_or(|it| it == b"1");
            shown.extend(realm.then(|| ("include_realm", text("true"))));
            shown.extend(given(&["krb_realm"]));
        }
        shown.extend(given(&["map"]));
        match self.option("clientcert") {
            _ if self.method == Method::Cert => shown.push(("clientcert", text("verify-full"))),
            Some(b"verify-full") => shown.push(("clientcert", text("verify-full"))),
            Some(b"verify-ca" | b"1") => shown.push(("clientcert", text("verify-ca"))),
            _ => {}
        }
        shown.extend(given(&["pamservice"]));
        if self.method == Method::Ldap {
            shown.extend(Ldap::of(&self.options).shown());
        }
        shown.extend(given(&[
            "radiusservers",
            "radiussecrets",
            "radiusidentifiers",
            "radiusports",
        ]));
        shown.extend(given(&["issuer", "scope", "validator"]));
        let delegates = self.is_on("delegate_ident_mapping");
        shown.extend(delegates.then(|| ("delegate_ident_mapping", text("true"))));
        shown.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect()
    }
}
