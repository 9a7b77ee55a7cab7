//! A server, a configuration for it, and receivers.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hayloft_postgres::wal::{Lsn, SegmentName, SegmentSize, TimelineId};
use hayloft_tests::{
    Output, Sandbox, chaos,
    postgres::{Options, Postgres},
};
use rustix::process::{Pid, Signal, kill_process};

/// The arguments of a receiver.
const RECEIVE: &[&str] = &["-v", "--config", "hayloft.xml", "pg", "wal", "receive", "main"];
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for something that must come.
pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server whose WAL all stays, to be compared with.
pub(crate) fn keeping() -> Options {
    Postgres::options().setting("wal_keep_size", "4GB").setting("max_wal_size", "8GB")
}

/// The connection string of a server.
pub(crate) fn conninfo(server: &Postgres) -> String {
    let directory = server.socket_dir();
    format!("host={} port={} user=postgres", directory.display(), server.port())
}

/// A configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
    sections: String,
}

impl Setting {
    /// Makes one for a server, with a slot that is made if need be.
    pub(crate) fn new(server: &Postgres) -> Self {
        let slot = "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>";
        Self::with(&conninfo(server), slot)
    }

    /// Makes one with these elements.
    pub(crate) fn with(conninfo: &str, elements: &str) -> Self {
        Self::with_sections(conninfo, elements, "")
    }

