//! Real segments of pgbench, and where they go.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use hayloft_benches::{directory, measure, program, shell};
use hayloft_tests::postgres::Postgres;

/// So many segments.
const SEGMENTS: usize = 100;
/// How large the tables are: some 300 MB.
const SCALE: u32 = 20;

/// A server that has written them, and a copy of its files from before.
pub(crate) struct Ground {
    dir: PathBuf,
    server: Postgres,
    segments: Vec<String>,
}

impl Ground {
    /// Lets pgbench write.
    pub(crate) fn new() -> Self {
        let dir = directory("wal");
        let mut server = Postgres::options()
            .setting("wal_level", "replica")
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .setting("wal_keep_size", "8GB")
            .setting("max_wal_size", "8GB")
            .setting("synchronous_commit", "off")
            .start();
        server.pgbench("bench", SCALE);
        server.stop();
        let copied = format!("cp -a {} {}/base", server.data_dir().display(), dir.display());
        measure(shell(&copied));
        server.start_again();
        let mut ground = Self { dir, server, segments: Vec::new() };
        ground.write();
        ground
    }

    fn write(&mut self) {
        let first = self.server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
        let written = || {
            let current =
                self.server.sql("postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())");
            let names = fs::read_dir(self.server.data_dir().join("pg_wal")).unwrap();
            let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> =
                names.filter(|it| it.len() == 24 && *it > first && *it < current).collect();
            names.sort();
            names
        };
        let mut names = written();
        while names.len() < SEGMENTS {
            // Pages are written whole after a checkpoint, as in the field.
            self.server.sql("postgres", "CHECKPOINT");
            let mut load = self.server.command("pgbench");
            load.args(["--client=8", "--jobs=2", "--no-vacuum", "--time=5", "bench"]);
            assert!(load.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
            names = written();
        }
        names.truncate(SEGMENTS);
        let wal = self.dir.join("pg_wal");
        fs::create_dir_all(wal.join("archive_status")).unwrap();
        for name in &names {
            fs::copy(self.server.data_dir().join("pg_wal").join(name), wal.join(name)).unwrap();
        }
        self.segments = names;
        measure(shell("sync"));
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn server(&self) -> &Postgres {
        &self.server
    }

    /// The names of the segments, in their order.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a configuration for us; returns how the program is called.
    pub(crate) fn configured(&self, name: &str, storage: &str, wal: &str) -> String {
        let path = self.path(name);
        let text = format!(
            "<cb_config><storages><storage><name>disk</name>{storage}</storage></storages>\
             <postgres_servers><server><name>main</name><storage>disk</storage><wal>{wal}\
             <spool>{}</spool></wal></server></postgres_servers></cb_config>\n",
            self.path("spool").display()
        );
        fs::write(&path, text).unwrap();
        format!("{} -c {} pg wal", program().display(), path.display())
    }

    /// The storage `local`, and nothing in it.
    pub(crate) fn local(&self) -> String {
        format!("<type>local</type><root>{}</root><create>Y</create>", self.path("ours").display())
    }

    /// Removes what earlier rounds have left behind.
    pub(crate) fn clean(&self) {
        for name in ["ours", "spool", "copies", "repo", "br-spool", "barman"] {
            let path = self.path(name);
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
        }
        for state in fs::read_dir(self.path("pg_wal/archive_status")).unwrap() {
            fs::remove_file(state.unwrap().path()).unwrap();
        }
        measure(shell("sync"));
    }

    /// Says of all segments that they wait.
    pub(crate) fn all_ready(&self) {
        for name in &self.segments {
            fs::write(self.path("pg_wal/archive_status").join(format!("{name}.ready")), "")
                .unwrap();
        }
    }

    /// A loop over all segments, `$1` with its path each time.
    pub(crate) fn each(&self, command: &str) -> String {
        let wal = self.path("pg_wal");
        format!("set -e; for it in {}/0*; do set -- \"$it\"; {command}; done", wal.display())
    }

    /// The same as PostgreSQL's archiver does it, one `.ready` after the other.
    pub(crate) fn each_ready(&self, command: &str) -> String {
        let status = self.path("pg_wal/archive_status");
        self.each(&format!(
            "touch {0}/${{1##*/}}.ready; {command}; mv {0}/${{1##*/}}.ready {0}/${{1##*/}}.done",
            status.display()
        ))
    }
}
