//! WAL of a real server, and a configuration for what becomes of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant, SystemTime},
};

use hayloft_tests::{Output, Sandbox, postgres::Postgres};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server with small segments, and so many of them that are whole.
pub(crate) fn server(segments: usize) -> (Postgres, Vec<PathBuf>) {
    let server = Postgres::options()
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "4GB")
        .setting("max_wal_size", "8GB")
        .start();
    let whole = make_segments(&server, segments);
    (server, whole)
}

/// Makes WAL until there are so many whole segments, and returns them.
pub(crate) fn make_segments(server: &Postgres, segments: usize) -> Vec<PathBuf> {
    server.sql("postgres", "CREATE TABLE IF NOT EXISTS w (i int)");
    loop {
        server.sql("postgres", "INSERT INTO w SELECT generate_series(1, 1000)");
        let now = "SELECT pg_walfile_name(pg_switch_wal())";
        let last = server.sql("postgres", now);
        let mut whole: Vec<PathBuf> = fs::read_dir(server.data_dir().join("pg_wal"))
            .unwrap()
            .map(|it| it.unwrap().path())
            .filter(|it| {
                let name = it.file_name().unwrap().to_str().unwrap();
                name.len() == 24 && name <= last.as_str()
            })
            .collect();
        whole.sort();
        if whole.len() >= segments {
            whole.truncate(segments);
            return whole;
        }
    }
}

/// A configuration of a server that need not run.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self::with("", "")
    }

    /// Makes one with more elements of the server, and more sections.
    pub(crate) fn with(elements: &str, sections: &str) -> Self {
        let sandbox = Sandbox::new();
        for directory in ["work/postgres/main/incoming", "archive", "collect"] {
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
    <storage><name>disk</name><type>local</type><root>$SANDBOX/archive</root></storage>
  </storages>
  <postgres_servers>
    <server>
      <name>main</name>
      <archiver>Y</archiver>
      <storage>disk</storage>
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

    /// Runs `hayloft pg wal archive main …`.
    pub(crate) fn archive(&self, arguments: &[&str]) -> Output {
        self.sandbox.run(&[ARCHIVE, arguments].concat())
    }

    /// Starts it.
    pub(crate) fn spawn(&self) -> Child {
        self.sandbox.spawn(ARCHIVE)
    }

    /// Runs it and returns what came of it.
    pub(crate) fn tally(&self, code: i32) -> serde_json::Value {
        let json = self.archive(&["--json"]).exits(code).json();
        json["servers"][0]["tally"].clone()
    }

    pub(crate) fn incoming(&self) -> PathBuf {
        self.sandbox.path("work/postgres/main/incoming")
    }

    pub(crate) fn streaming(&self) -> PathBuf {
        self.sandbox.path("work/postgres/main/streaming")
    }

    /// Puts a file among what comes in.
    pub(crate) fn bring(&self, file: &Path) -> PathBuf {
        let to = self.incoming().join(file.file_name().unwrap());
        fs::copy(file, &to).unwrap();
        to
    }

    /// The names of files that wait.
    pub(crate) fn left(&self) -> Vec<String> {
        visible(&self.incoming())
    }

    /// The names of files in the errors.
    pub(crate) fn errors(&self) -> Vec<String> {
        visible(&self.sandbox.path("work/postgres/main/errors"))
    }

    /// The archived files, by their names.
    pub(crate) fn archived(&self) -> BTreeMap<String, PathBuf> {
        let mut all = BTreeMap::new();
        gather(&self.sandbox.path("archive/main/wals"), &mut all);
        all
    }

    /// Demands that these files are archived as they are.
    pub(crate) fn has(&self, files: &[PathBuf]) {
        let archived = self.archived();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let ours = archived.get(name).unwrap_or_else(|| panic!("{name} is not archived"));
            assert!(fs::read(ours).unwrap() == fs::read(file).unwrap(), "{name} differs");
        }
    }
}

const ARCHIVE: &[&str] = &["-v", "--config", "hayloft.xml", "pg", "wal", "archive", "main"];

/// The names that are not hidden, sorted.
pub(crate) fn visible(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|it| !it.starts_with('.')).collect();
    names.sort();
    names
}

fn gather(directory: &Path, all: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, all);
        } else {
            all.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path);
        }
    }
}

/// Makes a file look as if it was written so long ago.
pub(crate) fn age(path: &Path, by: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}
