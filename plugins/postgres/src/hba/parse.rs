//! From fields to a rule.

use super::{
    address::Address,
    error::RuleError,
    options::{check_all, check_one, split},
    rule::{ConnectionKind, Method, Rule, Server},
};
use crate::auth::{pattern, word::Word};

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a rule from its fields, checking in the server's order.
pub(super) fn parse_rule(fields: &[Vec<Word>], server: &Server) -> Result<Rule, RuleError> {
    let mut rest = fields.iter();
    let kind = one(rest.next(), "kind of connection")?;
    let kind = ConnectionKind::of(&kind.text)
        .ok_or_else(|| RuleError::UnknownKind { word: lossy(&kind.text) })?;
    let databases = many(rest.next(), "databases", server)?;
    let users = many(rest.next(), "roles", server)?;
    let mut address = None;
    if kind != ConnectionKind::Local {
        let word = one(rest.next(), "address")?;
        let mask = rest.as_slice().first().map(Vec::as_slice);
        let (found, used) = Address::parse(word, mask)?;
        if used {
            rest.next();
        }
        address = Some(found);
    }
    let word = one(rest.next(), "method")?;
    let method = method(word, kind, server)?;
    let mut options = Vec::new();
    for word in rest.flatten() {
        let option = split(&word.text)?;
        check_one(&option, kind, method, server)?;
        options.push(option);
    }
    let rule = Rule { kind, databases, users, address, method, options };
    check_all(&rule, server)?;
    Ok(rule)
}

fn one<'a>(field: Option<&'a Vec<Word>>, name: &'static str) -> Result<&'a Word, RuleError> {
    match field.map(Vec::as_slice) {
        None | Some([]) => Err(RuleError::Missing { field: name }),
        Some([word]) => Ok(word),
        Some(_) => Err(RuleError::Several { field: name }),
    }
}

fn many(
    field: Option<&Vec<Word>>,
    name: &'static str,
    server: &Server,
) -> Result<Vec<Word>, RuleError> {
    let words = field.ok_or(RuleError::Missing { field: name })?;
    if server.major >= 16 {
        for pattern in words.iter().filter_map(Word::pattern) {
            pattern::check(pattern, server.major)
                .map_err(|why| RuleError::BadPattern { pattern: lossy(pattern), why })?;
        }
    }
    Ok(words.clone())
}

fn method(word: &Word, kind: ConnectionKind, server: &Server) -> Result<Method, RuleError> {
    let shown = || lossy(&word.text);
    let method = Method::of(&word.text, server.major)
        .ok_or_else(|| RuleError::UnknownMethod { word: shown() })?;
    if server.missing.contains(&method) {
        return Err(RuleError::NotBuilt { word: shown() });
    }
    let local = kind == ConnectionKind::Local;
    let wrong = |only| Err(RuleError::NotHere { method: method.word(), only });
    match method {
        // The server means the same by it.
        Method::Ident if local => Ok(Method::Peer),
        Method::Gss if local => wrong("over TCP"),
        Method::Peer if !local => wrong("on the socket"),
        Method::Cert if kind != ConnectionKind::HostSsl => wrong("with hostssl"),
        method => Ok(method),
    }
}
