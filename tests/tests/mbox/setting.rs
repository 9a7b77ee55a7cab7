//! A configuration for mailboxes, and ways to look at their backups.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use hayloft_tests::{Output, Sandbox, chaos::on_a_full_disk};

pub(crate) const TUESDAY: &str = "2026-11-24T03:00:00";
pub(crate) const WEDNESDAY: &str = "2026-11-25T03:00:00";
pub(crate) const FRIDAY: &str = "2026-11-27T03:00:00";
/// The day on which the week begins.
pub(crate) const MONDAY: &str = "2026-11-30T03:00:00";

const CONFIGURATION: &str = "\
<cb_config>
  <extensions>
    <action>
      <name>mbox</name>
      <module>CedarBackup3.extend.mbox</module>
      <function>executeAction</function>
      <index>99</index>
    </action>
  </extensions>
  <options>
    <starting_day>monday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tar</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/mail</abs_path></dir>
  </collect>
  <mbox>
    <collect_mode>$MODE</collect_mode>
    <compress_mode>$COMPRESS</compress_mode>
    $ITEMS
  </mbox>
</cb_config>
";

/// Prints the subjects of the messages in a mailbox, one a line.
const READER: &str = "
import mailbox, sys
box = mailbox.mbox(sys.argv[1], create=False)
for message in box:
    print(message['Subject'])
";

/// A sandbox with mailboxes and a configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    pub(crate) fn new(mode: &str, compress: &str, items: &str) -> Self {
        let sandbox = Sandbox::new();
        for dir in ["work", "collect", "mail", "unpacked"] {
            sandbox.dir(dir);
        }
        let it = Self { sandbox };
        it.configure(mode, compress, items);
        it
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, mode: &str, compress: &str, items: &str) {
        let text = CONFIGURATION.replace("$MODE", mode).replace("$COMPRESS", compress);
        self.sandbox.write("hayloft.conf", &text.replace("$ITEMS", items));
    }

    /// Writes a mailbox.
    pub(crate) fn mailbox(&self, name: &str, text: &str) -> PathBuf {
        self.sandbox.write(&format!("mail/{name}"), text)
    }

    fn command(&self, now: &str, more: &[&str]) -> Command {
        let mut command = self.sandbox.command(&["-c", "hayloft.conf", "run"]);
        command.args(more).arg("mbox").env("HAYLOFT_NOW", now);
        command
    }

    /// Runs the action.
    pub(crate) fn run(&self, now: &str, more: &[&str]) -> Output {
        self.sandbox.wait(self.spawn(now, more))
    }

    /// Runs the action where no file can grow beyond so many kilobytes.
    pub(crate) fn on_a_full_disk(&self, now: &str, kilobytes: u32) -> Output {
        let mut command = on_a_full_disk(&self.command(now, &[]), kilobytes);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.sandbox.wait(command.spawn().unwrap())
    }

    /// Starts the action.
    pub(crate) fn spawn(&self, now: &str, more: &[&str]) -> Child {
        let mut command = self.command(now, more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the action, which must do its work, and leave nothing else.
    pub(crate) fn ok(&self, now: &str) {
        let output = self.run(now, &[]);
        assert_eq!(output.code, Some(0), "{output}");
        self.is_clean();
    }

    /// The private directory is gone, and so are temporary files.
    pub(crate) fn is_clean(&self) {
        let work = self.sandbox.names("work");
        assert!(!work.iter().any(|it| it.starts_with("hayloft-mbox")), "{work:?}");
        let collect = self.sandbox.names("collect");
        assert!(collect.iter().all(|it| it.starts_with("mbox-")), "{collect:?}");
    }

    /// Returns the name that a path in the sandbox is filed under.
    pub(crate) fn normalised(&self, name: &str) -> String {
        let path = self.sandbox.path(name);
        path.to_str().unwrap().trim_start_matches('/').replace('/', "-")
    }

    /// Returns the names of the backups.
    pub(crate) fn backups(&self) -> Vec<String> {
        let mut names = self.sandbox.names("collect");
        names.retain(|it| it.starts_with("mbox-"));
        names
    }

    /// Returns the path of a backup.
    pub(crate) fn backup(&self, name: &str) -> PathBuf {
        self.sandbox.path("collect").join(name)
    }

    /// Returns a backup without its compression, as other programs undo it.
    pub(crate) fn decoded(&self, name: &str) -> Vec<u8> {
        let path = self.backup(name);
        let program = match path.extension().and_then(|it| it.to_str()) {
            Some("gz") => "gzip",
            Some("bz2") => "bzip2",
            Some("zst") => "zstd",
            _ => return fs::read(path).unwrap(),
        };
        succeed(Command::new(program).arg("-dc").arg(path))
    }

    /// Returns the members of a tar file, in order, as tar unpacks them.
    pub(crate) fn unpacked(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let place = tempfile::tempdir_in(self.sandbox.path("unpacked")).unwrap();
        let tar = self.sandbox.path("unpacked/it.tar");
        fs::write(&tar, self.decoded(name)).unwrap();
        succeed(Command::new("tar").arg("-xf").arg(&tar).current_dir(place.path()));
        let listed = succeed(Command::new("tar").arg("-tf").arg(&tar));
        let names = String::from_utf8(listed).unwrap();
        names.lines().map(|it| (it.to_owned(), fs::read(place.path().join(it)).unwrap())).collect()
    }

    fn of_day(&self, now: &str, end: &str) -> String {
        let day = now[..10].replace('-', "");
        let found = self.backups().into_iter().find(|it| it.contains(&day) && it.contains(end));
        found.unwrap_or_else(|| panic!("no {end} of {day} in {:?}", self.backups()))
    }

    /// Returns the subjects of the messages in a day's backup of a mailbox, as
    /// Python reads them.
    pub(crate) fn subjects(&self, now: &str, mailbox: &str) -> Vec<String> {
        let name = self.of_day(now, &format!("-mail-{mailbox}"));
        self.read(&self.decoded(&name))
    }

    /// The same for each mailbox in a day's backup of the directory.
    pub(crate) fn members(&self, now: &str) -> Vec<(String, Vec<String>)> {
        let members = self.unpacked(&self.of_day(now, "-mail.tar"));
        members.into_iter().map(|(name, text)| (name, self.read(&text))).collect()
    }

    fn read(&self, text: &[u8]) -> Vec<String> {
        let path = self.sandbox.path("unpacked/mailbox");
        fs::write(&path, text).unwrap();
        let output = succeed(Command::new("python3").args(["-c", READER]).arg(path));
        String::from_utf8(output).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}

/// Returns a message with that subject, which came long ago.
pub(crate) fn message(subject: &str) -> String {
    format!(
        "From ann@example.com Sat Jan  3 01:05:34 2026\nDate: Sat, 3 Jan 2026 01:05:34 +0000\n\
         Subject: {subject}\n\nbody of {subject}\n\n"
    )
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Runs a program that must succeed, and returns what it wrote.
pub(crate) fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ({}): {stderr}", output.status);
    output.stdout
}
