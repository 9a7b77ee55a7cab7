//! Which rule decides: what we say, and whom servers let in.

use std::{process::Command, thread::sleep, time::Duration};

use hayloft_postgres::{
    hba::{Client, Decision, Method, Rules, Server},
    tree::Disk,
};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{lossy, rounds, server, some, write};

const USERS: [&str; 4] = ["alice", "bob", "grp", "all"];
const DATABASES: [&str; 4] = ["db1", "DB1", "alice", "all"];

fn rule() -> impl Strategy<Value = String> {
    let one = |all: &[&'static str]| proptest::sample::select(all.to_vec());
    let database = one(&[
        "all",
        "\"all\"",
        "db1",
        "DB1",
        "sameuser",
        "samerole",
        "replication",
        "/^db",
        "db1,alice",
        "grp",
    ]);
    let user =
        one(&["all", "\"all\"", "alice", "bob", "+grp", "\"+grp\"", "/^a", "grp,bob", "ALL"]);
    let from = one(&[
        "127.0.0.1/32",
        "127.0.0.0/8",
        "10.0.0.0/8",
        "all",
        "::1/128",
        "127.0.0.1 255.0.255.255",
    ]);
    let method = one(&["trust", "reject"]);
    let local = (database.clone(), user.clone(), method.clone())
        .prop_map(|(a, b, c)| format!("local {a} {b} {c}\n"));
    let kind = one(&["host", "hostnossl", "hostnogssenc"]);
    let host = (kind, database, user, from, method)
        .prop_map(|(k, a, b, d, c)| format!("{k} {a} {b} {d} {c}\n"));
    prop_oneof![2 => local, 3 => host]
}

fn reload(server: &Postgres, text: &str) {
    // The first rule is for us; nobody else is called so.
    let all = format!("local postgres postgres trust\n{text}");
    write(&server.data_dir().join("pg_hba.conf"), all.as_bytes());
    let loaded = || server.sql("postgres", "SELECT pg_conf_load_time()");
    let before = loaded();
    server.sql("postgres", "SELECT pg_reload_conf()");
    for _ in 0..500 {
        if loaded() != before {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the server did not reload");
}

fn theirs(server: &Postgres, user: &str, database: &str, tcp: bool) -> &'static str {
    let mut command: Command = server.command("psql");
    command.args(["-XAtq", "-w", "-c", "SELECT 1"]).env("PGUSER", user).env("PGDATABASE", database);
    command.env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
    if tcp {
        command.env("PGHOST", "127.0.0.1");
    }
    let output = command.output().unwrap();
    let text = lossy(&output.stderr);
    match () {
        () if output.status.success() => "trust",
        () if text.contains("pg_hba.conf rejects") => "reject",
        () if text.contains("no pg_hba.conf entry") => "none",
        () => panic!("{text}"),
    }
}

fn ours(rules: &Rules, user: &str, database: &str, tcp: bool) -> &'static str {
    let client = if tcp {
        Client::tcp(user, database, "127.0.0.1".parse().unwrap())
    } else {
        Client::local(user, database)
    };
    let client = client.roles(if user == "alice" { vec!["grp"] } else { vec![] });
    match rules.effective(&client) {
        Decision::Rule { rule, .. } if rule.method == Method::Trust => "trust",
        Decision::Rule { .. } => "reject",
        Decision::NoMatch => "none",
        Decision::Undecided { why, .. } => panic!("undecided: {why}"),
    }
}

#[test]
fn the_rule_that_decides_is_the_one_the_servers_go_by() {
    for programs in installed_versions() {
        let server = server(&programs).tcp().start();
        for name in USERS {
            server.sql("postgres", &format!("CREATE ROLE \"{name}\" LOGIN"));
        }
        server.sql("postgres", "GRANT grp TO alice");
        for name in DATABASES {
            server.create_database(name);
        }
        let known = Server { tls: false, ..Server::of(server.major()) };
        for _ in 0..rounds(6) {
            let text = some(6, rule()).concat();
            reload(&server, &text);
            let path = server.data_dir().join("pg_hba.conf");
            let rules = Rules::load(&path, &known, &Disk).unwrap();
            for (user, database) in some(
                10,
                (proptest::sample::select(&USERS[..]), proptest::sample::select(&DATABASES[..])),
            ) {
                for tcp in [false, true] {
                    let (ours, theirs) =
                        (ours(&rules, user, database, tcp), theirs(&server, user, database, tcp));
                    assert_eq!(
                        ours,
                        theirs,
                        "{} {user} {database} tcp {tcp}:\n{text}",
                        server.major()
                    );
                }
            }
        }
    }
}
