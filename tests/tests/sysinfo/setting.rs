//! A configuration, and scripts in the place of programs.

use std::{fs, path::PathBuf, process::Command};

use hayloft_tests::{Output, Sandbox};

const CONFIGURATION: &str = "\
<cb_config>
  <extensions>
    <action>
      <name>sysinfo</name>
      <module>CedarBackup3.extend.sysinfo</module>
      <function>executeAction</function>
      <index>95</index>
    </action>
  </extensions>
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
    $OVERRIDES
  </options>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tar</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/tree</abs_path></dir>
  </collect>
  $SECTION
</cb_config>
";

/// A sandbox with a configuration.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
}

impl Setting {
    /// Makes one with that section, or with none, and with scripts in the
    /// place of programs. Each script tells the file `calls` of its call.
    pub(crate) fn new(section: &str, scripts: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new();
        for dir in ["work", "collect", "tree"] {
            sandbox.dir(dir);
        }
        let mut overrides = Vec::new();
        for (i, (program, script)) in scripts.iter().enumerate() {
            let recorder =
                format!("#!/bin/sh\necho {program} \"$@\" >> $SANDBOX/calls\n{script}\n");
            let path = sandbox.script(&format!("bin/{i}"), &recorder);
            overrides.push(format!(
                "<override><command>{program}</command><abs_path>{}</abs_path></override>",
                path.display()
            ));
        }
        let text =
            CONFIGURATION.replace("$SECTION", section).replace("$OVERRIDES", &overrides.concat());
        sandbox.write("hayloft.conf", &text);
        Self { sandbox }
    }

    /// Makes one with only some parts.
    pub(crate) fn of_parts(parts: &[&str], more: &str, scripts: &[(&str, &str)]) -> Self {
        let parts: Vec<_> = parts.iter().map(|it| format!("<part>{it}</part>")).collect();
        let parts = parts.concat();
        Self::new(&format!("<sysinfo>{parts}{more}</sysinfo>"), scripts)
    }

    /// Runs the action.
    pub(crate) fn run(&self) -> Output {
        self.sandbox.run(&["-c", "hayloft.conf", "run", "sysinfo"])
    }

    /// Returns the names in the collect directory.
    pub(crate) fn files(&self) -> Vec<String> {
        self.sandbox.names("collect")
    }

    /// Returns the path of a file in the collect directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("collect").join(name)
    }

    /// Returns a file without its compression, as another program undoes it.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        if path.extension().is_none_or(|it| it != "bz2") {
            return fs::read(path).unwrap();
        }
        let output = Command::new("bzip2").arg("-dc").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", path.display());
        output.stdout
    }

    /// Returns the content as text.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.content(name)).unwrap()
    }
}

/// Tells whether we are root, to whom more is told.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
