//! Rules and mappings: listed, found, edited, refused.

use super::setting::{hba, ident, pg, with_file};

const FILE: &str = "# h\nlocal   all   all                 peer\n# ours\n\
                    host    all   all   10.0.0.0/8    scram-sha-256  # k\n";

#[test]
fn rules_are_listed_with_indexes() {
    let sandbox = with_file("pg_hba.conf", FILE);
    let output = hba(&sandbox, "list", &[]).exits(0);
    output.says("INDEX  LINE  TYPE   DATABASE  USER  ADDRESS     METHOD         OPTIONS");
    output.says("1      4     host   all       all   10.0.0.0/8  scram-sha-256");
    let json = hba(&sandbox, "list", &["--json"]).exits(0).json();
    assert_eq!(json["rules"][1]["line"], 4);
    assert_eq!(json["rules"][0]["address"], serde_json::Value::Null);
    let found = hba(&sandbox, "find", &["host", "*", "all", "10.0.0.0 255.0.0.0"]).exits(0);
    found.says("1      4 ");
    hba(&sandbox, "find", &["local", "all", "all", "peer"]).exits(0);
    hba(&sandbox, "find", &["local", "\"all\""]).exits(1).complains("no rule has these fields");
}

#[test]
fn rules_are_added_where_they_belong_and_once() {
    let sandbox = with_file("pg_hba.conf", FILE);
    let rule = ["host", "my db", "app", "192.168.0.0/16", "scram-sha-256"];
    let dry = hba(&sandbox, "add", &[&["--dry-run"], &rule[..]].concat()).exits(0);
    dry.says("+host    \"my db\"").says("dry run");
    assert_eq!(sandbox.read("pg_hba.conf"), FILE);
    hba(&sandbox, "add", &rule).exits(0).says("added: rule 2").says("counts after a reload");
    hba(&sandbox, "add", &rule).exits(0).says("there already: rule 2").says("nothing to change");
    let before = ["--before", "host * * 10.0.0.0/8", "local app app peer"];
    hba(&sandbox, "insert", &before).exits(7).says("inserted: rule 1").says("never reached");
    let text = sandbox.read("pg_hba.conf");
    assert!(text.contains("peer\nlocal   app   app                 peer\n# ours\nhost"), "{text}");
    hba(&sandbox, "insert", &["--index=-1", "host x x 1.2.3.4/32 reject"]).exits(0);
    hba(&sandbox, "insert", &["--after", "0", "host y y 1.2.3.4/32 reject"]).exits(0);
    let json = hba(&sandbox, "list", &["--json"]).json();
    let databases: Vec<&str> = json["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["database"].as_str().unwrap())
        .collect();
    assert_eq!(databases, ["all", "y", "app", "all", "x", "\"my db\""]);
}

#[test]
fn rules_are_removed_by_index_or_fields_and_never_by_mistake() {
    let sandbox = with_file("pg_hba.conf", FILE);
    hba(&sandbox, "add", &["host all bob 10.1.0.0/16 reject"]).exits(7);
    let before = sandbox.read("pg_hba.conf");
    hba(&sandbox, "remove", &["host", "all"]).exits(1).complains("2 rules have these fields");
    hba(&sandbox, "remove", &["7"]).exits(1).complains("there are 3");
    hba(&sandbox, "remove", &["host", "nobody"]).exits(1).complains("no rule begins with");
    assert_eq!(sandbox.read("pg_hba.conf"), before);
    hba(&sandbox, "remove", &["host", "all", "bob"]).exits(0).says("removed: rule 2");
    assert_eq!(sandbox.read("pg_hba.conf"), FILE);
    hba(&sandbox, "remove", &["--", "-1"]).exits(0);
    assert_eq!(
        sandbox.read("pg_hba.conf"),
        "# h\nlocal   all   all                 peer\n# ours\n"
    );
    // Without a rule nobody could connect, and the server would not start.
    hba(&sandbox, "remove", &["0"]).exits(4).complains("nobody could connect");
}

#[test]
fn rules_are_replaced_where_they_are() {
    let sandbox = with_file("pg_hba.conf", FILE);
    let output =
        hba(&sandbox, "replace", &["host all", "host", "all", "all", "10.0.0.0/8", "reject"]);
    output.exits(0).says("replaced: rule 1: host all all 10.0.0.0/8 reject");
    let changed = FILE.replace("scram-sha-256  # k", "reject  # k");
    assert_eq!(sandbox.read("pg_hba.conf"), changed);
    hba(&sandbox, "replace", &["*", "local all all peer"]).exits(1).complains("2 rules begin with");
    hba(&sandbox, "replace", &["local x", "local all all peer"]).exits(1);
    hba(&sandbox, "replace", &["5", "local all all peer"]).exits(1).complains("there are 2");
    assert_eq!(sandbox.read("pg_hba.conf"), changed);
}

#[test]
fn what_the_server_would_refuse_changes_nothing() {
    let cases = [
        ("host all all peer", "the line ends before the method"),
        ("hots all all all md5", "hots"),
        ("local all all TRUST", "TRUST"),
        ("host all all 10.0.0.0/33 md5", "10.0.0.0/33"),
        ("local all all md5 map=x", "map"),
        ("local all all trust\nlocal all all trust", "one line with one rule is needed"),
        ("host all all all oauth issuer=a scope=b", "oauth"),
    ];
    let sandbox = with_file("pg_hba.conf", FILE);
    for (rule, text) in cases {
        hba(&sandbox, "add", &[rule]).exits(1).complains(text);
        assert_eq!(sandbox.read("pg_hba.conf"), FILE, "{rule}");
    }
    hba(&sandbox, "insert", &["local all all peer"]).exits(2).complains("--before");
    hba(&sandbox, "insert", &["--index", "x", "local all all peer"]).exits(2);
    let broken = "local all all peer\nhost all all\nlocal x x nothing\n";
    let sandbox = with_file("pg_hba.conf", broken);
    let output = hba(&sandbox, "add", &["local y y peer"]).exits(4);
    output.complains("pg_hba.conf:2: ").complains("pg_hba.conf:3: ");
    assert_eq!(sandbox.read("pg_hba.conf"), broken);
    hba(&sandbox, "list", &[]).exits(4).says("pg_hba.conf:2: the line ends before the address");
    hba(&sandbox, "check", &[]).exits(4).says("2 mistakes");
}

#[test]
fn suspicious_rules_are_told() {
    let text = "local all all trust\nhost all all 0.0.0.0/0 md5\nhost all all 10.0.0.0/8 password\n\
                host all all 010.0.0.1/8 ident\nlocal ALL all peer\n";
    let sandbox = with_file("pg_hba.conf", text);
    let output = hba(&sandbox, "check", &[]).exits(7);
    output
        .says("pg_hba.conf:1: lets in everybody")
        .says("pg_hba.conf:2: everybody in the world may try")
        .says("pg_hba.conf:2: md5 is weak")
        .says("pg_hba.conf:3: the password goes over the network in clear text")
        .says("pg_hba.conf:3: never reached: pg_hba.conf:2 decides before")
        .says("pg_hba.conf:4: a number of the address with a leading 0 is octal")
        .says("pg_hba.conf:5: `ALL` is a name here");
    let sandbox =
        with_file("pg_hba.conf", "local all all peer\nhost all all ::1/128 scram-sha-256\n");
    hba(&sandbox, "check", &[]).exits(0).says("0 mistakes, 0 warnings");
}

#[test]
fn files_that_are_included_belong_to_the_rules_from_16_on() {
    let sandbox = with_file("pg_hba.conf", "local all all peer\ninclude more.conf\n");
    sandbox.write("more.conf", "host all all 10.0.0.0/8 reject\n");
    hba(&sandbox, "list", &[]).exits(4).says("pg_hba.conf:2:");
    let output =
        pg(&sandbox, &["hba", "list", "--file", "pg_hba.conf", "--server-version", "16"]).exits(0);
    output.says("0      pg_hba.conf:1").says("-      more.conf:1");
}

#[test]
fn mappings_are_edited_like_rules() {
    let sandbox = with_file("pg_ident.conf", "# MAP  SYSTEM  ROLE\nstaff  ann  app\n");
    ident(&sandbox, "add", &["staff", "/^(.*)@x$", "\\1"]).exits(0).says("added: mapping 1");
    ident(&sandbox, "add", &["staff", "ann", "app"]).exits(0).says("there already: mapping 0");
    ident(&sandbox, "list", &[]).exits(0).says("1      3     staff  /^(.*)@x$    \\1");
    ident(&sandbox, "effective", &["staff", "bob@x", "bob"]).exits(0).says("pg_ident.conf:3");
    ident(&sandbox, "effective", &["staff", "bob@x", "app"]).exits(1).says("refused");
    ident(&sandbox, "add", &["staff", "/(", "x"]).exits(1).complains("the pattern `(` is wrong");
    ident(&sandbox, "insert", &["--before", "staff ann", "m", "a", "b"]).exits(0);
    ident(&sandbox, "find", &["*", "*", "b"]).exits(0).says("0 ");
    ident(&sandbox, "remove", &["m"]).exits(0);
    ident(&sandbox, "check", &[]).exits(0).says("2 mappings");
    let sandbox = with_file("pg_ident.conf", "a b\n");
    ident(&sandbox, "check", &[]).exits(4).says("pg_ident.conf:1: ");
}

#[test]
fn an_octal_address_is_told_where_it_is_typed() {
    let sandbox = with_file("pg_hba.conf", "local all all peer\n");
    let record = ["host", "all", "ann", "010.0.0.0/8", "scram-sha-256"];
    let output = hba(&sandbox, "add", &record).exits(7);
    output.says("010.0.0.0/8: a number of the address with a leading 0 is octal");
    assert!(sandbox.read("pg_hba.conf").contains("8.0.0.0/8"));
    hba(&sandbox, "add", &["host", "all", "bob", "10.0.0.0/8", "scram-sha-256"]).exits(0);
}
