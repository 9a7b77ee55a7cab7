//! `pg_hba.conf` and `pg_ident.conf`: random lines.

use std::{net::IpAddr, path::Path};

use hayloft_postgres::{
    hba::{Address, LoadedRule, Method, Rules, Server, Word},
    ident::{LoadedMapping, Mappings},
    tree::Disk,
};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{ask, line, lossy, rounds, server, some, write};

const HBA: [&str; 70] = [
    "local ",
    "local ",
    "host ",
    "host ",
    "hostssl ",
    "hostnossl ",
    "hostgssenc ",
    "\"local\" ",
    "LOCAL ",
    "all ",
    "all ",
    "all ",
    "db1,db2 ",
    "db1, db2 ",
    "u1 ,",
    ",",
    ",,",
    "\"a b\" ",
    "a\"b c\"d ",
    "\"\" ",
    "\"",
    "\"\"",
    "#",
    " ",
    "\t",
    "\r",
    "+grp ",
    "\"+grp\" ",
    "sameuser ",
    "replication ",
    "@users ",
    "@gone ",
    "@empty ",
    "\"@users\" ",
    "@ ",
    "/^a ",
    "/( ",
    "/a{2,3} ",
    "\"/a{2,3}\" ",
    "/[a ",
    "/*a ",
    "127.0.0.1/32 ",
    "10.0.0.0 255.0.0.0 ",
    "10.1/16 ",
    "010.0.0.1/8 ",
    "::1/128 ",
    "fe80::1%lo/64 ",
    "1.2.3.4/33 ",
    "1.2.3.4/ ",
    "300.1.1.1/32 ",
    "example.com ",
    ".example.com ",
    "samehost ",
    "all,all ",
    "trust ",
    "trust ",
    "md5 ",
    "reject ",
    "peer ",
    "ident ",
    "cert ",
    "scram-sha-256 ",
    "map=x ",
    "map=\"a b\" ",
    "clientcert=verify-ca ",
    "nosuch=1 ",
    "radius radiusservers=127.0.0.1 radiussecrets=s ",
    "include inc",
    "\\",
    "0.0.0.0/0 ",
];

const IDENT: [&str; 24] = [
    "m ",
    "map ",
    "ann ",
    "bob ",
    "\"a b\" ",
    "/^(.*)@x$ ",
    "\\1 ",
    "/( ",
    "\"/a{2,3}\" ",
    "all ",
    "+grp ",
    "a,b ",
    ",",
    " ",
    "\t",
    "#",
    "\"",
    "@users ",
    "@gone ",
    "@empty ",
    "\\",
    "include inc",
    "/[a ",
    "x y z ",
];

/// What the installed builds can do; TLS is off.
fn capabilities(major: u32, is_embedded: bool) -> Server {
    let mut server = Server { tls: false, oauth_validators: false, ..Server::of(major) };
    if is_embedded {
        server.missing.extend([Method::Gss, Method::Ldap, Method::Pam]);
        server.gss = false;
    }
    server
}

fn logical_lines(pieces: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    (line(pieces, 9), prop_oneof![9 => Just("\n"), 2 => Just("\r\n"), 2 => Just("\\\n")])
        .prop_map(|(line, end)| [&line[..], end.as_bytes()].concat())
}

/// Methods with options, good ones and bad ones.
const METHODS: &[&str] = &[
    "trust",
    "md5",
    "reject",
    "ident map=x",
    "scram-sha-256",
    "password",
    "cert",
    "peer",
    "ident map=a,map=b",
    "ldap",
    "ldap ldapserver=l ldapbasedn=\"dc=a,dc=b\"",
    "ldap ldapprefix=p ldapsearchattribute=a",
    "ldap ldapsuffix=p",
    "ldap ldapserver=l ldaptls=1 ldapscheme=ldaps ldapport=389 ldapbinddn=d ldapbindpasswd=p ldapbasedn=b ldapsearchfilter=f",
    "ldap ldapport=x ldapbasedn=b",
    "pam pamservice=x pam_use_hostname=1",
    "gss",
    "gss include_realm=0 krb_realm=R map=m",
    "radius radiusservers=127.0.0.1",
    "radius radiusservers=127.0.0.1 radiussecrets=s,t",
    "radius radiusservers=\"127.0.0.1,127.0.0.2\" radiussecrets=\"s,t\" radiusports=1812 radiusidentifiers=i",
    "radius radiusservers=127.0.0.1 radiussecrets=s radiusports=x",
    "oauth issuer=i scope=s",
    "md5 clientcert=verify-ca",
    "md5 clientname=DN",
    "cert clientcert=verify-full map=x",
    "cert clientname=XX",
    "sspi",
    "bsd",
];

