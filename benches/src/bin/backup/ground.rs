//! A server with pgbench's tables and a large one, and where backups go.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use hayloft_benches::{directory, measure, program, shell};
use hayloft_tests::postgres::Postgres;

/// pgbench's scale: some 1.5 GB.
const SCALE: u64 = 100;
/// The size of the large table, in megabytes.
const TABLE: u64 = 1300;
/// A row of it has about so many bytes.
const ROW: u64 = 104;

/// The place.
pub(crate) struct Ground {
    dir: PathBuf,
    server: Postgres,
}

impl Ground {
    /// Makes the tables.
    pub(crate) fn new() -> Self {
        let dir = directory("backup");
        let server = Postgres::options()
            .initdb("--data-checksums")
            .setting("wal_level", "replica")
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .setting("autovacuum", "off")
            .setting("max_wal_size", "8GB")
            .start();
        let ground = Self { dir, server };
        ground.server.create_database("bench");
        let mut load = ground.server.command("pgbench");
        load.args(["-i", "-q", "-F", "97", "-s", &number("SCALE", SCALE).to_string(), "bench"]);
        assert!(load.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        ground.large("large", number("TABLE", TABLE));
        ground.settle();
        ground
    }

    fn large(&self, name: &str, megabytes: u64) {
        let rows = megabytes * 1_000_000 / ROW;
        let sql = format!(
            "CREATE TABLE {name} WITH (fillfactor = 97) AS SELECT i, md5(i::text) || \
             md5((i * 7)::text) AS a FROM generate_series(1, {rows}) AS i"
        );
        self.server.sql("bench", &sql);
        self.server.sql("bench", &format!("VACUUM (FREEZE) {name}"));
    }

    /// Lets the server come to rest.
    fn settle(&self) {
        self.server.sql("postgres", "CHECKPOINT");
        self.server.sql("postgres", "SELECT pg_switch_wal()");
        self.server.sql("postgres", "CHECKPOINT");
        measure(shell(&format!("sync; cat $(find {}/base -type f)", self.data().display())));
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn server(&self) -> &Postgres {
        &self.server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.server.data_dir()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else if path.exists() {
            fs::remove_file(&path).unwrap();
        }
    }

    /// Removes what earlier rounds have left behind.
    pub(crate) fn clean(&self) {
        for name in ["ours", "work", "repo", "br-spool", "copy", "tar.zst", "restored"] {
            self.remove(name);
        }
        fs::create_dir_all(self.path("copy")).unwrap();
        fs::create_dir_all(self.path("work")).unwrap();
        measure(shell("sync"));
    }

    /// Copies the tables, and makes that durable.
    pub(crate) fn copy(&self) -> String {
        let to = self.path("copy");
        format!(
            "cp -a --reflink=never {}/base {1} && sync -f {1}",
            self.data().display(),
            to.display()
        )
    }

    /// Writes a configuration for us; returns how the program is called.
    pub(crate) fn configured(&self, compress: &str) -> String {
        let path = self.path(&format!("{compress}.conf"));
        let server = &self.server;
        let text = format!(
            "<cb_config><options><starting_day>monday</starting_day>\
             <working_dir>{0}/work</working_dir><backup_user>root</backup_user>\
             <backup_group>root</backup_group><rcp_command>scp -B</rcp_command></options>\
             <storages><storage><name>disk</name><type>local</type><root>{0}/ours</root>\
             <create>Y</create></storage></storages><postgres_servers><server><name>main</name>\
             <conninfo>host={1} port={2} user={3} dbname=postgres</conninfo>\
             <storage>disk</storage><backup><compress>{compress}</compress></backup></server>\
             </postgres_servers></cb_config>\n",
            self.dir.display(),
            server.socket_dir().display(),
            server.port(),
            server.user(),
        );
        fs::write(&path, text).unwrap();
        format!("{} -c {} pg", program().display(), path.display())
    }

    /// Takes a backup.
    pub(crate) fn backup(&self, compress: &str, more: &str) {
        let call = self.configured(compress);
        measure(shell(&format!("{call} backup main --fast --no-wait {more}")));
    }

    /// Archives all WAL, so that the backups can be restored.
    pub(crate) fn archive(&self, compress: &str) {
        let call = self.configured(compress);
        let last = self.server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
        let begin =
            format!("grep -h begin_wal= {}/main/base/*/backup.info", self.path("ours").display());
        let line = format!(
            "first=$({begin} | cut -d= -f2); cd {}/pg_wal; for it in 0*; do if [[ ${{#it}} = 24 && \
             ! $it < $first && ! $it > {last} ]]; then {call} wal push main $PWD/$it; fi; done",
            self.data().display()
        );
        measure(shell(&line));
    }

    /// Bytes of all parts and manifests.
    pub(crate) fn stored(&self) -> u64 {
        fn walk(at: &Path) -> u64 {
            let entries = fs::read_dir(at).unwrap().map(|it| it.unwrap());
            let size = |it: fs::DirEntry| {
                let meta = it.metadata().unwrap();
                if meta.is_dir() { walk(&it.path()) } else { meta.len() }
            };
            entries.map(size).sum()
        }
        walk(&self.path("ours/main/base"))
    }

    /// Removes all backups but the first.
    pub(crate) fn remove_last(&self) {
        let entries = fs::read_dir(self.path("ours/main/base")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().skip(1) {
            fs::remove_dir_all(path).unwrap();
        }
    }

    /// Changes a row on each hundredth page.
    pub(crate) fn change(&self) {
        for (table, set) in
            [("pgbench_accounts", "abalance = abalance + 1"), ("large", "i = i + 1")]
        {
            let sql = format!(
                "UPDATE {table} SET {set} WHERE ctid = ANY (ARRAY(SELECT format('(%s,1)', \
                 b)::tid FROM generate_series(0, pg_relation_size('{table}') / 8192 - 1, 100) AS b))"
            );
            self.server.sql("bench", &sql);
        }
        self.settle();
    }

    /// Leaves one table, of three times the size, and nothing else.
    pub(crate) fn one_table(&self) {
        self.clean();
        self.server.sql("bench", "DROP TABLE pgbench_accounts; DROP TABLE large");
        self.large("alone", 3 * number("TABLE", TABLE));
        self.settle();
    }
}

/// What the environment says, as `HAYLOFT_BENCH_SCALE`.
fn number(name: &str, otherwise: u64) -> u64 {
    env::var(format!("HAYLOFT_BENCH_{name}")).map_or(otherwise, |it| it.parse().unwrap())
}
