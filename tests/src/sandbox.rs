//! A directory of a test's own, and the program run in it.

use std::{
    fmt, fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::{Program, signals};

/// A directory that goes away with the test.
#[derive(Debug)]
pub struct Sandbox {
    directory: tempfile::TempDir,
    program: Program,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// Makes an empty directory that only we can look into.
    ///
    /// # Panics
    ///
    /// If the program was not built.
    pub fn new() -> Self {
        signals::hear_all();
        let directory = tempfile::Builder::new().prefix("hayloft-test-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { directory, program: Program::find(), environment: Vec::new() }
    }

    /// Returns the program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Sets a variable for every run.
    pub fn env(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Returns the path of something in the directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a directory, and those above it.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Writes a file, and makes the directories above it. `$SANDBOX` in the
    /// text is the directory, `$USER` and `$GROUP` are ours.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.expand(text)).unwrap();
        path
    }

    /// Writes a file that can be run.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Replaces `$SANDBOX`, `$USER` and `$GROUP`.
    pub fn expand(&self, text: &str) -> String {
        text.replace("$SANDBOX", self.directory.path().to_str().unwrap())
            .replace("$USER", &id("-un"))
            .replace("$GROUP", &id("-gn"))
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Returns the names in a directory, sorted.
    pub fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Prepares to run the program here, with an environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.path());
        command.args(arguments).current_dir(self.directory.path());
        for variable in
            ["HAYLOFT_CONFIG", "HAYLOFT_LOG", "HAYLOFT_NOW", "HAYLOFT_PLUGIN_PATH", "RUST_LOG"]
        {
            command.env_remove(variable);
        }
        command.env("HOME", self.directory.path()).env("TZ", "UTC").env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&self.command(arguments).output().unwrap(), self)
    }

    /// Runs the program, which must end well.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn ok(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {output}");
        output
    }

    /// Starts the program.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits for a program that was started.
    pub fn wait(&self, mut child: Child) -> Output {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        let status: ExitStatus = child.wait().unwrap();
        Output::of(&std::process::Output { status, stdout, stderr }, self)
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

fn id(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What a program wrote and how it ended; the sandbox's path is `$SANDBOX`.
#[derive(Debug, Clone)]
pub struct Output {
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
}

impl Output {
    fn of(output: &std::process::Output, sandbox: &Sandbox) -> Self {
        let directory = sandbox.directory.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(directory, "$SANDBOX");
        Self {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }

    /// Demands this exit code.
    ///
    /// # Panics
    ///
    /// If it is another.
    #[expect(clippy::return_self_not_must_use, reason = "some tests only look at the code")]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Demands that standard error has this text.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{self}");
        self
    }

    /// Demands that standard output has this text.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "{text:?} is not in:\n{self}");
        self
    }

    /// Reads standard output as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr ---\n{}", self.stderr)?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "[exit code: {code}]"),
            None => writeln!(f, "[ended by a signal]"),
        }
    }
}
