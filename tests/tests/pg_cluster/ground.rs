//! A place for clusters of a test's own, which end with it.

use std::{
    cell::RefCell,
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use hayloft_tests::{
    Output, Sandbox,
    postgres::{Programs, version},
};

/// Whom clusters belong to where the tests run as root.
const OWNER: &str = "nobody";
/// The ports of the sockets: each cluster has one of its own, and its own
/// directory besides.
static PORT: AtomicU32 = AtomicU32::new(40_000);

/// The place.
pub(crate) struct Ground {
    pub(crate) sandbox: Sandbox,
    pub(crate) programs: Programs,
    home: tempfile::TempDir,
    clusters: RefCell<Vec<PathBuf>>,
}

impl Ground {
    /// With the server that Debian has.
    pub(crate) fn new() -> Self {
        Self::of(version(15))
    }

    pub(crate) fn of(programs: Programs) -> Self {
        // Others must get through, and the path of a socket is short.
        let home = tempfile::Builder::new()
            .prefix("hayloft-cl-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .unwrap();
        Self { sandbox: Sandbox::new(), programs, home, clusters: RefCell::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The names there.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Runs `hayloft pg cluster …`.
    pub(crate) fn pg(&self, arguments: &[&str]) -> Output {
        self.sandbox.run(&[&["pg", "cluster"], arguments].concat())
    }

    /// The arguments of `init` for a cluster.
    pub(crate) fn init_arguments(&self, name: &str, more: &[&str]) -> Vec<String> {
        let data = self.path(name);
        self.clusters.borrow_mut().push(data.clone());
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        let mut all: Vec<String> = ["pg", "cluster", "init"].map(ToOwned::to_owned).into();
        all.push(data.display().to_string());
        all.push(format!("--bin-dir={}", self.programs.directory().display()));
        all.extend(["--no-sync", "--username=postgres", "--no-locale"].map(ToOwned::to_owned));
        if is_root() {
            all.push(format!("--owner={OWNER}"));
        }
        if !more.iter().any(|it| it.starts_with("--auth-local")) {
            all.push("--auth-local=trust".into());
        }
        for setting in [
            format!("port={port}"),
            format!("unix_socket_directories={}", data.display()),
            "listen_addresses=".into(),
            "shared_buffers=16MB".into(),
            "fsync=off".into(),
        ] {
            all.push(format!("--set={setting}"));
        }
        all.extend(more.iter().map(ToString::to_string));
        all
    }

    /// Makes a cluster.
    pub(crate) fn cluster(&self, name: &str) -> PathBuf {
        self.cluster_with(name, &[])
    }

    pub(crate) fn cluster_with(&self, name: &str, more: &[&str]) -> PathBuf {
        let arguments = self.init_arguments(name, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.sandbox.ok(&arguments);
        self.path(name)
    }

    /// Prepares `initdb` itself, as the clusters' owner.
    pub(crate) fn initdb(&self, data: &Path) -> Command {
        fs::create_dir(data).unwrap();
        own(data);
        self.clusters.borrow_mut().push(data.to_owned());
        let mut command = Command::new(self.programs.path("initdb"));
        command.args(["--no-sync", "--username=postgres", "--no-locale", "--auth=trust"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = owner() {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/");
        command
    }

    /// Starts a cluster that has no settings of ours.
    pub(crate) fn started_directly(&self, data: &Path) {
        let socket = format!("unix_socket_directories={}", data.display());
        let sets = [socket.as_str(), "listen_addresses=", "shared_buffers=16MB", "fsync=off"];
        let sets = sets.map(|it| format!("--set={it}"));
        let bin = text(self.programs.directory());
        let mut arguments = vec!["start", text(data), "--bin-dir", bin];
        arguments.extend(sets.iter().map(String::as_str));
        self.pg(&arguments).exits(0);
    }

    /// Makes a copy of a stopped cluster, with a port and a socket of its own.
    pub(crate) fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.path(name);
        self.clusters.borrow_mut().push(to.clone());
        let status = Command::new("cp").arg("-a").arg(from).arg(&to).status().unwrap();
        assert!(status.success());
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        let socket = to.display();
        Self::configure(&to, &format!("port = {port}\nunix_socket_directories = '{socket}'\n"));
        to
    }

    /// Adds to a cluster's configuration.
    pub(crate) fn configure(data: &Path, text: &str) {
        let path = data.join("conf.d/00-hayloft.conf");
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Returns the port that a cluster was made with.
    pub(crate) fn port_of(data: &Path) -> u32 {
        let text = fs::read_to_string(data.join("conf.d/00-hayloft.conf")).unwrap();
        let line = text.lines().find_map(|it| it.strip_prefix("port = '")).unwrap();
        line.trim_end_matches('\'').parse().unwrap()
    }

    /// Makes an empty file of the cluster's owner.
    pub(crate) fn touch(path: &Path) {
        fs::write(path, "").unwrap();
        own(path);
    }

    pub(crate) fn start(&self, data: &Path) -> Output {
        self.pg(&["start", text(data), "--bin-dir", text(self.programs.directory())])
    }

    pub(crate) fn started(&self, data: &Path) {
        let output = self.start(data);
        assert_eq!(output.code, Some(0), "{output}{}", Self::log(data));
    }

    pub(crate) fn stop(&self, data: &Path) -> Output {
        self.pg(&["stop", text(data)])
    }

    pub(crate) fn log(data: &Path) -> String {
        fs::read_to_string(data.join("server.log")).unwrap_or_default()
    }

    /// `status --json`.
    pub(crate) fn status(&self, data: &Path) -> serde_json::Value {
        self.pg(&["status", text(data), "--json"]).json()
    }

    pub(crate) fn state(&self, data: &Path) -> String {
        self.status(data)["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self, data: &Path) -> u32 {
        let status = self.status(data);
        let pid = status["pid"].as_u64().unwrap_or_else(|| panic!("no pid in {status}"));
        u32::try_from(pid).unwrap()
    }

    /// What libpq needs for a running cluster.
    pub(crate) fn conninfo(&self, data: &Path) -> String {
        let port = self.status(data)["port"].as_u64().unwrap();
        format!("host={} port={port} user=postgres dbname=postgres", data.display())
    }

    pub(crate) fn sql(&self, data: &Path, sql: &str) -> String {
        let conninfo = self.conninfo(data);
        let mut psql = Command::new(self.programs.path("psql"));
        let output = psql.args(["-XAtq", "-d", &conninfo, "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts a program as the clusters' owner.
    pub(crate) fn innocent() -> Child {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null());
        if let Some((uid, gid)) = owner() {
            command.uid(uid).gid(gid);
        }
        command.spawn().unwrap()
    }

    /// Writes a pid file as a server would.
    pub(crate) fn forge(data: &Path, pid: i64) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let text = format!(
            "{pid}\n{0}\n{1}\n40000\n{0}\n\n   1234567    999999\nready   \n",
            data.display(),
            now.as_secs()
        );
        Self::forge_text(data, &text);
    }

    pub(crate) fn forge_text(data: &Path, text: &str) {
        let path = data.join("postmaster.pid");
        fs::write(&path, text).unwrap();
        own(&path);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for data in self.clusters.borrow().iter().filter(|it| it.is_dir()) {
            self.pg(&["stop", text(data), "--mode", "immediate", "--direct"]);
        }
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Gives something to the clusters' owner.
pub(crate) fn own(path: &Path) {
    if let Some((uid, gid)) = owner() {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn owner() -> Option<(u32, u32)> {
    let number = |which: &str| {
        let output = Command::new("id").args([which, OWNER]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    is_root().then(|| (number("-u"), number("-g")))
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default().trim_start().to_owned();
    !after.is_empty() && !after.starts_with('Z')
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("never came true: {what}");
}
