//! Connection strings of every form, and that nobody sees the passwords in
//! them.

use std::{fs, process::Stdio};

use hayloft_tests::{chaos, postgres::Postgres};

use super::setting::{Setting, wait_for};

/// With everything that some form must write in another way.
const PASSWORD: &str = r"it's a \ s3same = 100%";
/// What is the same in every form.
const PIECE: &str = "s3same";
/// The password in an address.
const ENCODED: &str = "it%27s%20a%20%5C%20s3same%20%3D%20100%25";

/// One server in three forms: an address, quoted, and with blanks.
fn forms(server: &Postgres) -> [String; 3] {
    let (port, quoted) = (server.port(), PASSWORD.replace('\\', r"\\").replace('\'', r"\'"));
    [
        format!("postgresql://postgres:{ENCODED}@127.0.0.1:{port}/postgres"),
        format!("host='127.0.0.1' port='{port}' user='postgres' password='{quoted}'"),
        format!("host = 127.0.0.1\n port= {port} user =postgres  password = '{quoted}'"),
    ]
}

fn start() -> Postgres {
    Postgres::options().password(PASSWORD).tcp().start()
}

fn setting(conninfo: &str) -> Setting {
    let slot = "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>";
    let setting = Setting::with("$CONNINFO", slot);
    let text = setting.sandbox.read("hayloft.xml");
    // What it is called by is no part of an address.
    setting.sandbox.write("hayloft.xml", &text.replace("$CONNINFO dbname=postgres", conninfo));
    setting
}

/// V-09: Barman takes none of them.
#[test]
fn every_form_that_libpq_takes_leads_to_the_server() {
    let server = start();
    for conninfo in forms(&server) {
        let setting = setting(&conninfo);
        let checks = setting.pg(&["check", "main", "--json"]).json();
        let checks = checks["servers"][0]["checks"].as_array().unwrap().clone();
        let failed: Vec<_> = checks
            .iter()
            .filter(|it| it["check"] == "connection" && it["outcome"] != "ok")
            .collect();
        assert!(failed.is_empty() && !checks.is_empty(), "{conninfo}: {failed:?}");
        setting.catch_up(&server);
        assert!(setting.segments() > 0, "{conninfo}");
        setting.pg(&["wal", "receive", "main", "--drop-slot"]).exits(0);
    }
}

/// V-10: Barman gives it to the programs that it starts.
#[test]
fn no_password_is_in_the_list_of_processes() {
    let server = start();
    for conninfo in forms(&server) {
        let setting = setting(&conninfo);
        let mut receiver = setting.receive(&[]);
        receiver.is_streaming();
        assert_eq!(seen(receiver.pid().as_raw_pid()), None);
        assert!(!receiver.says().contains(PIECE), "{}", receiver.says());
        receiver.is_killed();
        setting.pg(&["wal", "receive", "main", "--drop-slot"]);
        let words = ["-vvv", "-c", "hayloft.xml", "pg", "backup", "main", "--max-rate", "1MB"];
        let mut command = setting.sandbox.command(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut backup = command.spawn().unwrap();
        wait_for("a backup", || setting.sandbox.path("archive/main/base").exists());
        let found = seen(backup.id().cast_signed());
        chaos::power_cut(&mut backup);
        assert_eq!(found, None);
        let told = setting.sandbox.wait(backup);
        assert!(!told.to_string().contains(PIECE), "{told}");
    }
}

/// Looks for the password in the command lines and environments of a process
/// and all that it has started.
fn seen(process: i32) -> Option<String> {
    let mut family = vec![process];
    let mut at = 0;
    while let Some(&process) = family.get(at) {
        at += 1;
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().map(|it| it.parse::<i32>().unwrap()));
        }
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.contains(PIECE) {
                return Some(text);
            }
        }
    }
    assert!(family.len() > 1, "it works in processes of its own");
    None
}

/// V-10: Barman takes the end of the line away with the password, and shows
/// it in JSON.
#[test]
fn no_output_has_the_password_and_each_has_the_rest() {
    let server = start();
    for conninfo in forms(&server) {
        let setting = setting(&conninfo);
        let commands: [&[&str]; 6] = [
            &["config", "show"],
            &["config", "show", "--json"],
            &["config", "check"],
            &["pg", "check", "main", "--json", "-vvv"],
            &["pg", "status", "main", "--json", "-vvv"],
            &["pg", "status", "main", "-vvv"],
        ];
        for command in commands {
            let output = setting.sandbox.run(&[&["-c", "hayloft.xml"], command].concat());
            assert!(!output.to_string().contains(PIECE), "{command:?}: {output}");
        }
        let shown = setting.sandbox.ok(&["-c", "hayloft.xml", "config", "show"]);
        let lines: Vec<&str> = shown.stdout.lines().map(str::trim).collect();
        assert!(lines.contains(&"streaming_archiver: Y"), "{shown}");
        shown.says("127.0.0.1");
        let json = setting.sandbox.ok(&["-c", "hayloft.xml", "config", "show", "--json"]).json();
        let shown = &json["postgres_servers"]["server"];
        assert_eq!(shown["streaming_archiver"], "Y", "{json}");
        assert!(shown["conninfo"].as_str().unwrap().contains("127.0.0.1"), "{json}");
    }
}
