//! A catalogue that is made by hand, and WAL of a real server.

use std::{collections::BTreeSet, fs, path::Path};

use hayloft_tests::{Output, Sandbox, postgres::Postgres};
use serde_json::Value;

/// A backup as it is written by hand.
pub(crate) struct Backup<'a> {
    pub(crate) id: &'a str,
    pub(crate) status: &'a str,
    /// The one that it refers to.
    pub(crate) parent: Option<&'a str>,
    /// The first and the last segment that it needs, of 1 MiB.
    pub(crate) wal: (u64, u64),
    pub(crate) name: Option<&'a str>,
}

impl<'a> Backup<'a> {
    pub(crate) fn done(id: &'a str, wal: (u64, u64)) -> Self {
        Self { id, status: "DONE", parent: None, wal, name: None }
    }
}

pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    /// A server with two storages, and more elements.
    pub(crate) fn new(elements: &str) -> Self {
        Self::with(elements, "")
    }

    pub(crate) fn with(elements: &str, sections: &str) -> Self {
        let sandbox = Sandbox::new();
        for directory in ["work", "disk", "shelf", "collect"] {
            sandbox.dir(directory);
        }
        let text = format!(
            "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <storages>
    <storage><name>disk</name><type>local</type><root>$SANDBOX/disk</root></storage>
    <storage><name>shelf</name><type>local</type><root>$SANDBOX/shelf</root></storage>
  </storages>
  <postgres_servers>
    <server>
      <name>main</name>
      <storage>disk</storage>
      <storage>shelf</storage>
      <wal><compress>none</compress></wal>
      {elements}
    </server>
  </postgres_servers>
  {sections}
</cb_config>
"
        );
        sandbox.write("hayloft.xml", &text);
        Self { sandbox }
    }

    /// Runs `hayloft pg …`.
    pub(crate) fn pg(&self, arguments: &[&str]) -> Output {
        self.sandbox.run(&[&["--config", "hayloft.xml", "pg"], arguments].concat())
    }

    /// The same, for programs.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.pg(&[arguments, &["--json"]].concat()).exits(0).json()
    }

    /// Writes a backup into a storage.
    pub(crate) fn store(&self, storage: &str, backup: &Backup<'_>) {
        let place = |name: &str| format!("{storage}/main/base/{}/{name}", backup.id);
        let (begin, end) = backup.wal;
        let day = &backup.id[..8];
        let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
        let parent = backup.parent.unwrap_or("None");
        let name = backup.name.map(|it| format!("backup_name={it}\n")).unwrap_or_default();
        let info = format!(
            "{name}begin_time={year}-{month}-{day} 01:00:00+00:00\nbegin_xlog=0/{:X}\n\
             deduplicated_size=1024\nend_time={year}-{month}-{day} 02:00:00+00:00\n\
             end_xlog=0/{:X}\nmode=hayloft-local\nparent_backup_id={parent}\nsize=1048576\n\
             status={}\ntimeline=1\nversion=150020\nxlog_segment_size=1048576\n",
            (begin << 20) + 0x28,
            (end << 20) + 0x100,
            backup.status,
        );
        self.sandbox.write(&place("backup.info"), &info);
        if backup.status != "FAILED" {
            for part in 1..=3 {
                self.sandbox.write(&place(&format!("data/00000{part}")), "frames");
            }
        }
        if ["DONE", "WAITING_FOR_WALS"].contains(&backup.status) {
            self.sandbox.write(&place("manifest.zst"), "what it contains");
        }
    }

    /// Returns the ids of the backups of which a storage has anything. Empty
    /// directories are nothing to it.
    pub(crate) fn stored(&self, storage: &str) -> Vec<String> {
        let base = self.sandbox.path(format!("{storage}/main/base"));
        let mut stored = if base.exists() { names(&base) } else { Vec::new() };
        stored.retain(|it| has_files(&base.join(it)));
        stored
    }

    /// Stores so many segments of a real server in both storages, and returns
    /// their numbers.
    pub(crate) fn archive(&self, segments: usize) -> Vec<u64> {
        let server =
            Postgres::options().initdb("--wal-segsize=1").setting("wal_keep_size", "4GB").start();
        server.sql("postgres", "CREATE TABLE w (i int)");
        loop {
            server.sql("postgres", "INSERT INTO w SELECT generate_series(1, 1000)");
            let last = server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
            let mut names = names(&server.data_dir().join("pg_wal"));
            names.retain(|it| it.len() == 24 && *it <= last);
            if names.len() >= segments {
                for name in &names {
                    let path = server.data_dir().join("pg_wal").join(name);
                    self.pg(&["wal", "push", "main", path.to_str().unwrap()]).exits(0);
                }
                return names.iter().map(|it| number(it)).collect();
            }
        }
    }

    /// Returns the numbers of the segments that are in a storage.
    pub(crate) fn segments(&self, storage: &str) -> BTreeSet<u64> {
        let wals = self.sandbox.path(format!("{storage}/main/wals"));
        if !wals.exists() {
            return BTreeSet::new();
        }
        let directories = names(&wals).into_iter().map(|it| wals.join(it));
        let all = directories.filter(|it| it.is_dir()).flat_map(|it| names(&it));
        all.map(|it| number(&it)).collect()
    }
}

fn has_files(path: &Path) -> bool {
    path.is_file() || names(path).iter().any(|it| has_files(&path.join(it)))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn number(name: &str) -> u64 {
    u64::from_str_radix(&name[16..24], 16).unwrap()
}
