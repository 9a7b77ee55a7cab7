//! A place where the account of a server may run the program, and where its
//! WAL goes.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use hayloft_tests::{
    Program, fixture,
    postgres::{Options, Postgres},
};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);
/// The plugins that are of use for WAL.
const PLUGINS: [&str; 11] = [
    "action_postgres_server",
    "compressor_bzip2",
    "compressor_gzip",
    "compressor_lz4",
    "compressor_xz",
    "compressor_zstd",
    "encryptor_age",
    "encryptor_gpg",
    "hook_script",
    "storage_local",
    "storage_object_store",
];
/// What is between the elements `cb_config`, unless a test says otherwise.
pub(crate) const PLAIN: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>disk</storage><wal><spool>$DIR/spool</spool></wal></server>
  </postgres_servers>";

/// The place. It belongs to the account of the server.
pub(crate) struct Ground {
    directory: tempfile::TempDir,
    owner: Option<(u32, u32)>,
}

impl Ground {
    /// Makes a place with this configuration, in which `$DIR` is the place.
    pub(crate) fn new(configuration: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hayloft-wal-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let ground = Self { directory, owner: None };
        ground.install();
        ground.configure(configuration);
        ground
    }

    /// Gives the place to a server's account.
    pub(crate) fn belong_to(&mut self, server: &Postgres) {
        use std::os::unix::fs::MetadataExt;
        let data = fs::metadata(server.data_dir()).unwrap();
        if rustix::process::geteuid().is_root() {
            self.owner = Some((data.uid(), data.gid()));
            chown(self.dir(), Some(data.uid()), Some(data.gid())).unwrap();
        }
    }

    /// The program lies where others can run it.
    fn install(&self) {
        let (program, bin) = (Program::find(), self.path("bin"));
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

    /// Adds a plugin of the fixtures.
    pub(crate) fn add_fixture(&self, name: &str) {
        let file = fixture::build(name);
        fs::copy(&file, self.path("bin").join(file.file_name().unwrap())).unwrap();
    }

    pub(crate) fn configure(&self, configuration: &str) {
        let text = format!("<cb_config>{}\n</cb_config>\n", self.expand(configuration));
        fs::write(self.path("hayloft.conf"), text).unwrap();
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

    /// Gives a file or directory to the server's account.
    pub(crate) fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.owner {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Returns a command line for the server's configuration.
    pub(crate) fn line(&self, words: &str) -> String {
        self.expand(&format!("$DIR/bin/hayloft -c $DIR/hayloft.conf pg wal {words}"))
    }

    /// Prepares `hayloft pg wal …` under the server's account.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.path("bin/hayloft"));
        command.arg("-c").arg(self.path("hayloft.conf")).args(["pg", "wal"]).args(words);
        command.current_dir(self.dir()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in ["HAYLOFT_CONFIG", "HAYLOFT_LOG", "HAYLOFT_PLUGIN_PATH"] {
            command.env_remove(name);
        }
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs `hayloft pg wal …`.
    pub(crate) fn wal(&self, words: &[&str]) -> Ended {
        Ended::of(&self.command(words).output().unwrap())
    }

    /// Makes a secret key for age in a file, and returns the public one.
    pub(crate) fn age_key(&self, name: &str) -> String {
        let file = self.path(name);
        let output = Command::new("age-keygen").arg("-o").arg(&file).stderr(Stdio::null()).output();
        assert!(output.unwrap().status.success());
        let output = Command::new("age-keygen").arg("-y").arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs `hayloft pg wal …` by the script `shifted`.
    pub(crate) fn shifted(&self, words: &[&str]) -> Ended {
        let plain = self.command(words);
        let mut command = Command::new("sh");
        command.arg(self.path("shifted")).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.dir()).stdin(Stdio::null());
        Ended::of(&command.output().unwrap())
    }

    /// Fetches a file and returns its content.
    pub(crate) fn fetch(&self, name: &str) -> Vec<u8> {
        let to = self.path(format!("fetched-{name}"));
        self.wal(&["get", "main", name, to.to_str().unwrap()]).exits(0);
        let content = fs::read(&to).unwrap();
        fs::remove_file(&to).unwrap();
        content
    }

    /// Returns the names of all files in a storage's directory, in order.
    pub(crate) fn stored(&self, root: &str) -> Vec<String> {
        let mut found = Vec::new();
        gather(&self.path(root), &mut found);
        let root = self.path(root);
        let below = |it: &PathBuf| it.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = found.iter().map(below).collect();
        names.retain(|it| !it.starts_with('.'));
        names.sort();
        names
    }

    /// The settings of a server that archives here.
    pub(crate) fn archiving(&self) -> Options {
        Postgres::options()
            .setting("archive_mode", "on")
            .setting("archive_command", &self.line("push main %p"))
            .setting("wal_keep_size", "4GB")
            .setting("max_wal_size", "4GB")
            .setting("full_page_writes", "on")
    }
}

fn gather(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { gather(&path, found) } else { found.push(path) }
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
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code(), stdout, stderr }
    }

    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "{text:?} is not in:\n{}", self.stdout);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
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

/// Ends the segment and waits until everything is archived; returns the name
/// of the last one.
pub(crate) fn archive_all(server: &Postgres) -> String {
    server.sql("postgres", "CREATE TABLE IF NOT EXISTS switched (at timestamptz)");
    server.sql("postgres", "INSERT INTO switched VALUES (now())");
    let last = server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
    wait_for(&format!("the archiving of {last}"), || {
        waiting(server).is_empty() && done(server).contains(&last)
    });
    last
}

fn states(server: &Postgres, state: &str) -> Vec<String> {
    let entries = fs::read_dir(server.data_dir().join("pg_wal/archive_status")).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter_map(|it| it.strip_suffix(state).map(ToOwned::to_owned)).collect();
    names.sort();
    names
}

/// The files that the server was told are archived.
pub(crate) fn done(server: &Postgres) -> Vec<String> {
    states(server, ".done")
}

/// The files that wait for being archived.
pub(crate) fn waiting(server: &Postgres) -> Vec<String> {
    states(server, ".ready")
}

/// Every file that the server was told is archived can be had, and is the one
/// that the server has.
pub(crate) fn check_archive(ground: &Ground, server: &Postgres) -> usize {
    let mut checked = 0;
    for name in done(server) {
        let Ok(expected) = fs::read(server.data_dir().join("pg_wal").join(&name)) else {
            // The server has removed it: labels of backups go early.
            continue;
        };
        let found = ground.fetch(&name);
        assert!(found == expected, "{name} is another one in the archive");
        checked += 1;
    }
    checked
}
