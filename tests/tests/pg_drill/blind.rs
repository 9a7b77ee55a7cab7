//! What a restored server does not say, and a drill does.

use std::fs;

use super::{ground::archive_all, setting::Setting};

/// A server with a backup and some segments after it; returns their names.
fn with_segments(setting: &Setting) -> Vec<String> {
    setting.server.pgbench("bench", 1);
    setting.backup();
    (0..4)
        .map(|_| {
            setting.server.sql("bench", "UPDATE pgbench_branches SET bbalance = bbalance + 1");
            archive_all(&setting.server)
        })
        .collect()
}

fn problem(report: &serde_json::Value) -> &str {
    assert_eq!(report["proven"], false, "{report}");
    report["problem"].as_str().unwrap()
}

#[test]
fn a_gap_is_a_failure_and_named() {
    let setting = Setting::new("", |it| it);
    let names = with_segments(&setting);
    fs::remove_file(setting.archived(&names[1])).unwrap();
    let report = setting.drill(1, &[]);
    assert!(problem(&report).contains(&names[1]), "{report}");
}

#[test]
fn a_damaged_segment_is_a_failure() {
    let setting = Setting::new("", |it| it);
    let names = with_segments(&setting);
    let path = setting.archived(&names[2]);
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    fs::write(&path, content).unwrap();
    let report = setting.drill(1, &[]);
    assert!(problem(&report).contains(&names[2]), "{report}");
}

#[test]
fn a_target_that_is_not_reached_is_a_failure() {
    let setting = Setting::new("", |it| it);
    with_segments(&setting);
    for target in [["--target-name", "nobody-made-it"], ["--target-lsn", "FF/0"]] {
        let report = setting.drill(1, &target);
        assert!(problem(&report).contains("target"), "{report}");
    }
    setting.server.sql("postgres", "SELECT pg_create_restore_point('there')");
    archive_all(&setting.server);
    let report = setting.drill(0, &["--target-name", "there"]);
    assert_eq!(report["target"], "timeline latest, name there");
}

#[test]
fn what_ought_to_be_in_the_data_is_asked_for() {
    let setting = Setting::new("", |it| it);
    with_segments(&setting);
    setting.configure(
        "<assertion><name>balances</name><database>bench</database>\
         <sql>SELECT sum(bbalance) = 4 FROM pgbench_branches</sql></assertion>",
    );
    setting.drill(0, &[]);
    for (sql, said) in [
        ("SELECT sum(bbalance) = 5 FROM pgbench_branches", "the answer is f"),
        ("SELECT 1 FROM nowhere", "nowhere"),
        ("DELETE FROM pgbench_branches RETURNING true", "read-only"),
    ] {
        setting.configure(&format!(
            "<assertion><name>balances</name><database>bench</database><sql>{sql}</sql></assertion>"
        ));
        let report = setting.drill(1, &[]);
        assert!(problem(&report).contains(said), "{report}");
    }
}

/// A page of zeros is no damage to a checksum, and no row is read from an
/// index: only amcheck finds it.
#[test]
fn a_damaged_index_is_found() {
    let mut setting = Setting::new("", |it| it);
    setting.server.pgbench("bench", 1);
    let path = setting.server.sql("bench", "SELECT pg_relation_filepath('pgbench_accounts_pkey')");
    setting.server.stop();
    let path = setting.server.data_dir().join(path);
    let mut content = fs::read(&path).unwrap();
    content[8192 * 20..8192 * 21].fill(0);
    fs::write(&path, content).unwrap();
    setting.server.start_again();
    setting.backup();
    archive_all(&setting.server);
    let report = setting.drill(1, &[]);
    assert!(problem(&report).contains("pgbench_accounts_pkey"), "{report}");
}

#[test]
fn a_setting_that_opens_the_cage_is_refused() {
    let setting = Setting::new("", |it| it);
    setting.configure("<setting><name>archive_mode</name><value>on</value></setting>");
    let output = setting.hayloft(&["pg", "drill", "main"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("archive_mode"), "{stderr}");
}
