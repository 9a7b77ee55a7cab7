//! The command `hayloft report`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use hayloft_plugin_api::{Argument, Arguments, Command, CommandSpec, Error, Host, Request, Result};
use jiff::Timestamp;

use crate::{
    config::PostgresServers,
    report::{self, Page, html},
};

/// The command `hayloft report`: all backups on one page.
#[derive(Debug)]
pub struct Report {
    servers: PostgresServers,
}

impl Command for Report {
    type Config = PostgresServers;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Write a page that shows all backups of the PostgreSQL servers".to_owned(),
            long_about: "Writes one HTML page that needs nothing else: the backups of each active \
                         server on a line of time, their sizes and how they change, how far the \
                         WAL reaches and what is missing of it, its drills, and what is overdue \
                         or failed; and the days that are staged and stored. \
                         With --json, the same for programs. Exit code 7 if somebody should look."
                .to_owned(),
            arguments: vec![Argument::option("html", "FILE", "Where to; it is replaced")],
            after_help: "Examples:\n  hayloft report --html /var/www/backups.html\n  \
                         hayloft report --json"
                .to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, _: &Request, arguments: &Arguments) -> Result<u8> {
        let file = arguments.get("html");
        if file.is_none() && !arguments.json {
            return Err(Error::msg("nothing says where the page is to go")
                .hint("give --html FILE, or --json"));
        }
        let made = Timestamp::now();
        let mut servers = Vec::new();
        for server in self.servers.server.iter().filter(|it| it.active) {
            servers.push(report::section(host, server, made)?);
        }
        let page = Page { made, servers, pool: report::pool(host, made)? };
        if let Some(file) = file {
            let path = std::path::absolute(Path::new(file))?;
            let written = write(&path, html::page(&page).as_bytes());
            written
                .map_err(|e| Error::from(e).context(format!("cannot write {}", path.display())))?;
        }
        if arguments.json {
            host.print(serde_json::to_string_pretty(&page)? + "\n")?;
        }
        let good = page.servers.iter().all(|it| it.alarms.is_empty())
            && page.pool.iter().all(|it| it.alarms.is_empty());
        Ok(if good { 0 } else { 7 })
    }
}

/// Writes a file that appears whole. One that is replaced keeps its mode, so
/// that whoever shows it still may.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = path.parent().unwrap_or(Path::new("/"));
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let mode = fs::metadata(path).map_or(0o600, |it| it.permissions().mode() & 0o777);
    let written = (|| {
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // It is in nobody's way if this fails.
        drop(fs::remove_file(&temporary));
    }
    written?;
    File::open(directory)?.sync_all()
}