    /// Makes one with these elements, and more sections.
    pub(crate) fn with_sections(conninfo: &str, elements: &str, sections: &str) -> Self {
        let sandbox = Sandbox::new();
        for directory in ["work", "archive", "collect"] {
            sandbox.dir(directory);
        }
        let it = Self { sandbox, sections: sections.to_owned() };
        it.configure(conninfo, elements);
        it
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, conninfo: &str, elements: &str) {
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
      <conninfo>{conninfo} dbname=postgres</conninfo>
      <streaming_archiver>Y</streaming_archiver>
      <storage>disk</storage>
      <wal><compress>none</compress></wal>
      {elements}
    </server>
  </postgres_servers>
  {}
</cb_config>
",
            self.sections
        );
        self.sandbox.write("hayloft.xml", &text);
    }

    /// Runs `hayloft pg …`.
    pub(crate) fn pg(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--config", "hayloft.xml", "pg"];
        all.extend(arguments);
        self.sandbox.run(&all)
    }

    /// Starts a receiver.
    pub(crate) fn receive(&self, arguments: &[&str]) -> Receiver {
        self.receive_in(arguments, &[])
    }

    /// Starts one with these variables too.
    pub(crate) fn receive_in(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Receiver {
        let mut command = self.sandbox.command(&[RECEIVE, arguments].concat());
        command.envs(variables.iter().copied());
        self.start(command)
    }

    /// Starts one that has a small disk for what it receives; the disk goes
    /// away with it.
    pub(crate) fn receive_on_a_small_disk(&self, size: &str) -> Receiver {
        const SCRIPT: &str = "mount -t tmpfs -o \"size=$0,mode=700\" small \"$1\" || exit 99\n\
                              shift; exec \"$@\"";
        let command = self.sandbox.command(RECEIVE);
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, size]);
        unshare.arg(self.streaming()).arg(command.get_program()).args(command.get_args());
        unshare.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => unshare.env(name, value),
                None => unshare.env_remove(name),
            };
        }
        self.start(unshare)
    }

    fn start(&self, mut command: Command) -> Receiver {
        let path = self.sandbox.path("receive.log");
        let log = File::create(&path).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Receiver { child: Some(command.spawn().unwrap()), log: path }
    }

    /// Returns how many segments are archived.
    pub(crate) fn segments(&self) -> usize {
        self.archived().keys().filter(|it| it.len() == 24).count()
    }

    /// Receives everything that a server has until now, and archives it.
    pub(crate) fn catch_up(&self, server: &Postgres) -> Lsn {
        server.sql("postgres", "SELECT pg_switch_wal()");
        let end = position(server);
        let mut receiver = self.receive(&["--until", &end.to_string()]);
        assert_eq!(receiver.ends(), Some(0), "{}", receiver.says());
        end
    }

    pub(crate) fn streaming(&self) -> PathBuf {
        self.sandbox.path("work/postgres/main/streaming")
    }

    pub(crate) fn record(&self) -> serde_json::Value {
        let text = fs::read(self.streaming().join(".receive.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Returns the archived files, by their names.
    pub(crate) fn archived(&self) -> BTreeMap<String, PathBuf> {
        let mut all = BTreeMap::new();
        gather(&self.sandbox.path("archive/main/wals"), &mut all);
        all
    }

    /// Demands that every whole segment from one position to another is
    /// archived, and is what the server has.
    pub(crate) fn compare(
        &self,
        server: &Postgres,
        timeline: TimelineId,
        from: Lsn,
        to: Lsn,
    ) -> usize {
        let size = segment_size(server);
        let archived = self.archived();
        let (mut at, to) = (from, segment_start(to, size));
        let mut count = 0;
        while at < to {
            let name = SegmentName::containing(at, timeline, size).to_string();
            let ours = archived.get(&name).unwrap_or_else(|| panic!("{name} is not archived"));
            same(ours, &server.data_dir().join("pg_wal").join(&name));
            at = Lsn::new(at.bytes() - at.offset(size) + size.bytes());
            count += 1;
        }
        count
    }
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

pub(crate) fn same(ours: &Path, theirs: &Path) {
    let (a, b) = (fs::read(ours).unwrap(), fs::read(theirs).unwrap());
    assert_eq!(a.len(), b.len(), "{}", ours.display());
    let differs = a.iter().zip(&b).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{} differs", ours.display());
}

/// Where the server is.
pub(crate) fn position(server: &Postgres) -> Lsn {
    server.sql("postgres", "SELECT pg_current_wal_flush_lsn()").parse().unwrap()
}

pub(crate) fn segment_size(server: &Postgres) -> SegmentSize {
    server.sql("postgres", "SHOW wal_segment_size").parse().unwrap()
}

/// The beginning of the segment with a position.
pub(crate) fn segment_start(lsn: Lsn, size: SegmentSize) -> Lsn {
    Lsn::new(lsn.bytes() - lsn.offset(size))
}

/// What the slot keeps WAL from: what the server was told is safe.
pub(crate) fn told(server: &Postgres) -> Option<Lsn> {
    let sql = "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'hayloft'";
    server.sql("postgres", sql).parse().ok()
}

/// A receiver; it is ended when it is dropped.
pub(crate) struct Receiver {
    child: Option<Child>,
    log: PathBuf,
}

impl Receiver {
    /// What it has said so far.
    pub(crate) fn says(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said something.
    pub(crate) fn until_it_says(&mut self, text: &str) -> &Self {
        let began = Instant::now();
        while !self.says().contains(text) {
            let child = self.child.as_mut().unwrap();
            let late = began.elapsed() > PATIENCE || child.try_wait().unwrap().is_some();
            assert!(
                !late || self.says().contains(text),
                "{text:?} does not come:\n{}",
                self.says()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    pub(crate) fn is_streaming(&mut self) -> &Self {
        self.until_it_says("streaming timeline")
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            if began.elapsed() > PATIENCE {
                chaos::power_cut(&mut child);
                panic!("it does not end:\n{}", self.says());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        let id = self.child.as_ref().unwrap().id();
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }

    /// Sends a signal, and waits for its end.
    pub(crate) fn is_told(&mut self, signal: Signal) -> Option<i32> {
        kill_process(self.pid(), signal).unwrap();
        self.ends()
    }

    /// Ends it as a power cut would, but that the system lives on.
    pub(crate) fn is_killed(&mut self) {
        if let Some(mut child) = self.child.take() {
            chaos::power_cut(&mut child);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_killed();
    }
}

/// `pgbench` at work; it is ended when it is dropped.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(server: &Postgres, database: &str) -> Self {
        let mut command = server.command("pgbench");
        command.args(["--no-vacuum", "--client=2", "--time=600", database]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
