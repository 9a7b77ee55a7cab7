//! A scratch SSH server for tests, on loopback: never one that is already
//! there.
//!
//! It has host keys, a configuration and an authorised key of its own, and needs
//! no privilege: one who is not root logs in as himself. Root makes a user
//! without rights who may log in, `hayloft-login`; the server runs as that user,
//! and `su hayloft-login` leads to it.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose server does not work must fail, and say why"
)]

use std::{
    env, fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    Sandbox,
    postgres::{account::Account, place::free_port},
};

/// The user whom root makes.
const NAME: &str = "hayloft-login";

/// A running scratch server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Sshd {
    child: Option<Child>,
    directory: TempDir,
    account: Account,
    port: u16,
}

impl Sshd {
    /// Starts a server that lets its one key do everything.
    pub fn start() -> Self {
        let account = Account::named(NAME, "/bin/sh");
        let directory = tempfile::Builder::new()
            .prefix("hayloft-ssh-")
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir()
            .expect("the temporary directory is writable");
        let mut it = Self { child: None, directory, account, port: free_port() };
        it.account.own(it.directory.path());
        it.make_key("host");
        it.make_key("key");
        it.write("known_hosts", &format!("[127.0.0.*]:{} {}", it.port, it.public("host")));
        it.write("authorized_keys", &it.public("key"));
        it.write_config();
        it.start_again();
        it
    }

    /// Starts it again after [`Sshd::stop`].
    pub fn start_again(&mut self) {
        let log = fs::File::create(self.at("log")).expect("our own directory is writable");
        // It ends with us, however we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(find("sshd")).args(["-D", "-e", "-f"]);
        command.arg(self.at("sshd_config")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.account.become_in(&mut command);
        self.child = Some(command.spawn().expect("setpriv (package util-linux) can be started"));
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("sshd does not answer:\n{}", self.log());
    }

    /// Returns the port that it listens on, at 127.0.0.1 to 127.0.0.8.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the user to log in as, who is the backup user too.
    pub fn user(&self) -> String {
        match self.account {
            Account::Own => id("-un"),
            Account::Scratch { .. } => NAME.to_owned(),
        }
    }

    /// Returns that user's group.
    pub fn group(&self) -> String {
        match self.account {
            Account::Own => id("-gn"),
            Account::Scratch { .. } => NAME.to_owned(),
        }
    }

    /// Returns the command that copies files, with all that it needs to reach
    /// this server alone. `more` are further options, such as `-O`.
    pub fn scp(&self, more: &str) -> String {
        format!("scp {more} -B -P {} {}", self.port, self.options())
    }

    /// Returns the command that runs others over there.
    pub fn ssh(&self) -> String {
        format!("ssh -n -o BatchMode=yes -p {} {}", self.port, self.options())
    }

    fn options(&self) -> String {
        format!(
            "-F none -i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={} \
             -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o LogLevel=ERROR",
            self.at("key").display(),
            self.at("known_hosts").display()
        )
    }

    /// Lets the key run nothing but these commands, word for word; a shell over
    /// there resolves their asterisks. What is asked for is kept, see
    /// [`Sshd::requests`].
    pub fn allow_only(&self, commands: &[String]) {
        let words: Vec<_> = commands.iter().map(|it| format!("'{it}'")).collect();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$SSH_ORIGINAL_COMMAND\" >> '{}'\n\
             case $SSH_ORIGINAL_COMMAND in\n  {}) ;;\n  *) echo refused >&2; exit 1 ;;\nesac\n\
             exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            self.at("requests").display(),
            words.join("|")
        );
        self.write("filter", &script);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.at("filter"), mode).expect("the file is ours");
        let key = self.public("key");
        let filter = self.at("filter");
        self.write("authorized_keys", &format!("command=\"{}\",no-pty {key}", filter.display()));
    }

    /// Returns the commands that the filter was asked for.
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("requests")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Lets the backup user reach a sandbox, and gives it these directories in
    /// it, which are made if need be.
    pub fn admit(&self, sandbox: &Sandbox, directories: &[&str]) {
        let open = fs::Permissions::from_mode(0o711);
        fs::set_permissions(sandbox.path(""), open).expect("the sandbox is ours");
        for directory in directories {
            self.own(&sandbox.dir(directory));
        }
    }

    /// Gives something to the backup user.
    pub fn own(&self, path: &Path) {
        self.account.own(path);
    }

    /// Ends the connections that are open now. The server goes on.
    pub fn break_connections(&self) {
        let server = self.child.as_ref().map_or(0, Child::id);
        descendants(server).into_iter().for_each(kill);
    }

    /// Stops the server, and ends all connections.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let sessions = descendants(child.id());
        kill(child.id());
        child.wait().expect("a child can be waited for");
        sessions.into_iter().for_each(kill);
    }

    /// Returns what the server has written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::write(&path, text).expect("our own directory is writable");
        self.account.own(&path);
    }

    fn make_key(&self, name: &str) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "scratch", "-f"]).arg(self.at(name));
        let output = command.output().expect("ssh-keygen (package openssh-client) is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.account.own(&self.at(name));
    }

    fn public(&self, name: &str) -> String {
        fs::read_to_string(self.at(&format!("{name}.pub"))).expect("the key was made")
    }

    fn write_config(&self) {
        // Several addresses, so that it can be several machines.
        let addresses: Vec<_> = (1..=8).map(|it| format!("ListenAddress 127.0.0.{it}\n")).collect();
        let text = format!(
            "{}Port {}\nHostKey {}\nAuthorizedKeysFile {}\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
            addresses.concat(),
            self.port,
            self.at("host").display(),
            self.at("authorized_keys").display()
        );
        self.write("sshd_config", &text);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the path of a program that may be in a directory for root only.
fn find(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = directories.map(|it| it.join(program)).find(|it| it.is_file());
    found.expect("sshd (package openssh-server) is installed")
}

fn id(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().expect("id is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns all processes below one.
fn descendants(process: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let mut todo = vec![process];
    while let Some(process) = todo.pop() {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            todo.extend(children.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
        }
        all.push(process);
    }
    all.split_off(1)
}

fn kill(process: u32) {
    let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    // One that has ended meanwhile needs no more.
    let _ = kill_process(process, Signal::KILL);
}
