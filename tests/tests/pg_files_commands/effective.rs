//! Which rule decides.

use super::setting::{hba, with_file};

const FILE: &str = "local all all peer\nhostssl app +staff 10.0.0.0/8 scram-sha-256\n\
                    host all bob 10.0.0.0/8 reject\nhost replication rep 10.0.0.0/8 scram-sha-256\n\
                    host all all .example.com md5\n";

#[test]
fn the_first_rule_that_matches_is_told_with_the_reason() {
    let sandbox = with_file("pg_hba.conf", FILE);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["ann", "app"], 0, "peer"),
        (&["bob", "app", "10.1.2.3"], 1, "turned away"),
        (&["ann", "app", "10.1.2.3", "--ssl", "--role", "staff"], 0, "pg_hba.conf:2"),
        (&["ann", "app", "10.1.2.3", "--ssl"], 7, "whether ann is a member of staff"),
        (&["bob", "app", "10.1.2.3", "--ssl", "--no-roles"], 1, "none of the 2 rules before it"),
        (&["rep", "x", "10.1.2.3", "--replication"], 0, "physical replication"),
        (&["ann", "app", "11.1.2.3"], 7, "whether 11.1.2.3 is .example.com"),
        (&["ann", "app", "11.1.2.3", "--host-name", "a.example.com"], 0, "md5"),
        (&["ann", "app", "11.1.2.3", "--host-name", "a.example.org"], 1, "no rule matches"),
    ];
    for (arguments, code, text) in cases {
        hba(&sandbox, "effective", arguments).exits(code).says(text);
    }
    let json = hba(&sandbox, "effective", &["bob", "x", "10.0.0.1", "--json"]).exits(1).json();
    assert_eq!((json["decision"].as_str(), json["line"].as_u64()), (Some("reject"), Some(3)));
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let sandbox = with_file("pg_hba.conf", FILE);
    hba(&sandbox, "effective", &["ann", "app", "somewhere"]).exits(2).complains("no IP address");
    hba(&sandbox, "effective", &["ann", "app", "--ssl"]).exits(2).complains("never encrypted");
    hba(&sandbox, "effective", &["ann"]).exits(2);
    let sandbox = with_file("pg_hba.conf", "local all all peer\nlocal all\n");
    hba(&sandbox, "effective", &["ann", "app"]).exits(4).complains("pg_hba.conf:2:");
}
