//! `postgresql://…`

use super::{Conninfo, ConninfoError, keyword};

/// Returns what follows the scheme; case matters.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Reads a URI without its scheme.
pub(super) fn parse(text: &str) -> Result<Conninfo, ConninfoError> {
    let mut conninfo = Conninfo::new();
    let mut rest = text;
    // Whatever stands before the first `@` is a name and a password, unless a
    // `/` comes first.
    if let Some(at) = text.find(['@', '/']).filter(|at| text[*at..].starts_with('@')) {
        let (credentials, after) = (&text[..at], &text[at + 1..]);
        let (user, password) = match credentials.split_once(':') {
            None => (credentials, ""),
            Some((user, password)) => (user, password),
        };
        store(&mut conninfo, "user", user)?;
        store(&mut conninfo, "password", password)?;
        rest = after;
    }
    let after = hosts(&mut conninfo, rest)?;
    let (path, parameters) = match after.split_once('?') {
        None => (after, ""),
        Some((path, parameters)) => (path, parameters),
    };
    store(&mut conninfo, "dbname", path.strip_prefix('/').unwrap_or(path))?;
    read_parameters(&mut conninfo, parameters)?;
    Ok(conninfo)
}

/// Reads `host:port,host:port`, and returns what follows: nothing, or what
/// begins with `/` or `?`.
fn hosts<'a>(conninfo: &mut Conninfo, text: &'a str) -> Result<&'a str, ConninfoError> {
    let mut rest = text;
    let (mut hosts, mut ports) = (String::new(), String::new());
    loop {
        let host;
        if let Some(inside) = rest.strip_prefix('[') {
            let (address, after) = inside.split_once(']').ok_or(ConninfoError::Uri {
                problem: "the `]` after an IPv6 address is missing",
            })?;
            if address.is_empty() {
                return Err(ConninfoError::Uri {
                    problem: "there is no address between `[` and `]`",
                });
            }
            if after.starts_with(|c| !":/?,".contains(c)) {
                return Err(ConninfoError::Uri {
                    problem: "after `]`, only `:`, `/`, `?` or `,` can follow",
                });
            }
            (host, rest) = (address, after);
        } else {
            (host, rest) = split_at_any(rest, ":/?,");
        }
        hosts.push_str(host);
        if let Some(after) = rest.strip_prefix(':') {
            let port;
            (port, rest) = split_at_any(after, "/?,");
            ports.push_str(port);
        }
        let Some(after) = rest.strip_prefix(',') else { break };
        rest = after;
        hosts.push(',');
        ports.push(',');
    }
    store(conninfo, "host", &hosts)?;
    store(conninfo, "port", &ports)?;
    Ok(rest)
}

fn split_at_any<'a>(text: &'a str, stops: &str) -> (&'a str, &'a str) {
    text.split_at(text.find(|c| stops.contains(c)).unwrap_or(text.len()))
}

/// Keeps what is not empty.
fn store(conninfo: &mut Conninfo, keyword: &str, encoded: &str) -> Result<(), ConninfoError> {
    if encoded.is_empty() {
        return Ok(());
    }
    let value = decode(encoded).ok_or(ConninfoError::PercentEncoding { part: keyword.to_owned() });
    conninfo.set(keyword, value?).map(drop)
}

fn read_parameters(conninfo: &mut Conninfo, text: &str) -> Result<(), ConninfoError> {
    let mut rest = text;
    let mut before: Option<&'static str> = None;
    while !rest.is_empty() {
        let (parameter, after) = rest.split_once('&').unwrap_or((rest, ""));
        rest = after;
        let name = parameter.split('=').next().unwrap_or_default();
        let shown = shown(name, before, text);
        let Some((name, value)) = parameter.split_once('=').filter(|(_, it)| !it.contains('='))
        else {
            return Err(ConninfoError::UriParameter { word: shown });
        };
        let name = decode(name)
            .ok_or_else(|| ConninfoError::PercentEncoding { part: format!("parameter {shown}") })?;
        let value = decode(value)
            .ok_or_else(|| ConninfoError::PercentEncoding { part: format!("value of {shown}") })?;
        // JDBC's way to say it.
        let (name, value) = match (name.as_str(), value.as_str()) {
            ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
            _ => (name, value),
        };
        conninfo.set(&name, value).map_err(|error| match error {
            ConninfoError::UnknownKeyword { nearest, .. } => {
                ConninfoError::UnknownKeyword { word: format!("the parameter {shown}"), nearest }
            }
            other => other,
        })?;
        before = keyword::find(&name).map(|it| it.name);
    }
    Ok(())
}

/// A parameter's name, as far as it may be shown: a `&` in a password that is
/// not encoded begins a parameter, and a `/` and a `?` in the password before
/// an `@` begin them all.
fn shown(name: &str, before: Option<&'static str>, all: &str) -> String {
    match before {
        Some(before) if keyword::find(before).is_some_and(|it| it.secret) => {
            format!("that follows `{before}`")
        }
        _ if keyword::is_name(name) && !all.contains('@') => format!("`{name}`"),
        Some(before) => format!("that follows `{before}`"),
        None => "that comes first".to_owned(),
    }
}

/// Decodes `%XX`; `None` if that is no two digits, zero, or no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let byte = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(byte).ok().filter(|it| *it != 0)?);
    }
    String::from_utf8(bytes).ok()
}
