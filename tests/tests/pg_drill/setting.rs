//! A server that archives, its backups, and drills of it.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hayloft_tests::postgres::{Options, Postgres};
use serde_json::Value;

use super::ground::{Ended, Ground};

/// What is between the elements `cb_config`; `$DRILL` is more of the element
/// `<drill>`.
const CONFIGURATION: &str = "
  <options>
    <starting_day>monday</starting_day><working_dir>$DIR/work</working_dir>
    <backup_user>root</backup_user><backup_group>root</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <purge><dir><abs_path>$DIR/work</abs_path><retain_days>90</retain_days></dir></purge>
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server>
      <name>main</name><conninfo>$CONNINFO</conninfo><archiver>Y</archiver>
      <storage>disk</storage>
      <drill><directory>$DIR/drills</directory>$USER$DRILL</drill>
    </server>
  </postgres_servers>";

/// A server, and where its backups and drills are.
pub(crate) struct Setting {
    pub(crate) server: Postgres,
    pub(crate) ground: Ground,
}

impl Setting {
    /// Starts a server that archives, with further settings.
    pub(crate) fn new(drill: &str, further: impl FnOnce(Options) -> Options) -> Self {
        // Nothing is known of the server before it runs.
        let mut ground = Ground::new("");
        fs::create_dir(ground.path("work")).unwrap();
        fs::create_dir(ground.path("disk")).unwrap();
        let options = ground.archiving().initdb("--wal-segsize=1").initdb("--data-checksums");
        let server = further(options).start();
        ground.belong_to(&server);
        ground.give(&ground.path("disk"));
        ground.give(&ground.path("work"));
        if rustix::process::geteuid().is_root() {
            // Root trusts no plugin in a place of somebody else's.
            std::os::unix::fs::chown(ground.dir(), Some(0), Some(0)).unwrap();
        }
        let setting = Self { server, ground };
        setting.configure(drill);
        setting
    }

    /// Configures drills anew.
    pub(crate) fn configure(&self, drill: &str) {
        let server = &self.server;
        let conninfo = format!(
            "host={} port={} user={} dbname=postgres",
            server.socket_dir().display(),
            server.port(),
            server.user()
        );
        let uid = fs::metadata(server.data_dir()).unwrap().uid();
        let user = if rustix::process::geteuid().is_root() {
            format!("<user>{uid}</user>")
        } else {
            String::new()
        };
        let bin = format!("<programs>{}</programs>", server.bin_dir().display());
        let text = CONFIGURATION
            .replace("$CONNINFO", &conninfo)
            .replace("$USER", &(user + &bin))
            .replace("$DRILL", drill);
        self.ground.configure(&text);
    }

    /// Prepares `hayloft …`, as root where we are root.
    pub(crate) fn hayloft(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.ground.path("bin/hayloft"));
        command.arg("-c").arg(self.ground.path("hayloft.conf")).args(words);
        command.current_dir(self.ground.dir()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in ["HAYLOFT_CONFIG", "HAYLOFT_LOG", "HAYLOFT_PLUGIN_PATH"] {
            command.env_remove(name);
        }
        command
    }

    /// Prepares `hayloft …` under the server's account.
    pub(crate) fn under_its_account(&self, words: &[&str]) -> Command {
        let data = fs::metadata(self.server.data_dir()).unwrap();
        let mut command = self.hayloft(words);
        if rustix::process::geteuid().is_root() {
            command.uid(data.uid()).gid(data.gid());
        }
        command
    }

    /// Takes a backup, under the server's account.
    pub(crate) fn backup(&self) {
        let mut command = self.under_its_account(&["pg", "backup", "main", "--fast"]);
        Ended::of(&command.output().unwrap()).exits(0);
    }

    /// Does a drill, which must end with that code, and returns its report.
    pub(crate) fn drill(&self, code: i32, words: &[&str]) -> Value {
        let words = [&["pg", "drill", "main", "--json"], words].concat();
        let output = self.hayloft(&words).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stderr}\n{report}");
        assert_eq!(self.left(), [""; 0], "a drill leaves nothing behind");
        serde_json::from_str(&report).unwrap()
    }

    /// What is in the directory of drills.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.ground.path("drills")).into_iter().flatten();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Finds an archived segment.
    pub(crate) fn archived(&self, name: &str) -> PathBuf {
        let directory = self.ground.path("disk/main/wals").join(&name[..16]);
        let found = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
        let is = |it: &PathBuf| it.file_name().unwrap().to_string_lossy().starts_with(name);
        found.into_iter().find(is).unwrap()
    }
}

/// Tells whether any process works in a directory.
pub(crate) fn is_anybody_in(directory: &Path) -> bool {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|it| fs::read_link(it.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory)))
}
