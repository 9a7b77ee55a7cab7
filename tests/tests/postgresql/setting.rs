//! A configuration for a scratch server, and ways to restore its dumps.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output as Finished},
};

use hayloft_tests::{Output, Sandbox, postgres::Postgres};

const CONFIGURATION: &str = "\
<cb_config>
  <extensions>
    <action>
      <name>postgresql</name>
      <module>CedarBackup3.extend.postgresql</module>
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
  <postgresql>
    $SECTION
  </postgresql>
</cb_config>
";

/// A sandbox with a configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    /// Makes one whose section leads to `server`, with more `elements`.
    pub(crate) fn new(server: &Postgres, elements: &str) -> Self {
        let it = Self::without_server(&format!("{}{elements}", address(server)));
        it.sandbox.write("source/file", "hay\n");
        it
    }

    /// Makes one with exactly these elements.
    pub(crate) fn without_server(elements: &str) -> Self {
        let mut sandbox = Sandbox::new();
        for dir in ["work", "collect", "source", "unpacked"] {
            sandbox.dir(dir);
        }
        for variable in ["PGHOST", "PGPORT", "PGSERVICE", "PGPASSWORD", "PGDATABASE"] {
            // An empty variable is none to libpq.
            sandbox.env(variable, "");
        }
        let it = Self { sandbox };
        it.configure(elements, "");
        it
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, elements: &str, overrides: &str) {
        let text = CONFIGURATION.replace("$SECTION", elements).replace("$OVERRIDE", overrides);
        self.sandbox.write("hayloft.conf", &text);
    }

    /// Lets a script take the place of a program.
    pub(crate) fn replace(&self, server: &Postgres, elements: &str, program: &str, script: &str) {
        let path = self.sandbox.script(&format!("bin/{program}"), script);
        let overrides = format!(
            "<override><command>{program}</command><abs_path>{}</abs_path></override>",
            path.display()
        );
        self.configure(&format!("{}{elements}", address(server)), &overrides);
    }

    /// Runs the action.
    pub(crate) fn run(&self) -> Output {
        self.sandbox.run(&["-c", "hayloft.conf", "run", "postgresql"])
    }

    /// Runs the action, which must do its work, and leave nothing else.
    pub(crate) fn ok(&self) {
        let output = self.run();
        assert_eq!(output.code, Some(0), "{output}");
        self.is_clean();
    }

    /// The private directory is gone, and so are temporary files.
    pub(crate) fn is_clean(&self) {
        let work = self.sandbox.names("work");
        assert!(!work.iter().any(|it| it.starts_with("hayloft-postgresql")), "{work:?}");
        let collect = self.sandbox.names("collect");
        assert!(
            collect.iter().all(|it| it.starts_with("postgresqldump") || it.starts_with("cback.")),
            "{collect:?}"
        );
    }

    /// Returns the names of the dumps.
    pub(crate) fn dumps(&self) -> Vec<String> {
        self.is_clean();
        let mut names = self.sandbox.names("collect");
        names.retain(|it| it.starts_with("postgresqldump"));
        names
    }

    /// Returns the path of a dump.
    pub(crate) fn dump(&self, name: &str) -> PathBuf {
        self.sandbox.path("collect").join(name)
    }

    /// Returns a path for something unpacked.
    pub(crate) fn unpacked(&self, name: &str) -> PathBuf {
        self.sandbox.path("unpacked").join(name)
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
pub(crate) fn address(server: &Postgres) -> String {
    format!(
        "<user>{}</user><host>{}</host><port>{}</port>",
        server.user(),
        server.socket_dir().display(),
        server.port()
    )
}

/// Runs a program that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ({}): {stderr}", output.status);
    output
}

/// Restores SQL into a new database.
pub(crate) fn restore_plain(server: &Postgres, sql: &[u8], database: &str) {
    server.create_database(database);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), sql).unwrap();
    let mut command = server.command("psql");
    command.env("PGDATABASE", database).args(["-Xq", "-f"]).arg(file.path());
    succeed(&mut command);
}

/// Restores a dump into a new database.
pub(crate) fn restore_with_pg_restore(server: &Postgres, dump: &Path, database: &str) {
    server.create_database(database);
    let mut command = server.command("pg_restore");
    command.arg(format!("--dbname={database}")).args(["--exit-on-error", "--jobs=2"]).arg(dump);
    succeed(&mut command);
}
