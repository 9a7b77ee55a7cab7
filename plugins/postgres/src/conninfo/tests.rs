use std::{fs, os::unix::fs::PermissionsExt};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::error::Failure;

fn parse(text: &str) -> Result<Vec<(&'static str, String)>, String> {
    let conninfo = text.parse::<Conninfo>().map_err(|it| it.to_string())?;
    Ok(conninfo.iter().map(|(name, value)| (name, value.to_owned())).collect())
}

fn shown(text: &str) -> String {
    match text.parse::<Conninfo>() {
        Ok(it) => it.expose().expose().to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn words_are_read_as_libpq_reads_them() {
    let cases = [
        ("", ""),
        ("  \t\n", ""),
        ("host=h user=u", "host=h user=u"),
        ("host = h\tport= 1 user =u", "host=h port=1 user=u"),
        ("host='a b'user=u", "host='a b' user=u"),
        (r"user='it\'s' dbname=a\ b\\", r"dbname='a b\\' user='it\'s'"),
        (r"user=a\", "user=a"),
        ("user= host=h", "user=host=h"),
        ("user='' host=h", "host=h user=''"),
        ("user=a user=b", "user=b"),
        ("dbname=a=b", "dbname=a=b"),
        ("requiressl=1", "sslmode=require"),
        ("host=h x", "error: in the connection string, `=` is missing after `x`"),
        (
            "password=a b",
            "error: in the connection string, `=` is missing after what follows `password`",
        ),
        (
            "password=a b=c",
            "error: the connection string has what follows `password`, which is no keyword",
        ),
        ("pasword=a", "error: the connection string has `pasword`, which is no keyword"),
        (
            "password='a",
            "error: in the connection string, the quoted value of `password` has no end",
        ),
        ("=a", "error: the connection string has ``, which is no keyword"),
        ("HOST=a", "error: the connection string has `HOST`, which is no keyword"),
        ("host=a\0b", "error: the connection string has a zero byte"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text:?}");
    }
}

#[test]
fn uris_are_read_as_libpq_reads_them() {
    let cases = [
        ("postgresql://", ""),
        ("postgres://h", "host=h"),
        (
            "postgresql://u:p@h:1/d?sslmode=require&application_name=a%20b",
            "application_name='a b' dbname=d host=h password=p port=1 sslmode=require user=u",
        ),
        ("postgresql://u@", "user=u"),
        ("postgresql://:p@h", "host=h password=p"),
        ("postgresql://a:1,b,c:3/d", "dbname=d host=a,b,c port=1,,3"),
        ("postgresql:///d?host=/tmp&port=5433", "dbname=d host=/tmp port=5433"),
        ("postgresql://%2Ftmp/d", "dbname=d host=/tmp"),
        ("postgresql://[::1]:1,[::2]/d", "dbname=d host=::1,::2 port=1,"),
        ("postgresql://h/?ssl=true", "host=h sslmode=require"),
        ("postgresql://h?dbname=x", "dbname=x host=h"),
        ("postgresql://u:a:b@h", "host=h password=a:b user=u"),
        ("postgresql://h/a/b", "dbname=a/b host=h"),
        ("postgresql://h/d?", "dbname=d host=h"),
        ("postgresql://h/d?user=a&", "dbname=d host=h user=a"),
        (
            "POSTGRESQL://h",
            "error: in the connection string, `=` is missing after what it begins with",
        ),
        (
            "postgresql://[::1",
            "error: the connection URI cannot be read: the `]` after an IPv6 address is missing",
        ),
        (
            "postgresql://[]",
            "error: the connection URI cannot be read: there is no address between `[` and `]`",
        ),
        (
            "postgresql://[::1]x",
            "error: the connection URI cannot be read: after `]`, only `:`, `/`, `?` or `,` can follow",
        ),
        (
            "postgresql://u:%zz@h",
            "error: in the connection URI, the password is not percent-encoded as it must be",
        ),
        (
            "postgresql://u:%00@h",
            "error: in the connection URI, the password is not percent-encoded as it must be",
        ),
        ("postgresql://h?a", "error: in the connection URI, the parameter `a` must have one `=`"),
        (
            "postgresql://h?user=a=b",
            "error: in the connection URI, the parameter `user` must have one `=`",
        ),
        (
            "postgresql://h?nope=1",
            "error: the connection string has the parameter `nope`, which is no keyword",
        ),
        (
            "postgresql://h?password=x&secret",
            "error: in the connection URI, the parameter that follows `password` must have one `=`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text:?}");
    }
}

#[test]
fn a_mistyped_keyword_is_recognised() {
    for (word, meant) in [
        ("pasword", None),
        ("pwd", Some("password")),
        ("Host", Some("host")),
        ("db", Some("dbname")),
        ("target-session-attrs", Some("target_session_attrs")),
    ] {
        let error = format!("{word}=x").parse::<Conninfo>().unwrap_err();
        let hint = error.hint().unwrap();
        match meant {
            Some(meant) => assert_eq!(hint, format!("did you mean `{meant}`?"), "{word}"),
            None => assert!(hint.contains("libpq"), "{word}"),
        }
    }
}

fn target(text: &str) -> Result<Target, String> {
    let environment = Environment::empty().with_user("me");
    text.parse::<Conninfo>().unwrap().resolve(&environment).map_err(|it| it.to_string())
}

fn hosts(text: &str) -> String {
    match target(text) {
        Ok(target) => target.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn hosts_addresses_and_ports_are_matched_up() {
    let cases = [
        ("host=a", "a, port 5432"),
        ("host=a,b port=1", "a, port 1; b, port 1"),
        ("host=a,b port=1,2", "a, port 1; b, port 2"),
        ("host=a,b port=1,", "a, port 1; b, port 5432"),
        ("host=a,/run/pg,@x port=7", "a, port 7; /run/pg/.s.PGSQL.7; @x/.s.PGSQL.7"),
        ("host=a hostaddr=::1", "a (::1), port 5432"),
        ("hostaddr=fe80::1%eth0", "fe80::1%eth0, port 5432"),
        ("host=fe80::1%eth0", "fe80::1%eth0, port 5432"),
        ("hostaddr=fe80::1%", "error: the value of `hostaddr` is not an IP address"),
        ("hostaddr=127.0.0.1%lo", "error: the value of `hostaddr` is not an IP address"),
        ("hostaddr=127.0.0.1,::1", "127.0.0.1, port 5432; ::1, port 5432"),
        ("host=a,b port=1,2,3", "error: `port` has 3 entries for 2 hosts"),
        ("host=a,b hostaddr=::1", "error: `host` has 2 entries for 1 hosts"),
        ("host=a port=0", "error: the value of `port` is not a number from 1 to 65535"),
        (
            "host=a@b",
            "error: the value of `host` is not the name of a host, an address, or the directory of a socket",
        ),
        ("host=a port=s3cret", "error: the value of `port` is not a number from 1 to 65535"),
        ("hostaddr=a", "error: the value of `hostaddr` is not an IP address"),
    ];
    for (text, expected) in cases {
        assert_eq!(hosts(text), expected, "{text}");
    }
    assert!(hosts("").ends_with("/.s.PGSQL.5432"));
}

#[test]
fn values_that_cannot_be_are_refused_with_their_keyword() {
    let cases = [
        "sslmode=on",
        "sslmode=''",
        "channel_binding=''",
        "target_session_attrs=''",
        "gssencmode=''",
        "sslnegotiation=''",
        "sslcertmode=''",
        "load_balance_hosts=''",
        "sslnegotiation=x sslmode=require",
        "channel_binding=yes",
        "target_session_attrs=master",
        "load_balance_hosts=yes",
        "connect_timeout=soon",
        "keepalives=on",
        "require_auth=md5,!none",
        "require_auth=kerberos",
        "sslcertmode=x",
        "ssl_min_protocol_version=SSLv3",
        "gssencmode=x",
    ];
    for text in cases {
        let keyword = text.split('=').next().unwrap();
        let error = target(text).unwrap_err();
        assert!(error.contains(&format!("`{keyword}` cannot be")), "{text}: {error}");
    }
    for text in ["sslmode=require sslrootcert=system", "sslnegotiation=direct sslmode=prefer"] {
        assert!(target(text).unwrap_err().contains("too weak"), "{text}");
    }
    assert_eq!(target("sslrootcert=system").unwrap().tls.mode, SslMode::VerifyFull);
}

#[test]
fn methods_are_allowed_or_forbidden() {
    let cases = [
        ("scram-sha-256,md5", "md5", true),
        ("scram-sha-256,md5", "password", false),
        ("!password,!md5", "password", false),
        ("!password,!md5", "scram-sha-256", true),
        ("none", "none", true),
    ];
    for (list, method, allowed) in cases {
        let target = target(&format!("require_auth={list}")).unwrap();
        assert_eq!(target.require_auth.unwrap().allows(method), allowed, "{list} {method}");
    }
}

#[test]
fn the_string_comes_before_the_service_before_the_environment_before_the_defaults() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pg_service.conf");
    fs::write(
        &file,
        "# services\n[other]\nhost=x\n[s]\nhost=h\nport=1\nuser=service\n[z]\nuser=z\n",
    )
    .unwrap();
    let environment = Environment::empty()
        .with_user("me")
        .with_home(home.path())
        .with("PGPORT", "2")
        .with("PGUSER", "env")
        .with("PGDATABASE", "db")
        .with("PGSYSCONFDIR", home.path().join("none").to_str().unwrap());
    let resolve = |text: &str| text.parse::<Conninfo>().unwrap().resolve(&environment);

    let target = resolve("service=s user=string").unwrap();
    assert_eq!(target.hosts[0].to_string(), "h, port 1");
    assert_eq!((target.user.as_str(), target.dbname.as_str()), ("string", "db"));
    assert_eq!(resolve("service=s").unwrap().user, "service");
    assert_eq!(resolve("host=h").unwrap().user, "env");

    let error = resolve("service=nope").unwrap_err();
    assert!(error.hint().unwrap().contains(".pg_service.conf"), "{error}");
    for (text, problem) in [
        ("[s]\nhost = x", "before `=`"),
        ("[s]\nservice=t", "cannot name another"),
        ("[s]\nhost", "`=` is missing"),
    ] {
        fs::write(&file, text).unwrap();
        let error = resolve("service=s").unwrap_err().to_string();
        assert!(error.contains(":2: ") && error.contains(problem), "{error}");
    }
}

#[test]
fn passwords_come_from_a_file_that_nobody_else_may_read() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    fs::write(&file, "a:*:*:ann:one\nlocalhost:*:*:*:local\n").unwrap();
    let environment = Environment::empty().with_user("me").with_home(home.path());
    let resolve = |text: &str| text.parse::<Conninfo>().unwrap().resolve(&environment).unwrap();
    let password = |text: &str| -> Vec<Option<String>> {
        let hosts = resolve(text).hosts;
        hosts.iter().map(|it| it.password.as_ref().map(|it| it.expose().to_owned())).collect()
    };

    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(password("host=a,b user=ann"), [Some("one".to_owned()), None]);
    assert_eq!(password("user=x"), [Some("local".to_owned())]);
    assert_eq!(password("host=a user=ann password=x"), [Some("x".to_owned())]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(password("host=a user=ann"), [None]);
    assert!(resolve("host=a").passfile_problem.unwrap().to_string().contains("0600"));
}

#[test]
fn secrets_are_shown_nowhere() {
    let text = "host=a password='s3 cret' sslpassword=s3cret oauth_client_secret=s3cret";
    let conninfo: Conninfo = text.parse().unwrap();
    let target = conninfo.resolve(&Environment::empty().with("PGPASSWORD", "s3cret")).unwrap();
    let environment = Environment::empty().with("PGPASSWORD", "s3cret");
    for shown in [
        format!("{conninfo} {conninfo:?}"),
        format!("{target:?} {:?}", target.hosts),
        format!("{environment:?}"),
        conninfo.without_secrets().expose().expose().to_owned(),
    ] {
        assert!(!shown.contains("s3"), "{shown}");
    }
}

/// Everything that a person may write by mistake with a password in it.
#[test]
fn no_part_of_a_password_is_in_a_message() {
    let cases = [
        "ann:s3cret@db/shop",
        "Postgresql://ann:s3cret@db/shop?sslmode=require",
        "postgresql:/ann:s3cret@db/shop?sslmode=require",
        "https://ann:s3cret@db/shop",
        "host=h password:s3cret",
        "host=h passwords3cret",
        "host=h passwords3cret user=x",
        "password:s3cret=1",
        "password=x s3cret",
        "password=x s3cret=1",
        "password='x s3cret",
        "password='x's3cret' user=y",
        "user=a pass=s3cret",
        "sslpassword=x s3cret=1",
        "postgresql://u:s3cret%zz@h",
        "postgresql://u:a@s3cret@h/d",
        "postgresql://u:s3cret/x@h/d",
        "postgresql://u:a/b?s3cret@h/d",
        "postgresql://u:1/b?s3cret=1&x@h/d",
        "postgresql://h?password=a&s3cret",
        "postgresql://h?password=a&s3cret=b",
        "postgresql://h?password=a=s3cret",
        "postgresql://h?pass%77ord=s3cret%zz",
        "postgresql://u:p@[s3cret",
    ];
    for text in cases {
        let error: Box<dyn Failure> = match text.parse::<Conninfo>() {
            Err(error) => Box::new(error),
            Ok(conninfo) => match conninfo.resolve(&Environment::empty()) {
                Err(error) => Box::new(error),
                Ok(target) => panic!("{text}: {target:?}"),
            },
        };
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("s3cret"), "{text}: {shown}");
    }
}

fn vectors(group: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/barman-vectors.json");
    let text = fs::read_to_string(path).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all[group].take()
}

/// Tells whether Barman reads a string as libpq does: it splits at blanks,
/// those of Unicode too, and knows neither quotes, escapes, URIs nor blanks
/// around `=`. (What libpq makes of the others, `tests/libpq.rs` compares.)
fn is_plain(text: &str) -> bool {
    let odd = |c: char| "'\\\0".contains(c) || ('\x1c'..='\x1f').contains(&c);
    let words = || text.split(|c: char| " \t\n\x0b\x0c\r".contains(c)).filter(|it| !it.is_empty());
    let whole = |it: &str| it.split_once('=').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    !text.contains(odd)
        && !text.contains(|c: char| !c.is_ascii() && c.is_whitespace())
        && uri::without_scheme(text).is_none()
        && words().all(whole)
}

#[test]
fn what_barman_reads_is_read_the_same() {
    for case in vectors("conninfo").as_array().unwrap() {
        let text = case["in"].as_str().unwrap();
        let Some(theirs) = case["parse"]["ok"].as_object().filter(|_| is_plain(text)) else {
            continue;
        };
        // Barman takes any keyword.
        if !theirs.keys().all(|name| keyword::find(name).is_some()) {
            let old = text.contains("requiressl=");
            assert!(old || text.parse::<Conninfo>().is_err(), "{text:?}");
            continue;
        }
        let ours: Conninfo = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let ours: BTreeMap<&str, &str> = ours.iter().collect();
        let theirs: BTreeMap<&str, &str> =
            theirs.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
        assert_eq!(ours, theirs, "{text:?}");
    }
}

/// The connection strings that Barman makes for programs and for streaming.
#[test]
fn the_strings_for_programs_and_streaming_are_those_of_barman() {
    let read = |text: &str| text.parse::<Conninfo>().unwrap();
    for case in vectors("conninfo").as_array().unwrap() {
        let text = case["in"].as_str().unwrap();
        let Some(conninfo) = text.parse::<Conninfo>().ok().filter(|_| is_plain(text)) else {
            continue;
        };
        if let Some(expected) = case["normal"]["ok"]["for_tools"].as_str() {
            assert_eq!(conninfo.for_programs("barman_x"), read(expected), "{text:?}");
        }
        // Barman replaces options that were given.
        if let Some(expected) = case["streaming"]["ok"]["for_tools"].as_str()
            && conninfo.get("options").is_none()
        {
            let ours = conninfo.for_streaming().for_programs("barman_x");
            assert_eq!(ours, read(expected), "{text:?}");
        }
    }
}

/// Barman's redaction leaves some secrets standing; ours reads the string.
#[test]
fn what_barman_redacts_is_redacted() {
    for case in vectors("redact").as_array().unwrap() {
        let Ok(conninfo) = case["in"].as_str().unwrap().parse::<Conninfo>() else { continue };
        let shown: Conninfo = conninfo.to_string().parse().unwrap();
        for (name, value) in conninfo.iter() {
            let secret = keyword::find(name).unwrap().secret;
            assert_eq!(shown.get(name).unwrap(), if secret { "***" } else { value }, "{case}");
        }
    }
}

proptest! {
    #[test]
    fn any_values_survive_writing_and_reading(
        values in prop::collection::btree_map(0..KEYWORDS.len(), "[^\0]{0,12}", 0..6)
    ) {
        let mut conninfo = Conninfo::new();
        for (at, value) in values {
            conninfo.set(KEYWORDS[at].name, value).unwrap();
        }
        let back: Conninfo = conninfo.expose().expose().parse().unwrap();
        prop_assert_eq!(back, conninfo);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(postgres(ql)?://)?[a-z=' \\\\:/?&@%,\\[\\]#é0-9]{0,40}") {
        if let Ok(conninfo) = text.parse::<Conninfo>() {
            drop(conninfo.resolve(&Environment::empty()));
        }
        drop(parse(&text));
    }
}
