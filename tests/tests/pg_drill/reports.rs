//! What is told of drills.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    ground::{Ended, archive_all},
    setting::Setting,
};

#[test]
fn reports_are_kept_and_shown() {
    let setting = Setting::new("<keep_reports>2</keep_reports>", |it| it);
    let shown = |words: &[&str]| {
        let output = setting.hayloft(&[&["pg", "drill", "main"], words].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(shown(&["--report"]).0, Some(1));
    assert_eq!(shown(&["--prometheus"]), (Some(0), String::new()));
    // Without a backup nothing is proven.
    let report = setting.drill(1, &[]);
    assert_eq!(report["proven"], false);
    assert!(shown(&["--prometheus"]).1.contains("hayloft_drill_proven{server=\"main\"} 0\n"));
    setting.backup();
    archive_all(&setting.server);
    setting.drill(0, &[]);
    let (code, text) = shown(&["--report"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("proven            yes\n"), "{text}");
    let (_, figures) = shown(&["--prometheus"]);
    assert!(figures.contains("hayloft_drill_proven{server=\"main\"} 1\n"), "{figures}");
    std::thread::sleep(std::time::Duration::from_secs(1));
    setting.drill(0, &[]);
    assert_eq!(fs::read_dir(setting.ground.path("work/postgres/main/drills")).unwrap().count(), 2);
}

/// Whoever did the drill, and whoever asks.
#[test]
fn status_tells_when_a_server_was_last_proven_restorable() {
    let setting = Setting::new("", |it| it);
    let status = |code: i32, words: &[&str]| {
        let words = [&["status"], words].concat();
        let output = setting.under_its_account(&words).output().unwrap();
        Ended::of(&output).exits(code).stdout
    };
    assert!(!status(0, &[]).contains("restorable"));
    setting.drill(1, &[]);
    let text = status(7, &[]);
    assert!(text.contains("server main was proven restorable: never; the last try"), "{text}");
    setting.backup();
    archive_all(&setting.server);
    setting.drill(0, &[]);
    let text = status(0, &[]);
    assert!(text.contains("server main was proven restorable: 20"), "{text}");
    assert!(!text.contains("failed"), "{text}");
    setting.drill(1, &["--target-name", "nobody-made-it"]);
    let text = status(7, &[]);
    assert!(text.contains("restorable: 20") && text.contains("the last try failed: "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&status(7, &["--json"])).unwrap();
    let done = json["notes"][0]["done_unix"].as_i64().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    assert!(done > now - 3600 && done <= now, "{done} at {now}");
    let figures = status(7, &["--prometheus"]);
    let figure = format!("{{what=\"server main was proven restorable\"}} {done}\n");
    assert!(figures.contains(&figure), "{figures}");
}

#[test]
fn hooks_are_asked_and_told() {
    let setting = Setting::new("", |it| it);
    setting.backup();
    archive_all(&setting.server);
    let configuration = fs::read_to_string(setting.ground.path("hayloft.conf")).unwrap();
    let with = |on: &str, command: &str| {
        let hook = format!(
            "<hooks><hook><on>{on}</on><type>script</type><command>{command}</command></hook></hooks></cb_config>"
        );
        fs::write(
            setting.ground.path("hayloft.conf"),
            configuration.replace("</cb_config>", &hook),
        )
        .unwrap();
    };
    let told = setting.ground.path("told");
    let script = setting.ground.path("tell");
    fs::write(&script, format!("#!/bin/sh\nenv | grep HAYLOFT_ > {}\n", told.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    with("post_drill", script.to_str().unwrap());
    setting.drill(0, &[]);
    let told = fs::read_to_string(told).unwrap();
    assert!(
        told.contains("HAYLOFT_OUTCOME=done") && told.contains("HAYLOFT_SERVER=main"),
        "{told}"
    );
    with("pre_drill", "/bin/false");
    let output = setting.hayloft(&["pg", "drill", "main"]).output().unwrap();
    Ended::of(&output).exits(1);
    assert!(setting.left().is_empty());
}

#[test]
fn a_run_does_drills_too() {
    let setting = Setting::new("", |it| it);
    setting.backup();
    archive_all(&setting.server);
    let configuration = fs::read_to_string(setting.ground.path("hayloft.conf")).unwrap();
    let extensions = "<extensions><action><name>postgresdrill</name><plugin>postgresdrill</plugin>\
                      <index>400</index></action></extensions></cb_config>";
    fs::write(
        setting.ground.path("hayloft.conf"),
        configuration.replace("</cb_config>", extensions),
    )
    .unwrap();
    let output = setting.hayloft(&["run", "postgresdrill"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let status = setting.hayloft(&["status", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(text.contains("postgresdrill"), "{text}");
}

/// The user of the server must get to its files; that is said before anything
/// is restored.
#[test]
fn a_place_that_the_server_cannot_reach_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Whoever runs everything alone gets everywhere.
        return;
    }
    let setting = Setting::new("", |it| it);
    let closed = setting.ground.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let configuration = fs::read_to_string(setting.ground.path("hayloft.conf")).unwrap();
    let moved = configuration.replace("/drills</directory>", "/closed/drills</directory>");
    fs::write(setting.ground.path("hayloft.conf"), moved).unwrap();
    let output = setting.hayloft(&["pg", "drill", "main"]).output().unwrap();
    Ended::of(&output).exits(4).complains("cannot pass");
    assert_eq!(fs::read_dir(closed.join("drills")).unwrap().count(), 0);
}
