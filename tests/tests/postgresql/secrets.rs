//! Passwords reach the server, and nobody else.

use std::{fs, os::unix::fs::PermissionsExt};

use hayloft_tests::postgres::Postgres;

use crate::setting::Setting;

const PASSWORD: &str = "correct: horse \\ 'battery'";

/// A section for a server with a password.
fn section(server: &Postgres, more: &str) -> String {
    format!(
        "<host>127.0.0.1</host><port>{}</port><user>{}</user>\
         <password_file>$SANDBOX/password</password_file>\
         <compress_mode>none</compress_mode>{more}",
        server.port(),
        server.user()
    )
}

fn password_file(setting: &Setting, text: &str, mode: u32) {
    let path = setting.sandbox.write("password", text);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_file_of_either_form_opens_the_server() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    server.pgbench("shop", 1);
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let forms = [
        format!("{PASSWORD}\n"),
        format!("# the backup's\n127.0.0.1:{}:*:postgres:{escaped}\n", server.port()),
    ];
    let sections = [
        ("<all>Y</all>", 1),
        ("<database>shop</database>", 1),
        ("<all>Y</all><format>directory</format><jobs>2</jobs>", 3),
    ];
    for form in forms {
        for (more, files) in sections {
            let setting = Setting::without_server(&section(&server, more));
            password_file(&setting, &form, 0o600);
            setting.ok();
            assert_eq!(setting.dumps().len(), files, "{more}");
        }
    }
}

#[test]
fn a_wrong_password_and_none_are_told_apart() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let setting = Setting::without_server(&section(&server, "<database>postgres</database>"));
    password_file(&setting, "wrong\n", 0o600);
    setting.run().exits(1).complains("password authentication failed");

    let section = section(&server, "<database>postgres</database>")
        .replace("<password_file>$SANDBOX/password</password_file>", "");
    let setting = Setting::without_server(&section);
    let output = setting.run().exits(1);
    output.complains("no password supplied").complains("<password_file>");
    assert!(setting.dumps().is_empty());
}

#[test]
fn a_password_file_that_others_can_read_is_refused() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let setting = Setting::without_server(&section(&server, "<database>postgres</database>"));
    for mode in [0o644, 0o640, 0o604] {
        password_file(&setting, PASSWORD, mode);
        let output = setting.run().exits(1);
        output.complains("others can read $SANDBOX/password").complains("chmod 0600");
    }
    fs::remove_file(setting.sandbox.path("password")).unwrap();
    setting.run().exits(1).complains("named by <password_file>");
    assert!(setting.dumps().is_empty());
}

#[test]
fn neither_role_nor_password_nor_database_is_in_the_list_of_processes() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    server.sql("postgres", "CREATE ROLE hidden_role LOGIN SUPERUSER PASSWORD 'hidden_password'");
    server.create_database("hidden_database");
    let elements = section(&server, "<database>hidden_database</database>")
        .replace("<user>postgres", "<user>hidden_role");
    let setting = Setting::without_server(&elements);
    password_file(&setting, "hidden_password", 0o600);
    // The program itself says what everybody can see of it.
    let script = format!(
        "#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline > $SANDBOX/seen\nexec {} \"$@\"\n",
        server.program("pg_dump").display()
    );
    let path = setting.sandbox.script("bin/pg_dump", &script);
    let overrides = format!(
        "<override><command>pg_dump</command><abs_path>{}</abs_path></override>",
        path.display()
    );
    setting.configure(&elements, &overrides);
    let output = setting.run();
    assert_eq!(output.code, Some(0), "{output}");
    let seen = setting.sandbox.read("seen");
    assert!(seen.contains("--format=plain"), "{seen}");
    assert!(!seen.contains("hidden"), "{seen}");
    assert!(!output.to_string().contains("hidden_password"), "{output}");
    let log = setting.sandbox.run(&["-vv", "-c", "hayloft.conf", "run", "postgresql"]);
    assert!(!log.to_string().contains("hidden_password"), "{log}");
}

#[test]
fn a_service_leads_to_the_server_but_does_not_choose_the_database() {
    let server = Postgres::start();
    server.sql("postgres", "CREATE DATABASE wanted");
    server.sql("wanted", "CREATE TABLE only_here AS SELECT 1 AS a");
    let elements = "<service>main</service><compress_mode>none</compress_mode>\
                    <database>wanted</database>";
    let mut setting = Setting::without_server(elements);
    let text = format!(
        "[main]\nhost={}\nport={}\nuser=postgres\ndbname=postgres\n",
        server.socket_dir().display(),
        server.port()
    );
    let file = setting.sandbox.write("services", &text);
    setting.sandbox.env("PGSERVICEFILE", file.to_str().unwrap());
    setting.ok();
    let sql = String::from_utf8(setting.decoded("postgresqldump-wanted.txt")).unwrap();
    assert!(sql.contains("only_here"));
}
