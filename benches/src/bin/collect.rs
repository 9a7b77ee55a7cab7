//! `collect` of a tree of 20,000 files and 1.5 GB, against `tar` with the same
//! compressor, and against Cedar Backup.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{fs, path::Path, process::Command};

use hayloft_benches::{Contender, compete, directory, installed, program, shell, tree};

const FILES: u64 = 20_000;
const BYTES: u64 = 1_500_000_000;

fn main() {
    let dir = directory("collect");
    let source = dir.join("source");
    println!("writing {FILES} files ...");
    let bytes = tree::write(&source, FILES, BYTES);
    println!("{bytes} bytes in {FILES} files; all of it is in the page cache");
    let bench = Bench { dir: &dir, source: &source };

    let tar = format!("tar --posix --sort=name -cf - -C {} .", source.display());
    let out = dir.join("peer");
    let out = out.display();
    compete(
        "zstd, level 3",
        &[
            bench.ours("tarzst", "daily"),
            bench.peer(&format!("{tar} | zstd -T0 -3 -q > {out} && sync {out}")),
            bench.peer(&format!("{tar} > {out} && sync {out}")),
            bench.peer(&format!("{tar} | cat > /dev/null")),
        ],
    );
    if installed("pigz") {
        let pigz = format!("{tar} | pigz > {out} && sync {out}");
        compete("gzip, level 6", &[bench.ours("targz", "daily"), bench.peer(&pigz)]);
    }
    if installed("cback3") {
        compete("against cback3", &[bench.ours("tarzst", "daily"), bench.cback3()]);
    }
    bench.unchanged();
    fs::remove_dir_all(&dir).unwrap();
}

struct Bench<'a> {
    dir: &'a Path,
    source: &'a Path,
}

impl Bench<'_> {
    fn configure(&self, archive_mode: &str, collect_mode: &str) {
        for name in ["collect", "work"] {
            let path = self.dir.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
            fs::create_dir_all(&path).unwrap();
        }
        let dir = self.dir.display();
        let source = self.source.display();
        let text = format!(
            "<cb_config><reference><author>bench</author></reference><options>\
             <starting_day>monday</starting_day><working_dir>{dir}/work</working_dir>\
             <backup_user>root</backup_user><backup_group>root</backup_group>\
             <rcp_command>/usr/bin/scp -B</rcp_command></options><collect>\
             <collect_dir>{dir}/collect</collect_dir><collect_mode>{collect_mode}</collect_mode>\
             <archive_mode>{archive_mode}</archive_mode><ignore_file>.cbignore</ignore_file>\
             <dir><abs_path>{source}</abs_path></dir></collect></cb_config>\n"
        );
        fs::write(self.dir.join("conf"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.dir.join("conf"));
        command.args(["--quiet", "--now", "2026-11-18", "run", "collect"]);
        command
    }

    fn ours(&self, archive_mode: &'static str, collect_mode: &'static str) -> Contender<'_> {
        Contender {
            name: format!("hayloft run collect, {archive_mode}"),
            prepare: Box::new(move || self.configure(archive_mode, collect_mode)),
            command: Box::new(|| self.command()),
        }
    }

    fn peer(&self, line: &str) -> Contender<'_> {
        let line = line.to_owned();
        let name = line
            .replace(&self.dir.display().to_string(), "")
            .replace("tar --posix --sort=name -cf - -C /source .", "tar");
        Contender { name, prepare: Box::new(|| {}), command: Box::new(move || shell(&line)) }
    }

    fn cback3(&self) -> Contender<'_> {
        Contender {
            name: "cback3 collect, targz".to_owned(),
            prepare: Box::new(|| self.configure("targz", "daily")),
            command: Box::new(|| {
                let mut command = Command::new("cback3");
                command.arg("-c").arg(self.dir.join("conf")).arg("-l").arg(self.dir.join("log"));
                command.args(["-q", "collect"]);
                command
            }),
        }
    }

    /// An unchanged tree: the second incremental run against the first.
    fn unchanged(&self) {
        let first = compete("incremental, first run", &[self.ours("tarzst", "incr")]);
        let again = Contender {
            name: "hayloft run collect, nothing changed".to_owned(),
            prepare: Box::new(|| fs::write(self.dir.join("collect/cback.stage"), "").unwrap()),
            command: Box::new(|| self.command()),
        };
        let again = compete("incremental, unchanged tree", &[again]);
        let ratio = again[0].wall.as_secs_f64() / first[0].wall.as_secs_f64();
        println!("  an unchanged tree takes {ratio:.4} of the first run (the aim is 0.05)");
    }
}
