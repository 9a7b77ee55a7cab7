//! A configuration for a scratch server, and ways to look at its dumps.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output as Finished},
    thread::sleep,
    time::{Duration, Instant},
};

use hayloft_tests::{Output, Sandbox, mariadb::Mariadb};

const CONFIGURATION: &str = "\
<cb_config>
  <extensions>
    <action>
      <name>mysql</name>
      <module>CedarBackup3.extend.mysql</module>
      <function>executeAction</function>
      <index>99</index>
    </action>
  </extensions>
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
    $OVERRIDE
  </options>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tar</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/source</abs_path></dir>
  </collect>
  <mysql>
    $SECTION
  </mysql>
</cb_config>
";

/// A sandbox with a configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    /// Makes one whose section leads to `server`, with more `elements`.
    pub(crate) fn new(server: &Mariadb, elements: &str) -> Self {
        Self::without_server(&format!("{}{elements}", address(server)))
    }

    /// Makes one with exactly these elements.
    pub(crate) fn without_server(elements: &str) -> Self {
        let sandbox = Sandbox::new();
        for dir in ["work", "collect", "source"] {
            sandbox.dir(dir);
        }
        let it = Self { sandbox };
        it.configure(elements, "");
        it
    }

    /// Returns the sandbox's path, which is in the environment of every
    /// process of the run.
    pub(crate) fn place(&self) -> String {
        self.sandbox.path("x").parent().unwrap().to_str().unwrap().to_owned()
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, elements: &str, overrides: &str) {
        let text = CONFIGURATION.replace("$SECTION", elements).replace("$OVERRIDE", overrides);
        self.sandbox.write("hayloft.conf", &text);
    }

    /// Lets a script take the place of `mysqldump`.
    pub(crate) fn replace(&self, elements: &str, script: &str) {
        let path = self.sandbox.script("bin/mysqldump", script);
        let overrides = format!(
            "<override><command>mysqldump</command><abs_path>{}</abs_path></override>",
            path.display()
        );
        self.configure(elements, &overrides);
    }

    /// Runs the action.
    pub(crate) fn run(&self) -> Output {
        self.sandbox.run(&["-c", "hayloft.conf", "run", "mysql"])
    }

    /// Runs the action, which must do its work, and leave nothing else.
    pub(crate) fn ok(&self) {
        let output = self.run();
        assert_eq!(output.code, Some(0), "{output}");
        self.is_clean();
    }

    fn is_clean(&self) {
        let collect = self.sandbox.names("collect");
        let ours = |it: &String| it.starts_with("mysqldump") || it.starts_with("cback.");
        assert!(collect.iter().all(ours), "{collect:?}");
    }

    /// Returns the names of the dumps.
    pub(crate) fn dumps(&self) -> Vec<String> {
        self.is_clean();
        let mut names = self.sandbox.names("collect");
        names.retain(|it| it.starts_with("mysqldump"));
        names
    }

    /// Returns the path of a dump.
    pub(crate) fn dump(&self, name: &str) -> PathBuf {
        self.sandbox.path("collect").join(name)
    }

    /// Returns a dump without its compression, as other programs undo it.
    pub(crate) fn decoded(&self, name: &str) -> Vec<u8> {
        let path = self.dump(name);
        let program = match path.extension().and_then(|it| it.to_str()) {
            Some("gz") => "gzip",
            Some("bz2") => "bzip2",
            Some("zst") => "zstd",
            _ => return fs::read(path).unwrap(),
        };
        succeed(Command::new(program).arg("-dc").arg(path)).stdout
    }
}

/// Returns the elements that lead to a server.
pub(crate) fn address(server: &Mariadb) -> String {
    format!("<user>root</user><socket>{}</socket>", server.socket().display())
}

/// Makes a database with a table of 2000 rows.
pub(crate) fn fill(server: &Mariadb, database: &str) {
    server.sql(&format!(
        "CREATE DATABASE {database}; USE {database}; \
         CREATE TABLE t (a INT PRIMARY KEY, b TEXT CHARACTER SET utf8mb4, c BLOB); \
         INSERT INTO t SELECT seq, concat('grün 😀 ', seq), unhex(md5(seq)) FROM seq_1_to_2000"
    ));
}

/// Returns the checksum of what [`fill`] made.
pub(crate) fn checksum(server: &Mariadb, database: &str) -> String {
    server.sql(&format!("CHECKSUM TABLE {database}.t EXTENDED"))
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

fn succeed(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ({}): {stderr}", output.status);
    output
}