/// Lines that are good more often than by chance.
fn rules() -> impl Strategy<Value = Vec<u8>> {
    let one = |all: &[&'static str]| proptest::sample::select(all.to_vec());
    let word = one(&[
        "all",
        "a",
        "a,b",
        "\"all\"",
        "@users",
        "/^a$",
        "+g",
        "replication",
        "\"a b\",c",
        "sameuser",
        "/^(a|b)",
    ]);
    let address = one(&[
        "all",
        "samenet",
        "10.0.0.5/8",
        "10.0.0.0 255.0.0.0",
        "::1/64",
        "::1 ffff::",
        "h.example",
        ".e",
        "0x7f.1/8",
    ]);
    let method = one(METHODS);
    let host = (
        one(&["host", "hostssl", "hostnossl"]),
        word.clone(),
        word.clone(),
        address,
        method.clone(),
    )
        .prop_map(|(a, b, c, d, e)| format!("{a} {b} {c}\t{d} {e} # c\n"));
    let local = (word.clone(), word, method).prop_map(|(a, b, c)| format!("local {a}  {b} {c}\n"));
    prop_oneof![host, local].prop_map(String::into_bytes)
}

/// Addresses of which many are none, with and without a mask.
fn addresses() -> impl Strategy<Value = Vec<u8>> {
    let four = "(0x|0X|0)?[0-9a-f]{1,3}(\\.(0x|0)?[0-9]{0,3}){0,4}";
    let six = "(::|fe80:|ff02:|[0-9a-f]{1,4}:)([0-9a-f]{0,4}:?){0,8}(1\\.2\\.3\\.[0-9]{1,3})?";
    let scope = "(%(lo|1|0|eth9|x|4294967296|-1)?)?";
    let bits = "(/[-+ ]?[0-9]{0,3}x?)?";
    let address = prop_oneof![
        5 => (four, bits).prop_map(|(a, b)| format!("{a}{b}")),
        5 => (six, scope, bits).prop_map(|(a, b, c)| format!("{a}{b}{c}")),
        1 => "[0-9a-fx.:/%]{1,10}".prop_map(|it| it),
        1 => "\"(all|samenet|10\\.0\\.0\\.0/8|1,2)\"".prop_map(|it| it),
    ];
    let mask = prop_oneof![
        4 => Just(String::new()),
        2 => "255\\.[0-9]{1,3}\\.0(x0)?\\.0".prop_map(|it| it),
        1 => "ffff:[0-9a-f]{0,4}::".prop_map(|it| it),
        1 => "[0-9a-f.:]{1,6}(,1)?".prop_map(|it| it),
    ];
    (address, mask).prop_map(|(a, b)| format!("host all all {a} {b} trust\n").into_bytes())
}

const OPTIONS: &[&str] = &[
    "map",
    "clientcert",
    "clientname",
    "pamservice",
    "pam_use_hostname",
    "ldapurl",
    "ldaptls",
    "ldapscheme",
    "ldapserver",
    "ldapport",
    "ldapbinddn",
    "ldapbindpasswd",
    "ldapsearchattribute",
    "ldapsearchfilter",
    "ldapbasedn",
    "ldapprefix",
    "ldapsuffix",
    "krb_realm",
    "include_realm",
    "compat_realm",
    "upn_username",
    "radiusservers",
    "radiussecrets",
    "radiusports",
    "radiusidentifiers",
    "issuer",
    "scope",
    "validator",
    "delegate_ident_mapping",
    "MAP",
    "",
    "nosuch",
];
const VALUES: &[&str] = &[
    "",
    "1",
    "0",
    "x",
    "2",
    "\"a b\"",
    "\"a,b\"",
    "a,b",
    "127.0.0.1",
    "\"127.0.0.1,::1\"",
    "verify-ca",
    "verify-full",
    "no-verify",
    "CN",
    "DN",
    "ldap",
    "ldaps",
    "ldap://h/dc=x?uid?sub",
    "389",
    "1812",
    "\"1,2\"",
    "\"\"",
    "a=b",
    "\"#\"",
    "-1",
    " 5",
];
const WITH_OPTIONS: &[&str] = &[
    "ident",
    "cert",
    "ldap",
    "ldap ldapbasedn=b",
    "ldap ldapprefix=p",
    "pam",
    "gss",
    "radius radiusservers=127.0.0.1 radiussecrets=s",
    "radius radiusservers=127.0.0.1",
    "oauth issuer=i scope=s",
    "oauth issuer=i",
    "md5",
    "peer",
    "sspi",
    "\"trust\"",
];

/// URLs of LDAP, of pieces; without those that make version 15 fall over: a
/// list of attributes with nothing in it.
fn url() -> impl Strategy<Value = String> {
    let one = |all: &[&'static str]| proptest::sample::select(all.to_vec());
    let scheme =
        one(&["ldap://", "ldap://", "ldaps://", "LDAP://", "ldapi://", "http://", "<ldap://", ""]);
    let host = one(&["h", "", "h%41", "[::1]", "[::1", "a:b", "h ", "%zz"]);
    let port = one(&["", "", ":1", ":", ":x", ":%33", ":0", ":-1", ":99999999999"]);
    let dn = one(&["/dc=x", "/dc=x", "/", "", "/a/b", "/%", "/%78"]);
    let rest = proptest::collection::vec(
        one(&["?", "?uid", "?a,b", "?sub", "?one", "?base", "?nope", "?(a=b)", "?!e", ">"]),
        0..5,
    );
    (scheme, host, port, dn, rest).prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{}", e.concat()))
}

/// Rules with options of any method, good and bad.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let one = |all: &[&'static str]| proptest::sample::select(all.to_vec());
    let option = (one(OPTIONS), one(VALUES), one(&["=", "=", "=", "=\"", ""])).prop_map(
        |(name, value, equals)| {
            // Names of hosts are for the name service to decide.
            match name {
                "radiusservers" if !value.contains("127.0.0.1") => " radiusservers=::1".to_owned(),
                "radiusservers" => format!(" {name}={value}"),
                _ => format!(" {name}{equals}{value}"),
            }
        },
    );
    let url = url().prop_map(|it| format!(" ldapurl=\"{it}\""));
    let option = prop_oneof![5 => option, 1 => url];
    let options = proptest::collection::vec(option, 0..4).prop_map(|it| it.concat());
    let kind = one(&["hostssl all all all", "host all all all", "local all all"]);
    let rule = (kind, one(WITH_OPTIONS), options);
    rule.prop_map(|(a, b, c)| format!("{a} {b}{c}\n").into_bytes())
}

fn prepare(server: &Postgres) {
    let home = server.data_dir();
    write(&home.join("users"), b"alice, bob # c\n\"Carol D\"\n+grp\n");
    write(&home.join("empty"), b"# nothing\n");
    write(&home.join("inc"), b"# c\nlocal incdb all trust\nm a b\n");
}

type Row = Vec<Option<String>>;

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|it| it.to_string_lossy().into_owned())
}

