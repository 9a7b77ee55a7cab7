//! Real segments of pgbench, and where they go.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use hayloft_benches::{directory, measure, program, shell};
use hayloft_tests::postgres::Postgres;

/// So many segments.
const SEGMENTS: usize = 100;
/// How large the tables are: some 300 MB.
const SCALE: u32 = 20;

/// What the segments are to be found by in a directory that is kept.
const MADE: &str = "made";

/// Segments that a server has written, and a copy of its files from before.
pub(crate) struct Ground {
    dir: PathBuf,
    segments: Vec<String>,
    kept: bool,
}

impl Ground {
    /// Lets pgbench write; or takes what it wrote before, if the directory
    /// `HAYLOFT_BENCH_KEEP` has it.
    pub(crate) fn new() -> Self {
        let kept = env::var_os("HAYLOFT_BENCH_KEEP").map(PathBuf::from);
        let dir = kept.clone().unwrap_or_else(|| directory("wal"));
        if let Ok(names) = fs::read_to_string(dir.join(MADE)) {
            let segments = names.lines().map(ToOwned::to_owned).collect();
            return Self { dir, segments, kept: true };
        }
        fs::create_dir_all(&dir).unwrap();
        let mut server = Postgres::options()
            .setting("wal_level", "replica")
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .setting("full_page_writes", "on")
            .setting("wal_keep_size", "8GB")
            .setting("max_wal_size", "8GB")
            .setting("synchronous_commit", "off")
            .start();
        server.pgbench("bench", SCALE);
        server.stop();
        // For pgBackRest, the directory looks like the server's own.
        measure(shell(&format!(
            "cp -a {0} {1}/base; mkdir {1}/global; cp {0}/global/pg_control {1}/global; \
             cp {0}/PG_VERSION {1}",
            server.data_dir().display(),
            dir.display()
        )));
        server.start_again();
        let segments = write(&server, &dir);
        fs::write(dir.join(MADE), segments.join("\n") + "\n").unwrap();
        measure(shell("sync"));
        Self { dir, segments, kept: kept.is_some() }
    }

    /// Removes everything, unless it is to be kept.
    pub(crate) fn end(self) {
        if self.kept {
            self.clean();
        } else {
            fs::remove_dir_all(self.dir).unwrap();
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
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

    /// The same for whoever a server runs as: program and plugins are where
    /// anybody may run them, and the spool where anybody may make one.
    pub(crate) fn for_everybody(&self, name: &str, wal: &str) -> String {
        let home = self.path("everybody");
        let from = program().parent().unwrap().to_owned();
        let prepared = format!(
            "mkdir -p {0}/bin {0}/{name}; cp -u {1}/hayloft {1}/*.so {0}/bin; \
             chmod -R a+rX {0} {2}; chmod a+x {3}; chmod 1777 {0}/{name}",
            home.display(),
            from.display(),
            self.path(name).display(),
            self.dir.display()
        );
        self.configured(name, &self.local(), wal);
        let text = fs::read_to_string(self.path(name)).unwrap();
        let spool = home.join(name).join("spool");
        let old = self.path("spool").display().to_string();
        fs::write(self.path(name), text.replace(&old, &spool.display().to_string())).unwrap();
        measure(shell(&prepared));
        format!("{}/bin/hayloft -c {} pg wal", home.display(), self.path(name).display())
    }

    /// The storage `local`, and nothing in it.
    pub(crate) fn local(&self) -> String {
        format!("<type>local</type><root>{}</root><create>Y</create>", self.path("ours").display())
    }

    /// Removes what earlier rounds have left behind.
    pub(crate) fn clean(&self) {
        for name in ["ours", "spool", "copies", "repo", "br-spool", "barman", "everybody"] {
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

    /// The same as PostgreSQL's archiver does it, one `.ready` after the other,
    /// with all of them there when it begins.
    pub(crate) fn each_waiting(&self, command: &str) -> String {
        let status = self.path("pg_wal/archive_status");
        self.each(&format!(
            "{command}; mv {0}/${{1##*/}}.ready {0}/${{1##*/}}.done",
            status.display()
        ))
    }

    /// The same, with each `.ready` made when its turn comes.
    pub(crate) fn each_ready(&self, command: &str) -> String {
        let status = self.path("pg_wal/archive_status");
        self.each_waiting(&format!("touch {}/${{1##*/}}.ready; {command}", status.display()))
    }
}

/// Lets pgbench write until there are enough segments, and copies them.
fn write(server: &Postgres, dir: &Path) -> Vec<String> {
    // The copy needs this one too, to go on from.
    let first = server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
    let written = || {
        let current = server.sql("postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())");
        let names = fs::read_dir(server.data_dir().join("pg_wal")).unwrap();
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter(|it| it.len() == 24 && *it >= first && *it < current).collect();
        names.sort();
        names
    };
    let mut names = written();
    while names.len() < SEGMENTS {
        // Pages are written whole after a checkpoint, as in the field.
        server.sql("postgres", "CHECKPOINT");
        let mut load = server.command("pgbench");
        load.args(["--client=8", "--jobs=2", "--protocol=prepared", "--no-vacuum", "--time=5"]);
        load.arg("bench").stdout(Stdio::null()).stderr(Stdio::null());
        assert!(load.status().unwrap().success());
        names = written();
    }
    names.truncate(SEGMENTS);
    let wal = dir.join("pg_wal");
    fs::create_dir_all(wal.join("archive_status")).unwrap();
    for name in &names {
        fs::copy(server.data_dir().join("pg_wal").join(name), wal.join(name)).unwrap();
    }
    names
}
