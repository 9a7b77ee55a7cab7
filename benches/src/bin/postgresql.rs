//! The dump of a database with zstd against `pg_dump | zstd -T0`.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use hayloft_benches::{Contender, compete, directory, program, shell};
use hayloft_tests::postgres::Postgres;

/// About 300 MB in the database.
const SCALE: u32 = 20;

fn main() {
    let server = Postgres::start();
    let server = &server;
    server.create_database("bench");
    server.pgbench("bench", SCALE);
    let dir = directory("postgresql");
    for name in ["work", "collect"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!(
        "<cb_config><options><starting_day>monday</starting_day>\
         <working_dir>{0}/work</working_dir><backup_user>root</backup_user>\
         <backup_group>root</backup_group><rcp_command>scp</rcp_command></options>\
         <collect><collect_dir>{0}/collect</collect_dir></collect>\
         <postgresql><user>{1}</user><compress_mode>zstd</compress_mode>\
         <database>bench</database></postgresql></cb_config>\n",
        dir.display(),
        server.user(),
    );
    let configuration = dir.join("conf");
    fs::write(&configuration, text).unwrap();

    let ours = Contender {
        name: "hayloft run postgresql, zstd".to_owned(),
        prepare: Box::new(|| {}),
        command: Box::new(|| {
            let mut command = Command::new(program());
            server.point(&mut command);
            command.arg("--quiet").arg("-c").arg(&configuration).args(["run", "postgresql"]);
            command
        }),
    };
    let out = dir.join("peer.zst");
    let dump = format!("{} -U {} bench", server.program("pg_dump").display(), server.user());
    let peer = |name: &str, line: String| Contender {
        name: name.to_owned(),
        prepare: Box::new(|| {}),
        command: Box::new(move || {
            let mut command = shell(&line);
            server.point(&mut command);
            command
        }),
    };
    let out = out.display();
    let zstd = format!("{dump} | zstd -T0 -3 -q -f -o {out} && sync {out}");
    let nothing = format!("{dump} > /dev/null");
    compete(
        "a database of pgbench (the aim is 1.03)",
        &[
            ours,
            peer("pg_dump | zstd -T0 -3", zstd),
            peer("pg_dump > /dev/null, the limit", nothing),
        ],
    );
    fs::remove_dir_all(&dir).unwrap();
}
