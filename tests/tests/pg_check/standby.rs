//! Standbys.

use std::{fs, process::Command};

use hayloft_tests::postgres::{Options, Postgres};

/// Makes a standby that follows a server.
pub(crate) fn standby_of(primary: &Postgres) -> Postgres {
    standby_with(primary, Postgres::options())
}

/// The same with more settings.
pub(crate) fn standby_with(primary: &Postgres, options: Options) -> Postgres {
    let (directory, port) = (primary.socket_dir(), primary.port());
    let follow = format!("host={} port={port} user=postgres", directory.display());
    let mut standby = options
        .setting("primary_conninfo", &follow)
        .setting("wal_receiver_status_interval", "1")
        .start();
    standby.stop();
    let data = standby.data_dir();
    let aside = standby.directory().join("aside");
    fs::rename(&data, &aside).unwrap();
    let mut command = primary.command("pg_basebackup");
    command.args(["--checkpoint=fast", "--no-sync", "-D"]).arg(&data);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(data.join("standby.signal"), "").unwrap();
    let owned = Command::new("chown").arg("-R").arg("--reference").arg(&aside).arg(&data).status();
    assert!(owned.unwrap().success());
    standby.start_again();
    standby
}
