//! A machine on which Cedar Backup was replaced by a link.

use std::{
    fs,
    os::unix::{
        fs::{chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hayloft_tests::{Output, Sandbox};

const CONFIGURATION: &str = "\
<cb_config>
  <reference><author>somebody</author></reference>
  EXTENSIONS
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
    OPTIONS
  </options>
  PEERS
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>targz</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/source</abs_path></dir>
  </collect>
  <stage>
    <staging_dir>$SANDBOX/stage</staging_dir>
    <peer><name>box</name><type>local</type><collect_dir>$SANDBOX/collect</collect_dir></peer>
  </stage>
  <purge><dir><abs_path>$SANDBOX/old</abs_path><retain_days>5</retain_days></dir></purge>
</cb_config>
";

/// What is between the lines of the configuration.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) extensions: &'a str,
    pub(crate) options: &'a str,
    pub(crate) peers: &'a str,
}

/// The configuration, the directories, and the link.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) sandbox: Sandbox,
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self::with(Parts::default())
    }

    pub(crate) fn with(parts: Parts<'_>) -> Self {
        let sandbox = Sandbox::new();
        for dir in ["work", "collect", "source", "stage", "old", "bin"] {
            sandbox.dir(dir);
        }
        sandbox.write("source/file.txt", "hay\n");
        let installation = Self { sandbox };
        installation.configure(parts);
        for name in ["cback3", "cback3-span", "cback3-amazons3-sync"] {
            let program = installation.sandbox.program().path();
            symlink(program, installation.link(name)).unwrap();
        }
        installation
    }

    fn configure(&self, parts: Parts<'_>) {
        let text = CONFIGURATION
            .replace("EXTENSIONS", parts.extensions)
            .replace("OPTIONS", parts.options)
            .replace("PEERS", parts.peers);
        self.sandbox.write("c.conf", &text);
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = self.sandbox.read("c.conf");
        let (from, to) = (self.sandbox.expand(from), self.sandbox.expand(to));
        assert!(text.contains(&from), "{from} is not in the configuration");
        self.sandbox.write("c.conf", &text.replace(&from, &to));
    }

    fn link(&self, name: &str) -> PathBuf {
        self.sandbox.path("bin").join(name)
    }

    /// Prepares a command of that name, with its own configuration and log.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.raw("cback3", &[&["-c", "c.conf", "-l", "log"], words].concat())
    }

    /// Prepares a link with just these words.
    pub(crate) fn raw(&self, name: &str, words: &[&str]) -> Command {
        let words: Vec<String> = words.iter().map(|it| self.sandbox.expand(it)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let plain = self.sandbox.command(&words);
        let mut command = Command::new(self.link(name));
        command.args(plain.get_args()).current_dir(self.sandbox.path(""));
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        command
    }

    /// Prepares a command that somebody without rights runs: ourselves, or
    /// `nobody` if we are root, who then owns everything here. It has its own
    /// program: ours may lie where only root may go.
    pub(crate) fn ordinary(&self, words: &[&str]) -> Command {
        const NOBODY: u32 = 65534;
        let known = self.command(words);
        if !rustix::process::geteuid().is_root() {
            return known;
        }
        let programs = self.sandbox.path("programs");
        if !programs.exists() {
            let plugins = [
                "action_collect",
                "action_stage",
                "action_purge",
                "action_validate",
                "compressor_gzip",
                "hook_script",
            ];
            self.sandbox.program().copy_plugins(&plugins, &programs);
            copy_program(&self.sandbox, &programs);
            symlink("hayloft", programs.join("cback3")).unwrap();
        }
        give(&self.sandbox.path(""), NOBODY);
        let mut command = Command::new(programs.join("cback3"));
        command.args(known.get_args()).current_dir(self.sandbox.path(""));
        command.env("TZ", "UTC").stdin(Stdio::null());
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        let directory = self.sandbox.path("");
        let directory = directory.to_str().unwrap().trim_end_matches('/');
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(directory, "$SANDBOX");
        Output {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.output(&mut self.command(words))
    }

    /// Runs it; it must end like this, with nothing on standard error.
    pub(crate) fn ends(&self, words: &[&str], code: i32) -> Output {
        let output = self.run(words).exits(code);
        assert_eq!(output.stderr, "", "{output}");
        output
    }

    /// Returns the log.
    pub(crate) fn log(&self) -> String {
        self.sandbox.read("log")
    }

    /// Returns the actions that were done, in their order.
    pub(crate) fn executed(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|it| it.split_once("Executed the '"));
        lines.map(|(_, rest)| rest.split('\'').next().unwrap().to_owned()).collect()
    }

    /// Returns the names in the collect directory.
    pub(crate) fn collected(&self) -> Vec<String> {
        self.sandbox.names("collect")
    }
}

/// Copies the program, by another program: while a test that runs beside this
/// one starts something, a file that we hold open for writing is busy there.
pub(crate) fn copy_program(sandbox: &Sandbox, to: &Path) {
    let copied = Command::new("cp").arg(sandbox.program().path()).arg(to).status().unwrap();
    assert!(copied.success(), "the program cannot be copied");
}

fn give(path: &Path, user: u32) {
    if !path.is_symlink() {
        chown(path, Some(user), Some(user)).unwrap();
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// An extension, by index.
pub(crate) fn extension(name: &str, inner: &str, index: u32) -> String {
    format!("<action><name>{name}</name>{inner}<index>{index}</index></action>")
}

/// A hook of Cedar Backup.
pub(crate) fn hook(kind: &str, action: &str, command: &str) -> String {
    format!(
        "<{kind}_action_hook><action>{action}</action><command>{command}</command>\
         </{kind}_action_hook>"
    )
}
