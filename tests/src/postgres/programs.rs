//! Where PostgreSQL's programs are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Everything in the environment that could lead libpq to another server.
pub(super) const LIBPQ_VARIABLES: &[&str] = &[
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGDATA",
    "PGCLUSTER",
    "PGCLIENTENCODING",
];

/// The programs of one installed PostgreSQL with a server.
#[derive(Debug, Clone)]
pub struct Programs {
    directory: PathBuf,
    /// Where those are that `directory` lacks: an embedded server comes
    /// without clients.
    clients: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the newest one that is installed.
    pub(super) fn find() -> Self {
        let mut found: Vec<Self> = candidates().into_iter().filter_map(Self::in_dir).collect();
        found.sort_by_key(|it| it.major);
        let Some(newest) = found.pop() else {
            panic!(
                "this test needs a PostgreSQL server's programs (initdb, postgres, psql, pgbench) \
                 and found none: install them, on Debian with `apt-get install postgresql`"
            );
        };
        newest
    }

    fn in_dir(directory: PathBuf) -> Option<Self> {
        let needed = ["initdb", "postgres", "psql", "pg_dump", "pgbench"];
        let major = major_in(&directory, &needed)?;
        Some(Self { clients: directory.clone(), directory, major })
    }

    /// Takes a server from `directory`; its clients are those of `clients`.
    pub(super) fn server_in_dir(directory: PathBuf, clients: &Self) -> Option<Self> {
        let major = major_in(&directory, &["initdb", "pg_ctl", "postgres"])?;
        Some(Self { directory, clients: clients.directory.clone(), major })
    }

    /// Returns the directory of the server's programs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of a program. Those that an embedded server lacks
    /// (`psql`, `pg_dump`, …) are the installed ones, perhaps of an older
    /// version.
    pub fn path(&self, name: &str) -> PathBuf {
        let own = self.directory.join(name);
        if own.exists() { own } else { self.clients.join(name) }
    }

    /// Returns the major version of the server, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }
}

fn major_in(directory: &Path, needed: &[&str]) -> Option<u32> {
    if !needed.iter().all(|it| directory.join(it).is_file()) {
        return None;
    }
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version =
        text.split_whitespace().find(|it| it.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let mut all = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        all.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, inner) in [("/usr/lib/postgresql", "bin"), ("/usr/local/pgsql", "")] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        all.extend(entries.map(|entry| entry.path().join(inner)));
    }
    let usr = fs::read_dir("/usr").into_iter().flatten().flatten();
    let versions = usr.filter(|it| it.file_name().to_string_lossy().starts_with("pgsql-"));
    all.extend(versions.map(|it| it.path().join("bin")));
    let path = env::var_os("PATH").unwrap_or_default();
    all.extend(env::split_paths(&path));
    all
}
