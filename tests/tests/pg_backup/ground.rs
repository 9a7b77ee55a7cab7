//! A server that archives, a storage, and a place where the server's account
//! may run the program.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use hayloft_tests::{
    Program,
    postgres::{Options, Postgres},
};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);
/// The plugins that are of use.
const PLUGINS: [&str; 8] = [
    "action_postgres_server",
    "compressor_gzip",
    "compressor_zstd",
    "encryptor_age",
    "encryptor_gpg",
    "hook_script",
    "storage_local",
    "storage_object_store",
];
/// What every configuration has.
const OPTIONS: &str = "
  <options>
    <starting_day>monday</starting_day><working_dir>$DIR/work</working_dir>
    <backup_user>root</backup_user><backup_group>root</backup_group>
    <rcp_command>scp -B</rcp_command>
  </options>";
/// One storage.
pub(crate) const ONE: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>disk</storage>
      <backup><part_size>4MB</part_size></backup></server>
  </postgres_servers>";
/// Two storages.
pub(crate) const TWO: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>other</name><type>local</type><root>$DIR/other</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo>
      <storage>disk</storage><storage>other</storage>
      <backup><part_size>4MB</part_size></backup></server>
  </postgres_servers>";

/// The place, with a running server.
pub(crate) struct Ground {
    pub(crate) server: Postgres,
    directory: tempfile::TempDir,
    owner: Option<(u32, u32)>,
}

impl Ground {
    /// Starts a server with checksums that archives into the storages of this
    /// configuration, in which `$DIR` is the place.
    pub(crate) fn new(configuration: &str) -> Self {
        Self::with(configuration, |it| it)
    }

    /// The same, with further settings of the server.
    pub(crate) fn with(configuration: &str, more: impl FnOnce(Options) -> Options) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hayloft-backup-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        install(directory.path());
        let path = directory.path().display();
        let push = format!("{path}/bin/hayloft -c {path}/hayloft.conf pg wal push main %p");
        let options = Postgres::options()
            .initdb("--data-checksums")
            .setting("archive_mode", "on")
            .setting("archive_command", &push);
        let server = more(options).start();
        let mut ground = Self { server, directory, owner: None };
        ground.belong();
        ground.configure(configuration);
        ground
    }

    fn belong(&mut self) {
        if rustix::process::geteuid().is_root() {
            let data = fs::metadata(self.server.data_dir()).unwrap();
            self.owner = Some((data.uid(), data.gid()));
            self.give(self.dir());
        }
    }

    pub(crate) fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.owner {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    pub(crate) fn configure(&self, configuration: &str) {
        let conninfo = format!(
            "host={} port={} user={} dbname=postgres",
            self.server.socket_dir().display(),
            self.server.port(),
            self.server.user()
        );
        let text = self.expand(&format!("{OPTIONS}{configuration}"));
        let text = text.replace("$CONNINFO", &conninfo);
        fs::write(self.path("hayloft.conf"), format!("<cb_config>{text}\n</cb_config>\n")).unwrap();
    }

    pub(crate) fn expand(&self, text: &str) -> String {
        text.replace("$DIR", self.dir().to_str().unwrap())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir().join(name)
    }

    /// Makes a configuration with the same storages and another working
    /// directory: that of another machine.
    pub(crate) fn second_machine(&self) {
        let text = fs::read_to_string(self.path("hayloft.conf")).unwrap();
        fs::write(self.path("second.conf"), text.replace("/work<", "/second<")).unwrap();
    }

    /// Lets the server archive that did not.
    pub(crate) fn archives_again(&self) {
        let path = self.dir().display();
        let push = format!("{path}/bin/hayloft -c {path}/hayloft.conf pg wal push main %p");
        self.sql(&format!("ALTER SYSTEM SET archive_command = '{push}'"));
        self.sql("SELECT pg_reload_conf()");
    }

    /// Prepares `hayloft pg …` under the server's account.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_of("hayloft.conf", words)
    }

    /// The same with another configuration.
    pub(crate) fn command_of(&self, configuration: &str, words: &[&str]) -> Command {
        let mut command = self.program(configuration);
        command.arg("pg").args(words.iter().map(|it| self.expand(it)));
        command
    }

    /// Prepares `hayloft …` under the server's account.
    pub(crate) fn program(&self, configuration: &str) -> Command {
        let mut command = Command::new(self.path("bin/hayloft"));
        command.arg("-c").arg(self.path(configuration));
        command.current_dir(self.dir()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in ["HAYLOFT_CONFIG", "HAYLOFT_LOG", "HAYLOFT_PLUGIN_PATH"] {
            command.env_remove(name);
        }
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs `hayloft pg …`.
    pub(crate) fn pg(&self, words: &[&str]) -> Ended {
        Ended::of(&self.command(words).output().unwrap())
    }

    /// Takes a backup that must succeed; returns its id.
    pub(crate) fn backup(&self, more: &[&str]) -> String {
        let words = [&["backup", "main", "--fast", "--json"], more].concat();
        self.pg(&words).exits(0).json()["id"].as_str().unwrap().to_owned()
    }

    /// Reads `backup.info`.
    pub(crate) fn info(&self, storage: &str, id: &str) -> String {
        let path = self.path(format!("{storage}/main/base/{id}/backup.info"));
        // Not yet there in the first moment.
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Tells how far the only backup, or the latest, is.
    pub(crate) fn status(&self, storage: &str) -> String {
        let ids = self.ids(storage);
        let info = self.info(storage, ids.last().unwrap());
        let line = info.lines().find(|it| it.starts_with("status=")).unwrap();
        line["status=".len()..].to_owned()
    }

    /// The backups in a storage, oldest first.
    pub(crate) fn ids(&self, storage: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(format!("{storage}/main/base")));
        let names = entries.into_iter().flatten().map(|it| it.unwrap().file_name());
        let mut names: Vec<String> = names.map(|it| it.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The parts of a backup.
    pub(crate) fn parts(&self, storage: &str, id: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(format!("{storage}/main/base/{id}/data")));
        let paths = entries.into_iter().flatten().map(|it| it.unwrap().path());
        let mut paths: Vec<PathBuf> = paths.collect();
        paths.sort();
        paths
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql("postgres", sql)
    }

    /// Ends the segment and waits until everything is archived.
    pub(crate) fn archive_all(&self) {
        self.sql("CREATE TABLE IF NOT EXISTS switched (at timestamptz)");
        self.sql("INSERT INTO switched VALUES (now())");
        let last = self.sql("SELECT pg_walfile_name(pg_switch_wal())");
        let object = self.path(format!("disk/main/wals/{}/{last}.zst", &last[..16]));
        wait_for(&format!("the archiving of {last}"), || object.exists());
    }
}

fn install(directory: &Path) {
    let (program, bin) = (Program::find(), directory.join("bin"));
    fs::create_dir(&bin).unwrap();
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
    let files = PLUGINS.map(|it| program.plugin(it)).into_iter().chain([program.path()]);
    for file in files {
        let to = bin.join(file.file_name().unwrap());
        if fs::hard_link(&file, &to).is_err() {
            fs::copy(&file, &to).unwrap();
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Waits until something holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come about");
        thread::sleep(Duration::from_millis(20));
    }
}
