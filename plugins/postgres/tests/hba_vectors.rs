//! What servers make of lines of `pg_hba.conf`: every vector in
//! `fixtures/postgres-files/hba_*.json`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use hayloft_postgres::{
    hba::{Address, LoadedRule, Method, Rule, RuleError, Rules, Server, Word},
    tree::{Disk, Overlay},
};
use serde_json::{Map, Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postgres-files")
}

/// The servers that the vectors were made with: Debian's 15, and later ones
/// built without GSSAPI, LDAP and PAM; TLS off in all.
fn server(major: u32) -> Server {
    let mut server = Server { tls: false, oauth_validators: false, ..Server::of(major) };
    if major > 15 {
        server.missing.extend([Method::Gss, Method::Ldap, Method::Pam]);
        server.gss = false;
    }
    server
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The server's words for a mistake, directories left out.
fn message(error: &RuleError, major: u32) -> String {
    match error {
        RuleError::UnknownKind { word } => format!("invalid connection type \"{word}\""),
        RuleError::Missing { field } => format!("end-of-line before {}", field_name(field)),
        RuleError::Several { field } => {
            format!("multiple values specified for {}", field_name_of_several(field))
        }
        RuleError::BadBits { address } => format!("invalid CIDR mask in address \"{address}\""),
        RuleError::HostWithBits { address } => {
            format!("specifying both host name and CIDR mask is invalid: \"{address}\"")
        }
        RuleError::BadMask { mask } => {
            format!("invalid IP mask \"{mask}\": Name or service not known")
        }
        RuleError::FamiliesDiffer => "IP address and mask do not match".into(),
        RuleError::UnknownMethod { word } => format!("invalid authentication method \"{word}\""),
        RuleError::NotBuilt { word } => {
            format!("invalid authentication method \"{word}\": not supported by this build")
        }
        RuleError::NotHere { method: "gss", .. } => {
            "gssapi authentication is not supported on local sockets".into()
        }
        RuleError::NotHere { method: "peer", .. } => {
            "peer authentication is only supported on local sockets".into()
        }
        RuleError::NotHere { method, .. } => {
            format!("{method} authentication is only supported on hostssl connections")
        }
        RuleError::BadPattern { pattern, why } => {
            format!("invalid regular expression \"{pattern}\": {why}")
        }
        RuleError::TooDeep { file } => {
            format!("could not open file \"{}\": maximum nesting depth exceeded", file_name(file))
        }
        RuleError::Unreadable { file, why } if major <= 15 => {
            let name = file_name(file);
            format!("could not open secondary authentication file \"@{name}\" as \"{name}\": {why}")
        }
        RuleError::Unreadable { file, why } => {
            format!("could not open file \"{}\": {why}", file_name(file))
        }
        RuleError::UnreadableDirectory { directory, .. } => {
            format!("could not open directory \"{}\"", file_name(directory))
        }
        other => option_message(other),
    }
}

/// The server's words for a mistake about options.
fn option_message(error: &RuleError) -> String {
    match error {
        RuleError::NoValue { text } => {
            format!("authentication option not in name=value format: {text}")
        }
        RuleError::UnknownOption { name } => {
            format!("unrecognized authentication option name: \"{name}\"")
        }
        RuleError::NotForMethod { name, methods } => {
            format!(
                "authentication option \"{name}\" is only valid for authentication methods {methods}"
            )
        }
        RuleError::NotForKind { name } => {
            format!("{name} can only be configured for \"hostssl\" rows")
        }
        RuleError::CertVerifiesFully => {
            "clientcert can only be set to \"verify-full\" when using \"cert\" authentication"
                .into()
        }
        RuleError::Needs { method, option } => {
            let option = option.replace(
                "ldapbasedn, ldapprefix or ldapsuffix",
                "ldapbasedn\", \"ldapprefix\", or \"ldapsuffix",
            );
            format!("authentication method \"{method}\" requires argument \"{option}\" to be set")
        }
        RuleError::NoValidators => {
            "oauth_validator_libraries must be set for authentication method oauth".into()
        }
        RuleError::BadOption { name: "ldapport", value } => {
            format!("invalid LDAP port number: \"{value}\"")
        }
        RuleError::BadOption { name: "radiusports", value } => {
            format!("invalid RADIUS port number: \"{value}\"")
        }
        RuleError::BadOption { name, value } => format!("invalid value for {name}: \"{value}\""),
        RuleError::Counts { what, count, servers } => format!(
            "the number of RADIUS {what} ({count}) must be 1 or the same as the number of RADIUS servers ({servers})"
        ),
        RuleError::Exclusive { one: "map", other } => {
            format!("map cannot be used in combination with {other}")
        }
        RuleError::Exclusive { one: "ldapsearchattribute", .. } => {
            "cannot use ldapsearchattribute together with ldapsearchfilter".into()
        }
        RuleError::Exclusive { one: "ldapprefix or ldapsuffix", .. } => {
            "cannot use ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, \
             or ldapurl together with ldapprefix"
                .into()
        }
        RuleError::TooLong => "authentication file token too long".into(),
        other => other.to_string(),
    }
}

fn field_name(field: &str) -> &str {
    match field {
        "databases" => "database specification",
        "roles" => "role specification",
        "address" => "IP address specification",
        "mask of the address" => "netmask specification",
        "method" => "authentication method",
        other => other,
    }
}

fn field_name_of_several(field: &str) -> &str {
    match field {
        "kind of connection" => "connection type",
        "address" => "host address",
        "mask of the address" => "netmask",
        "method" => "authentication type",
        other => other,
    }
}

/// Takes directories out of what is quoted in a message.
fn without_directories(error: &str) -> String {
    let parts = error.split('"').enumerate().map(|(index, part)| {
        let is_path =
            index % 2 == 1 && part.starts_with('/') && error.starts_with("could not open");
        if is_path { part.rsplit('/').next().unwrap() } else { part }
    });
    parts.collect::<Vec<_>>().join("\"")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What we say the server shows.
fn row(line: &LoadedRule, server: &Server) -> Map<String, Value> {
    let mut row = Map::new();
    let mut set = |name: &str, value: Value| row.insert(name.to_owned(), value);
    set("line_number", json!(line.line));
    if file_name(&line.file) != "pg_hba.conf" {
        set("file", json!(file_name(&line.file)));
    }
    match &line.rule {
        Err(errors) => {
            let texts: Vec<_> = errors.iter().map(|it| message(it, server.major)).collect();
            set("error", json!(texts.join("\n")));
        }
        Ok(rule) => {
            columns(rule, &mut set);
            if line.is_idle(server) {
                let what = match rule.kind.word() {
                    "hostssl" => "hostssl record cannot match because SSL is disabled",
                    _ => {
                        "hostgssenc record cannot match because GSSAPI is not supported by this build"
                    }
                };
                set("error", json!(what));
            }
        }
    }
    row
}

fn columns(rule: &Rule, set: &mut dyn FnMut(&str, Value) -> Option<Value>) {
    let words = |all: &[Word]| json!(all.iter().map(|it| lossy(&it.text)).collect::<Vec<_>>());
    set("type", json!(rule.kind.word()));
    set("database", words(&rule.databases));
    set("user_name", words(&rule.users));
    match &rule.address {
        None => None,
        Some(Address::All) => set("address", json!("all")),
        Some(Address::SameHost) => set("address", json!("samehost")),
        Some(Address::SameNet) => set("address", json!("samenet")),
        Some(Address::Host(name)) => set("address", json!(lossy(name))),
        Some(Address::Network { ip, mask, .. }) => {
            set("address", json!(ip.to_string()));
            set("netmask", json!(mask.to_string()))
        }
    };
    set("auth_method", json!(rule.method.word()));
    let options: Vec<_> = rule.effective_options().iter().map(|it| lossy(it)).collect();
    if !options.is_empty() {
        set("options", json!(options));
    }
}

/// What the server shows, with paths and their machine taken out.
fn expected(row: &Value) -> Map<String, Value> {
    let mut row = row.as_object().unwrap().clone();
    row.remove("rule_number");
    row.retain(|_, value| !value.is_null());
    if let Some(error) = row.get("error").and_then(Value::as_str) {
        let error = without_directories(error);
        row.insert("error".into(), json!(error));
    }
    for name in ["address", "netmask"] {
        // The two may write the same address differently.
        if let Some(Ok(ip)) = row.get(name).and_then(Value::as_str).map(str::parse::<IpAddr>) {
            row.insert(name.into(), json!(ip.to_string()));
        }
    }
    row
}

/// For a wrong `clientcert` or `clientname` the server shows a row that is
/// empty, but for what it said of the line before that.
fn is_clumsy(line: &LoadedRule, theirs: &Map<String, Value>) -> bool {
    let wrong_value =
        matches!(&line.rule, Err(errors) if matches!(errors[..], [RuleError::BadOption { .. }]));
    wrong_value && !theirs.contains_key("type")
}

/// Only the server can tell everything that is wrong with a pattern.
fn same_error(ours: Option<&Value>, theirs: Option<&Value>) -> bool {
    let start = |it: Option<&Value>| {
        let text = it.and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_pattern = text.starts_with("invalid regular expression");
        if is_pattern {
            text.rsplit_once(": ").map_or(text.clone(), |it| it.0.to_owned())
        } else {
            text
        }
    };
    start(ours) == start(theirs)
}

#[test]
fn every_line_is_read_as_the_servers_read_it() {
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = file_name(&path);
        let Some(major) = name.strip_prefix("hba_pg").and_then(|it| it.strip_suffix(".json"))
        else {
            continue;
        };
        let major: u32 = major.parse().unwrap();
        seen.push(major);
        let vectors: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let vectors = vectors.as_array().unwrap();
        assert!(vectors.len() >= 84, "{name}");
        wrong.extend(vectors.iter().filter_map(|it| difference(it, major)));
    }
    seen.sort_unstable();
    assert!(seen.starts_with(&[15, 16, 17, 18]), "{seen:?}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn difference(vector: &Value, major: u32) -> Option<String> {
    let main = fixtures().join("hba/pg_hba.conf");
    let input = decode(vector["input_hex"].as_str().unwrap());
    let tree = Overlay::new(&Disk).with(&main, input);
    let server = server(major);
    let rules = Rules::load(&main, &server, &tree).unwrap_or_else(|error| panic!("{error}"));
    // Version 15 gives up the whole query where a file includes itself.
    if !vector["rows"].is_array() || !vector["error"].is_null() {
        return rules
            .problems()
            .is_empty()
            .then(|| format!("{major}: {vector}\n  ours: no problem"));
    }
    let theirs: Vec<_> = vector["rows"].as_array().unwrap().iter().map(expected).collect();
    let ours: Vec<_> = rules.lines().iter().map(|it| row(it, &server)).collect();
    let same = ours.len() == theirs.len()
        && rules.lines().iter().zip(ours.iter().zip(&theirs)).all(|(line, (ours, theirs))| {
            let rest = |it: &Map<String, Value>| {
                let mut it = it.clone();
                it.remove("error");
                it
            };
            let same =
                rest(ours) == rest(theirs) && same_error(ours.get("error"), theirs.get("error"));
            same || is_clumsy(line, theirs)
        });
    (!same).then(|| format!("{major}: {vector}\n  ours: {ours:?}"))
}

fn decode(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|it| str::from_utf8(it).unwrap());
    digits.map(|it| u8::from_str_radix(it, 16).unwrap()).collect()
}
