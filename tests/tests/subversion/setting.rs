//! A configuration, real repositories, and ways to restore their dumps.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Output as Finished, Stdio},
};

use hayloft_tests::{Output, Sandbox};

const CONFIGURATION: &str = "\
<cb_config>
  <extensions>
    <action>
      <name>subversion</name>
      <module>CedarBackup3.extend.subversion</module>
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
  <subversion>
    $SECTION
  </subversion>
</cb_config>
";

/// The first day of the week, and the ones that follow.
pub(crate) const TUESDAY: &str = "2026-11-17T02:00:00";
pub(crate) const WEDNESDAY: &str = "2026-11-18T02:00:00";
pub(crate) const THURSDAY: &str = "2026-11-19T02:00:00";

/// A sandbox with a configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    /// Makes one whose section has these elements; `$SANDBOX` is its place.
    pub(crate) fn new(elements: &str) -> Self {
        let sandbox = Sandbox::new();
        for dir in ["work", "collect", "source", "svn", "unpacked"] {
            sandbox.dir(dir);
        }
        sandbox.write("source/file", "hay\n");
        let it = Self { sandbox };
        it.configure(elements, "");
        it
    }

    /// One that dumps `svn/one` that way.
    pub(crate) fn of_one(mode: &str, compress: &str) -> Self {
        Self::new(&format!(
            "<collect_mode>{mode}</collect_mode><compress_mode>{compress}</compress_mode>\
             <repository><abs_path>$SANDBOX/svn/one</abs_path></repository>"
        ))
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, elements: &str, overrides: &str) {
        let text = CONFIGURATION.replace("$SECTION", elements).replace("$OVERRIDE", overrides);
        self.sandbox.write("hayloft.conf", &text);
    }

    /// Lets a script take the place of a program in the configuration.
    pub(crate) fn replace(&self, program: &str, script: &str) {
        let path = self.sandbox.script(&format!("bin/{program}"), script);
        let text = self.sandbox.read("hayloft.conf");
        let one = format!(
            "<override><command>{program}</command><abs_path>{}</abs_path></override>\n  </options>",
            path.display()
        );
        self.sandbox.write("hayloft.conf", &text.replace("</options>", &one));
    }

    /// Makes an empty repository.
    pub(crate) fn repository(&self, name: impl AsRef<OsStr>) -> Repository {
        let path = self.sandbox.path("svn").join(name.as_ref());
        // The programs understand names in UTF-8 only.
        let plain = self.sandbox.path("unpacked/new-repository");
        succeed(svn("svnadmin").arg("create").arg(&plain));
        fs::rename(&plain, &path).unwrap();
        Repository { path }
    }

    /// Runs the action at a time.
    pub(crate) fn run(&self, now: &str) -> Output {
        self.run_with(now, &["run", "subversion"])
    }

    /// Runs something at a time.
    pub(crate) fn run_with(&self, now: &str, arguments: &[&str]) -> Output {
        let all = [&["-c", "hayloft.conf", "--now", now], arguments].concat();
        self.sandbox.run(&all)
    }

    /// Runs the action, which must do its work without a warning.
    pub(crate) fn ok(&self, now: &str) -> Output {
        self.run(now).exits(0)
    }

    /// Returns the names of the dumps without the sandbox's name in it; there
    /// is nothing else, and no temporary file.
    pub(crate) fn dumps(&self) -> Vec<String> {
        let names = self.sandbox.names("collect");
        let strange = |it: &&String| !it.starts_with("svndump-") && !it.starts_with("cback.");
        assert_eq!(names.iter().find(strange), None);
        let work = self.sandbox.names("work");
        assert!(!work.iter().any(|it| it.starts_with("hayloft-subversion")), "{work:?}");
        let place = self.sandbox.path("svn/").to_str().unwrap()[1..].replace('/', "-");
        let dumps = names.iter().filter(|it| it.starts_with("svndump-"));
        dumps.map(|it| it.replace(&place, "")).collect()
    }

    /// Returns the real path of a dump that [`Setting::dumps`] named.
    pub(crate) fn dump(&self, name: &str) -> PathBuf {
        let place = self.sandbox.path("svn/").to_str().unwrap()[1..].replace('/', "-");
        let (range, rest) = name.strip_prefix("svndump-").unwrap().split_once('-').unwrap();
        self.sandbox.path("collect").join(format!("svndump-{range}-{place}{rest}"))
    }

    /// Returns a dump without its compression, as other programs undo it.
    pub(crate) fn decoded(&self, name: &str) -> Vec<u8> {
        let path = self.dump(name);
        let program = match path.extension().and_then(|it| it.to_str()) {
            Some("gz") => "gzip",
            Some("bz2") => "bzip2",
            Some("zst") => "zstd",
            Some("xz") => "xz",
            _ => return fs::read(path).unwrap(),
        };
        succeed(Command::new(program).arg("-dc").arg(path)).stdout
    }

    /// Loads dumps, one after the other, into a new repository, which then
    /// must be as `original` is.
    pub(crate) fn restores(&self, dumps: &[Vec<u8>], original: &Repository) {
        let path = self.sandbox.path("unpacked/restored");
        drop(fs::remove_dir_all(&path));
        succeed(svn("svnadmin").arg("create").arg(&path));
        for dump in dumps {
            let mut command = svn("svnadmin");
            command.args(["load", "--quiet"]).arg(&path);
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(dump).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let restored = Repository { path };
        assert_eq!(restored.look(&["youngest"]), original.look(&["youngest"]));
        let youngest: u64 = restored.look(&["youngest"]).trim().parse().unwrap();
        for revision in 0..=youngest {
            let revision = revision.to_string();
            for question in ["tree", "info", "changed", "diff"] {
                let of = |it: &Repository| it.look(&[question, "-r", &revision]);
                assert_eq!(of(&restored), of(original), "{question} {revision}");
            }
        }
        assert!(restored.whole_dump() == original.whole_dump(), "the dumps differ");
    }

    /// Writes over every file that a run has left in the working directory.
    pub(crate) fn damage_state(&self, content: &[u8]) -> usize {
        let mut files = Vec::new();
        gather(&self.sandbox.path("work/hayloft/state"), &mut files);
        for file in &files {
            fs::write(file, content).unwrap();
        }
        files.len()
    }
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            gather(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// A real repository.
pub(crate) struct Repository {
    pub(crate) path: PathBuf,
}

impl Repository {
    /// Commits a file. The path of the repository must be plain.
    pub(crate) fn commit(&self, name: &str, content: &[u8]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        let mut command = svn("svnmucc");
        command.args(["--non-interactive", "-m", &format!("change {name}"), "put"]);
        succeed(command.arg(file.path()).arg(format!("{}/{name}", self.url())));
    }

    /// Commits what `svnmucc` can do with these arguments, whose first words
    /// are paths in the repository.
    pub(crate) fn mucc(&self, arguments: &[&str]) {
        let mut command = svn("svnmucc");
        command.args(["--non-interactive", "-m", "change", "-U"]).arg(self.url()).args(arguments);
        succeed(&mut command);
    }

    fn url(&self) -> String {
        format!("file://{}", self.path.to_str().unwrap())
    }

    /// Asks `svnlook`.
    pub(crate) fn look(&self, arguments: &[&str]) -> String {
        let (subcommand, options) = arguments.split_first().unwrap();
        let mut command = svn("svnlook");
        let output = succeed(command.arg(subcommand).args(options).arg(&self.path));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn whole_dump(&self) -> Vec<u8> {
        succeed(svn("svnadmin").args(["dump", "--quiet"]).arg(&self.path)).stdout
    }

    /// Returns the file that holds a revision.
    pub(crate) fn revision_file(&self, revision: u64) -> PathBuf {
        self.path.join("db/revs/0").join(revision.to_string())
    }
}

/// Prepares a program of Subversion.
pub(crate) fn svn(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs a program that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ({}): {stderr}", output.status);
    output
}

/// A name that is not UTF-8.
pub(crate) fn odd(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