fn theirs(server: &Postgres, columns: &[&str], view: &str) -> Vec<Row> {
    // From 16 on files are told too.
    let file = if server.major() >= 16 { "regexp_replace(file_name, '.*/', '')" } else { "NULL" };
    let order = if server.major() >= 16 { "" } else { " ORDER BY line_number" };
    let all: Vec<&str> = [file, "line_number"].into_iter().chain(columns.iter().copied()).collect();
    let rows = ask(server, &all, &format!("FROM {view}{order}"));
    rows.into_iter()
        .map(|row| row.into_iter().map(|it| it.as_deref().map(lossy)).collect())
        .collect()
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|it| lossy(&it.text)).collect::<Vec<_>>().join("\u{1}")
}

/// File, line, whether it is a rule, and its columns.
fn hba_row(line: &LoadedRule, major: u32) -> Row {
    let file = if major >= 16 { file_name(&line.file) } else { None };
    let mut row = vec![file, Some(line.line.to_string())];
    let Ok(rule) = &line.rule else {
        row.extend([None, None, None, None, None, None]);
        return row;
    };
    let (address, mask) = match &rule.address {
        None => (None, None),
        Some(Address::All) => (Some("all".to_owned()), None),
        Some(Address::SameHost) => (Some("samehost".to_owned()), None),
        Some(Address::SameNet) => (Some("samenet".to_owned()), None),
        Some(Address::Host(name)) => (Some(lossy(name)), None),
        Some(Address::Network { ip, mask, .. }) => (Some(ip.to_string()), Some(mask.to_string())),
    };
    row.push(Some(rule.kind.word().to_owned()));
    row.extend([Some(joined(&rule.databases)), Some(joined(&rule.users)), address, mask]);
    let options: Vec<_> = rule.effective_options().iter().map(|it| lossy(it)).collect();
    row.push(Some(format!("{} {}", rule.method.word(), options.join("\u{1}"))));
    row
}

