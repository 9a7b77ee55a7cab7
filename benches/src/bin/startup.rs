//! What it takes to start: `--version`, `plugin list`, and a run in which
//! nothing is due.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{fs, process::Command};

use hayloft_benches::{Contender, compete, directory, program};

fn main() {
    let dir = directory("startup");
    fs::create_dir_all(dir.join("work")).unwrap();
    fs::create_dir_all(dir.join("collect")).unwrap();
    let text = format!(
        "<cb_config><options><starting_day>monday</starting_day>\
         <working_dir>{0}/work</working_dir><backup_user>root</backup_user>\
         <backup_group>root</backup_group><rcp_command>scp</rcp_command></options>\
         <collect><collect_dir>{0}/collect</collect_dir><collect_mode>weekly</collect_mode>\
         <archive_mode>targz</archive_mode><ignore_file>x</ignore_file>\
         <dir><abs_path>{0}/work</abs_path></dir></collect></cb_config>\n",
        dir.display()
    );
    fs::write(dir.join("conf"), text).unwrap();
    let configuration = dir.join("conf").display().to_string();
    let cases = [
        (vec!["--version"], "hayloft --version (the aim is 5 ms)"),
        (vec!["plugin", "list"], "hayloft plugin list (the aim is 15 ms)"),
        (
            vec!["-c", &configuration, "--now", "2026-11-18", "run", "collect"],
            "hayloft run collect, nothing due (the aim is 30 ms)",
        ),
    ];
    for (arguments, name) in cases {
        let ours = Contender {
            name: name.to_owned(),
            prepare: Box::new(|| {}),
            command: Box::new(|| {
                let mut command = Command::new(program());
                command.args(&arguments);
                command
            }),
        };
        let limit = Contender {
            name: "/bin/true, the physical limit".to_owned(),
            prepare: Box::new(|| {}),
            command: Box::new(|| Command::new("/bin/true")),
        };
        compete(name, &[ours, limit]);
    }
    fs::remove_dir_all(&dir).unwrap();
}
