//! A master with a drive, real or played by a recorder.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use hayloft_tests::{Output, Sandbox};

/// Everything that a recorder stands for.
pub(crate) const RECORDED: [&str; 7] =
    ["cdrecord", "mkisofs", "growisofs", "eject", "volname", "mount", "umount"];
pub(crate) const TODAY: &str = "2026/11/17";

/// A sandbox with a configuration, and what is told to write discs.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
}

impl Bench {
    /// A master whose programs are recorders and whose drive is a file that
    /// they never look into. 2026-11-17 is a Tuesday.
    pub(crate) fn recorded(store: &str) -> Self {
        let overrides: String = RECORDED
            .map(|name| {
                format!(
                    "<override><command>{name}</command>\
                     <abs_path>$SANDBOX/bin/{name}</abs_path></override>\n"
                )
            })
            .concat();
        let bench = Self::new(&overrides, store, "");
        bench.sandbox.dir("bin");
        let recorder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disc/recorder");
        for name in RECORDED {
            symlink(&recorder, bench.sandbox.path("bin").join(name)).unwrap();
        }
        bench.sandbox.write("drive", "");
        bench
    }

    /// A master with real programs.
    pub(crate) fn real(store: &str) -> Self {
        Self::new("", store, "")
    }

    pub(crate) fn new(overrides: &str, store: &str, more: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
        sandbox.dir("working");
        sandbox.dir("staging");
        sandbox.write(
            "hayloft.xml",
            &format!(
                "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
    {overrides}
  </options>
  <store><source_dir>$SANDBOX/staging</source_dir>{store}</store>
  {more}
</cb_config>\n"
            ),
        );
        Self { sandbox }
    }

    /// Says when it is.
    pub(crate) fn at(&mut self, now: &str) {
        self.sandbox.env("HAYLOFT_NOW", now);
    }

    /// Stages a day with a file.
    pub(crate) fn staged(&self, day: &str) {
        self.sandbox.write(&format!("staging/{day}/box/etc.tar.gz"), &format!("files of {day}"));
        self.sandbox.write(&format!("staging/{day}/cback.stage"), "");
    }

    /// Changes what the recorder does.
    pub(crate) fn tell(&self, file: &str, text: &str) {
        self.sandbox.write(&format!("bin/{file}"), text);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["--config", "hayloft.xml", "run"];
        all.extend(arguments);
        self.sandbox.run(&all)
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> Output {
        self.run(arguments).exits(0)
    }

    /// Returns the calls so far and forgets them. The names of temporary files
    /// are always the same, and the sandbox is left out.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.sandbox.path("bin/calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        let directory = self.sandbox.path("").display().to_string();
        let plain = |line: &str| {
            let line = line.replace(&directory, "");
            let words = line.split(' ').map(|word| match word.split_once(".hayloft-disc-") {
                Some((before, name)) => {
                    format!("{before}{}", name.split('-').next().unwrap_or_default().to_uppercase())
                }
                None => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        text.lines().map(plain).collect()
    }

    pub(crate) fn is_stored(&self, day: &str) -> bool {
        self.sandbox.path(format!("staging/{day}/cback.store")).exists()
    }

    /// Makes sure that nothing temporary is left.
    pub(crate) fn is_tidy(&self) {
        let names = self.sandbox.names("working");
        let ours = |name: &&String| name.starts_with(".hayloft-disc");
        assert_eq!(names.iter().find(ours), None, "{names:?}");
        let around = self.sandbox.names("");
        assert_eq!(around.iter().find(ours), None, "{around:?}");
    }

    /// Copies a directory of an image with a real tool, and compares it with
    /// what was staged.
    pub(crate) fn same_on_image(&self, image: &str, day: &str) {
        let copy = self.sandbox.path("copy");
        unlocked(&copy);
        let _ = fs::remove_dir_all(&copy);
        let read = Command::new("xorriso")
            .args(["-indev", &format!("stdio:{}", self.sandbox.path(image).display())])
            .args(["-osirrox", "on", "-extract", &format!("/{day}")])
            .arg(&copy)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{said}");
        let diff = Command::new("diff")
            .args(["-r", "--no-dereference"])
            .arg("--exclude=cback.store")
            .arg(&copy)
            .arg(self.sandbox.path(format!("staging/{day}")))
            .output()
            .unwrap();
        assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    }

    /// Returns the days on an image, as another real tool sees them.
    pub(crate) fn days_on_image(&self, image: &str) -> Vec<String> {
        let listed = Command::new("isoinfo")
            .args(["-R", "-f", "-i"])
            .arg(self.sandbox.path(image))
            .output()
            .unwrap();
        assert!(listed.status.success());
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let days = text.lines().filter(|it| it.matches('/').count() == 3 && it.len() == 11);
        days.map(|it| it[1..].to_owned()).collect()
    }
}

/// What comes from a disc cannot be written, not even removed.
fn unlocked(directory: &PathBuf) {
    let Ok(metadata) = directory.symlink_metadata() else { return };
    if metadata.is_dir() {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(directory).unwrap() {
            unlocked(&entry.unwrap().path());
        }
    }
}
