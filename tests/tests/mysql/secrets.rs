//! Passwords reach the server, and nobody else.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use hayloft_tests::{Output, mariadb::Mariadb};

use crate::setting::{Setting, fill};

/// It has everything in it that an option file takes for something else.
const PASSWORD: &str = "pa#s \"s'w;o\\rd\\ ö]=!";

fn server() -> Mariadb {
    let server = Mariadb::with_port();
    fill(&server, "shop");
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    server.sql(&format!(
        "CREATE USER hidden_user@'%' IDENTIFIED BY '{password}'; \
         GRANT ALL ON *.* TO hidden_user@'%'"
    ));
    server
}

fn section(server: &Mariadb, password: &str) -> String {
    format!(
        "<host>127.0.0.1</host><port>{}</port><user>hidden_user</user>{password}\
         <compress_mode>none</compress_mode><database>shop</database>",
        server.port()
    )
}

fn in_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn password_file(setting: &Setting, mode: u32) {
    let path = setting.sandbox.write("password", &format!("{PASSWORD}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_password_from_any_source_opens_the_server() {
    let server = server();
    let sources = [
        format!("<password>{}</password>", in_xml(PASSWORD)),
        "<password_file>$SANDBOX/password</password_file>".to_owned(),
        "<password_command>cat $SANDBOX/password</password_command>".to_owned(),
    ];
    for source in sources {
        let setting = Setting::without_server(&section(&server, &source));
        password_file(&setting, 0o600);
        setting.ok();
        assert_eq!(setting.dumps(), ["mysqldump-shop.txt"], "{source}");
    }
}

#[test]
fn what_is_configured_counts_more_than_the_option_files_of_the_user() {
    let server = server();
    let source = "<password_file>$SANDBOX/password</password_file>";
    let setting = Setting::without_server(&section(&server, source));
    password_file(&setting, 0o600);
    // The sandbox is the home directory of the run.
    let own = "[client]\nuser=nobody\npassword=wrong\n[mysqldump]\nskip-comments\nno-data\n";
    setting.sandbox.write(".my.cnf", own);
    setting.ok();
    let dump = String::from_utf8_lossy(&setting.decoded("mysqldump-shop.txt")).into_owned();
    assert!(!dump.contains("INSERT INTO"), "what is not configured comes from there");

    let options = format!(
        "<options_file>$SANDBOX/more.cnf</options_file><host>127.0.0.1</host>\
         <port>{}</port><compress_mode>none</compress_mode><database>shop</database>",
        server.port()
    );
    let password = PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
    let more = format!("[client]\nuser=hidden_user\npassword=\"{password}\"\n");
    let setting = Setting::without_server(&options);
    setting.sandbox.write("more.cnf", &more);
    setting.ok();
}

#[test]
fn a_wrong_password_and_a_file_that_others_can_read_are_refused() {
    let server = server();
    let wrong = Setting::without_server(&section(&server, "<password>wrong</password>"));
    let output = wrong.run().exits(1);
    output.complains("1045").complains("<password_file>");
    assert!(!output.to_string().contains("wrong"), "{output}");
    let source = "<password_file>$SANDBOX/password</password_file>";
    let open = Setting::without_server(&section(&server, source));
    password_file(&open, 0o644);
    open.run().exits(1).complains("others can read").complains("chmod 600");
    fs::remove_file(open.sandbox.path("password")).unwrap();
    open.run().exits(1).complains("$SANDBOX/password");
    assert!(open.dumps().is_empty() && wrong.dumps().is_empty());
}

/// Everything that others can see of the run, and more: arguments and
/// environments of its processes, and what lies in its directories.
fn seen(setting: &Setting, child: &Child) -> (Vec<String>, usize) {
    let mut seen = Vec::new();
    let mut dumps = 0;
    let place = setting.place();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let (arguments, environment) = (read("cmdline"), read("environ"));
        let pid = entry.file_name().to_string_lossy().into_owned();
        if environment.contains(&place)
            || arguments.contains(&place)
            || pid == child.id().to_string()
        {
            dumps += usize::from(arguments.contains("dump") && arguments.contains("--databases"));
            seen.push(arguments);
            seen.push(environment);
        }
    }
    for directory in ["work", "collect"] {
        gather(&setting.sandbox.path(directory), &mut seen);
    }
    (seen, dumps)
}

fn gather(directory: &Path, seen: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            gather(&entry.path(), seen);
        } else {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            seen.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

#[test]
fn neither_user_nor_password_is_seen_anywhere_while_a_dump_runs() {
    let server = server();
    let source = format!("<password>{}</password>", in_xml(PASSWORD));
    let setting = Setting::without_server(&section(&server, &source));
    // A lock holds the dump up, so that it can be looked at for long.
    let mut blocker = server.client("mariadb", "root");
    blocker.args(["-e", "LOCK TABLES shop.t WRITE; SELECT SLEEP(3)"]);
    let mut blocker = blocker.stdout(Stdio::null()).spawn().unwrap();
    let locked = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(3)'";
    crate::setting::until("the lock is held", || server.sql(locked) != "0");
    let mut child =
        setting.sandbox.spawn(&["-vv", "--log-file", "log", "-c", "hayloft.conf", "run", "mysql"]);
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let (seen, dumps) = seen(&setting, &child);
        most = most.max(dumps);
        for text in seen {
            assert!(!text.contains("pa#s") && !text.contains("hidden_user"), "{text}");
        }
        sleep(Duration::from_millis(20));
    }
    let output: Output = setting.sandbox.wait(child);
    blocker.wait().unwrap();
    assert_eq!(output.code, Some(0), "{output}");
    assert!(most > 0, "the dump was not seen while it ran");
    let text =
        format!("{output}{}", fs::read_to_string(setting.sandbox.path("log")).unwrap_or_default());
    assert!(text.contains("mysqldump-shop.txt") && !text.contains("pa#s"), "{text}");
}
