//! What a reload tells.

use std::fs;

use crate::ground::{Ground, text};

#[test]
fn mistakes_that_would_stop_everything_are_found_before() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    Ground::configure(&data, "work_mem = '9MB'\nnonsense\n");
    let output = ground.pg(&["reload", text(&data)]).exits(1);
    output.complains("conf.d/00-hayloft.conf:");
    assert_ne!(ground.sql(&data, "SHOW work_mem"), "9MB");
}

#[test]
fn sql_and_log_tell_the_same() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let conninfo = ground.conninfo(&data);
    for (size, asks) in [(5, true), (6, false)] {
        Ground::configure(
            &data,
            &format!("work_mem = '{size}MB'\nmax_connections = 4{size}\nlock_timeout = 'x'\n"),
        );
        let mut arguments = vec!["reload", text(&data), "--json"];
        if asks {
            arguments.extend(["--conninfo", &conninfo]);
        }
        let told = ground.pg(&arguments).exits(7).json();
        assert_eq!(told["verified_by"], if asks { "sql" } else { "log" });
        let value = told["applied"]["work_mem"].as_str().unwrap();
        assert!(
            [format!("{size}MB"), format!("{}", size * 1024)].contains(&value.to_owned()),
            "{told}"
        );
        assert_eq!(told["pending_restart"], serde_json::json!(["max_connections"]));
        let refused = told["refused"].as_array().unwrap();
        assert!(refused.iter().any(|it| it.as_str().unwrap().contains("lock_timeout")), "{told}");
        assert!(
            refused.iter().any(|it| it.as_str().unwrap().contains("00-hayloft.conf")),
            "{told}"
        );
    }
}

#[test]
fn rules_that_are_not_taken_are_told() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let conninfo = ground.conninfo(&data);
    let rules = data.join("pg_hba.conf");
    let before = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, before.clone() + "local all all nonsense\n").unwrap();
    let log = ground.pg(&["reload", text(&data)]).exits(7);
    log.says("pg_hba.conf").says("nonsense");
    let sql = ground.pg(&["reload", text(&data), "--conninfo", &conninfo]).exits(7);
    sql.says("pg_hba.conf line").says("nonsense");
    fs::write(&rules, before).unwrap();
    ground.pg(&["reload", text(&data)]).exits(0);
}

#[test]
fn the_collectors_file_is_read_where_there_is_one() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    Ground::configure(&data, "logging_collector = on\n");
    ground.started(&data);
    Ground::configure(&data, "work_mem = '5MB'\n");
    ground.pg(&["reload", text(&data)]).exits(0).says("applied: work_mem = 5MB");
}
