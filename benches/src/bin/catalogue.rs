//! Listing a catalogue of a thousand base backups, against reading the same
//! descriptions and nothing else.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use hayloft_benches::{Contender, compete, directory, measure, program, shell};
use hayloft_tests::postgres::Postgres;

/// How many backups there are.
const BACKUPS: usize = 1000;

fn main() {
    let dir = directory("catalogue");
    let configuration = configured(&dir);
    multiply(&dir.join("store/main/base"));
    let call = format!("{} -c {} pg list", program().display(), configuration.display());
    let contender = |name: &str, line: &str| {
        let line = line.to_owned();
        Contender {
            name: name.to_owned(),
            prepare: Box::new(|| {}),
            command: Box::new(move || shell(&line)),
        }
    };
    let base = dir.join("store/main/base");
    compete(
        "a catalogue of 1,000 backups (the aim is 100 ms)",
        &[
            contender("hayloft pg list", &format!("exec {call} main")),
            contender("hayloft pg list --json", &format!("exec {call} main --json")),
            contender(
                "find, and cat of what it lists",
                &format!(
                    "cd {} && find . -type f -size +0 -printf '%s %T@\\n' && cat */backup.info",
                    base.display()
                ),
            ),
            contender("cat of all backup.info", &format!("cat {}/*/backup.info", base.display())),
        ],
    );
    fs::remove_dir_all(&dir).unwrap();
}

/// Takes one backup; returns the configuration.
fn configured(dir: &Path) -> PathBuf {
    let server = Postgres::options()
        .initdb("--data-checksums")
        .setting("wal_level", "replica")
        .setting("archive_mode", "on")
        .setting("archive_command", "true")
        .start();
    fs::create_dir_all(dir.join("work")).unwrap();
    let path = dir.join("conf");
    let text = format!(
        "<cb_config><options><starting_day>monday</starting_day>\
         <working_dir>{0}/work</working_dir><backup_user>root</backup_user>\
         <backup_group>root</backup_group><rcp_command>scp -B</rcp_command></options>\
         <storages><storage><name>disk</name><type>local</type><root>{0}/store</root>\
         <create>Y</create></storage></storages><postgres_servers><server><name>main</name>\
         <conninfo>host={1} port={2} user={3} dbname=postgres</conninfo>\
         <storage>disk</storage><retention_policy>RECOVERY WINDOW OF 30 DAYS</retention_policy>\
         <backup><compress>zstd</compress></backup></server></postgres_servers></cb_config>\n",
        dir.display(),
        server.socket_dir().display(),
        server.port(),
        server.user(),
    );
    fs::write(&path, text).unwrap();
    let call =
        format!("{} -c {} pg backup main --fast --no-wait", program().display(), path.display());
    measure(shell(&call));
    path
}

/// Makes many backups of the one: each has its own description and the same
/// manifest and parts.
fn multiply(base: &Path) {
    let first = fs::read_dir(base).unwrap().next().unwrap().unwrap().path();
    let info = fs::read_to_string(first.join("backup.info")).unwrap();
    for number in 1..BACKUPS {
        let (date, hour) = moment(number);
        let to = base.join(format!("{}T{hour:02}0000", date.replace('-', "")));
        link_all(&first, &to);
        let at = |line: &str| match line.split_once('=') {
            Some((key @ ("begin_time" | "end_time"), _)) => {
                format!("{key}={date} {hour:02}:00:07.123456+00:00\n")
            }
            _ => format!("{line}\n"),
        };
        fs::remove_file(to.join("backup.info")).unwrap();
        fs::write(to.join("backup.info"), info.lines().map(at).collect::<String>()).unwrap();
    }
}

/// Four backups a day, on 28 days of a month.
fn moment(number: usize) -> (String, usize) {
    let day = number / 4;
    (format!("2024-{:02}-{:02}", day / 28 + 1, day % 28 + 1), number % 4 * 6)
}

fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            link_all(&entry.path(), &to);
        } else {
            fs::hard_link(entry.path(), to).unwrap();
        }
    }
}