/// Both write the same addresses, perhaps differently.
fn normal(mut row: Row) -> Row {
    for field in &mut row {
        if let Some(Ok(ip)) = field.as_deref().map(str::parse::<IpAddr>) {
            *field = Some(ip.to_string());
        }
    }
    row
}

/// The line that a row is about, with what may belong to it.
fn line_of(content: &[u8], row: &Row) -> String {
    let number: usize = row[1].as_deref().unwrap().parse().unwrap();
    let lines = content.split_inclusive(|it| *it == b'\n').skip(number - 1).take(3);
    lossy(&lines.flatten().copied().collect::<Vec<_>>())
}

fn compare_hba(server: &Postgres, content: &[u8], is_embedded: bool) {
    let path = server.data_dir().join("pg_hba.conf");
    write(&path, content);
    let known = capabilities(server.major(), is_embedded);
    let rules = Rules::load(&path, &known, &Disk).unwrap();
    let columns = [
        "type",
        "array_to_string(database, E'\\x01')",
        "array_to_string(user_name, E'\\x01')",
        "address",
        "netmask",
        "auth_method || ' ' || coalesce(array_to_string(options, E'\\x01'), '')",
    ];
    let ours: Vec<Row> =
        rules.lines().iter().map(|it| normal(hba_row(it, server.major()))).collect();
    let theirs: Vec<Row> =
        theirs(server, &columns, "pg_hba_file_rules").into_iter().map(normal).collect();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{} on: {}", server.major(), line_of(content, theirs));
    }
    assert_eq!(ours.len(), theirs.len(), "{} on:\n{}", server.major(), lossy(content));
}

fn ident_row(line: &LoadedMapping, major: u32) -> Row {
    let file = if major >= 16 { file_name(&line.file) } else { None };
    let mut row = vec![file, Some(line.line.to_string())];
    let words = line.mapping.as_ref().ok().map(|it| [&it.map, &it.system_user, &it.user]);
    row.extend(match words {
        None => [None, None, None],
        Some(words) => words.map(|it| Some(lossy(&it.text))),
    });
    row
}

fn compare_ident(server: &Postgres, content: &[u8]) {
    let path = server.data_dir().join("pg_ident.conf");
    write(&path, content);
    let mappings = Mappings::load(&path, &Server::of(server.major()), &Disk).unwrap();
    let ours: Vec<Row> = mappings.lines().iter().map(|it| ident_row(it, server.major())).collect();
    let theirs = theirs(server, &["map_name", "sys_name", "pg_username"], "pg_ident_file_mappings");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{} on: {}", server.major(), line_of(content, theirs));
    }
    assert_eq!(ours.len(), theirs.len(), "{} on:\n{}", server.major(), lossy(content));
}

#[test]
fn random_rules_are_read_as_the_servers_read_them() {
    for programs in installed_versions() {
        let is_embedded = !programs.directory().join("psql").exists();
        let server = server(&programs).start();
        prepare(&server);
        for _ in 0..rounds(8) {
            compare_hba(&server, &some(200, logical_lines(&HBA)).concat(), is_embedded);
            compare_hba(&server, &some(100, rules()).concat(), is_embedded);
            compare_hba(&server, &some(200, addresses()).concat(), is_embedded);
            compare_hba(&server, &some(200, options()).concat(), is_embedded);
        }
    }
}

#[test]
fn random_mappings_are_read_as_the_servers_read_them() {
    // Versions before 15 do not show them.
    for programs in installed_versions().into_iter().filter(|it| it.major() >= 15) {
        let server = server(&programs).start();
        prepare(&server);
        for _ in 0..rounds(8) {
            compare_ident(&server, &some(200, logical_lines(&IDENT)).concat());
        }
    }
}
