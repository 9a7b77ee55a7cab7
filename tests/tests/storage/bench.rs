//! A configuration with a storage of each kind, and the command in it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Behaviour, S3Server, SECRET_KEY};
use hayloft_tests::{Output, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

const CONFIGURATION: &str = "\
<cb_config>
  <options>
    <starting_day>monday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <storages>
    <storage>
      <name>disk</name><type>local</type><root>$SANDBOX/objects</root>
    </storage>
    <storage>
      <name>bucket</name><type>s3</type><bucket>BUCKET</bucket><endpoint>ENDPOINT</endpoint>
      <access_key_id>ACCESS_KEY</access_key_id><password_file>$SANDBOX/secret</password_file>MORE
    </storage>
  </storages>
</cb_config>
";

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) server: S3Server,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Behaviour::default())
    }

    pub(crate) fn with(behaviour: Behaviour) -> Self {
        let (sandbox, server) = (Sandbox::new(), S3Server::with(behaviour));
        for directory in ["work", "objects"] {
            sandbox.dir(directory);
        }
        let bench = Self { sandbox, server };
        bench.configure(&bench.server.endpoint());
        bench
    }

    /// Writes the configuration, with the bucket at that endpoint.
    pub(crate) fn configure(&self, endpoint: &str) {
        self.configure_with(endpoint, "");
    }

    /// The same, with more elements for the bucket.
    pub(crate) fn configure_with(&self, endpoint: &str, more: &str) {
        use std::os::unix::fs::PermissionsExt;
        let secret = self.sandbox.write("secret", SECRET_KEY);
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        let text = CONFIGURATION
            .replace("BUCKET", BUCKET)
            .replace("ENDPOINT", endpoint)
            .replace("ACCESS_KEY", ACCESS_KEY)
            .replace("MORE", more);
        self.sandbox.write("h.conf", &text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.sandbox.command(&[&["-c", "h.conf", "storage"], arguments].concat())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.run(&[&["-c", "h.conf", "storage"], arguments].concat())
    }

    /// Runs the command, which must end well.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Output {
        self.run(arguments).exits(0)
    }

    /// Runs the command, and answers what it asks.
    pub(crate) fn answered(&self, arguments: &[&str], answer: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        self.sandbox.wait(child)
    }

    /// Puts an object into a storage, past the program.
    pub(crate) fn place(&self, storage: &str, key: &str, content: &[u8]) {
        if storage == "bucket" {
            return self.server.place(key, content.to_vec());
        }
        let path = self.sandbox.path("objects").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Returns the keys of all objects, past the program.
    pub(crate) fn keys(&self, storage: &str) -> Vec<String> {
        if storage == "bucket" {
            return self.server.objects().into_keys().collect();
        }
        let root = self.sandbox.path("objects");
        let mut files = Vec::new();
        gather(&root, &mut files);
        let key = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let mut keys: Vec<String> = files.iter().map(key).collect();
        keys.retain(|it| !it.starts_with(".hayloft-staging/"));
        keys.sort();
        keys
    }

    /// Returns the content of an object, past the program.
    pub(crate) fn content(&self, storage: &str, key: &str) -> Vec<u8> {
        if storage == "bucket" {
            return self.server.objects()[key].content.to_vec();
        }
        fs::read(self.sandbox.path("objects").join(key)).unwrap()
    }

    /// Returns what is half written in the directory.
    pub(crate) fn staged(&self) -> Vec<String> {
        let staging = self.sandbox.path("objects/.hayloft-staging");
        let mut names = if staging.is_dir() {
            self.sandbox.names("objects/.hayloft-staging")
        } else {
            Vec::new()
        };
        names.retain(|it| it != "lock");
        names
    }
}

/// Returns the most memory that a process or one of its children has had so
/// far, in bytes.
pub(crate) fn peak_memory(child: &Child) -> u64 {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let family = children.split_whitespace().map(ToOwned::to_owned).chain([pid.to_string()]);
    let peak = |pid: String| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    family.map(peak).max().unwrap()
}

/// Waits until something is the case.
pub(crate) fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not come to be");
}

/// Ends the program and its workers at once, as a power cut would.
pub(crate) fn kill_family(child: &mut Child) {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    // The workers first: they would notice the end of the program.
    for worker in children.split_whitespace() {
        let worker = Pid::from_raw(worker.parse().unwrap()).unwrap();
        kill_process(worker, Signal::KILL).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else {
            files.push(path);
        }
    }
}
