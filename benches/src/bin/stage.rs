//! `stage` of 2 GB from a local peer, against `cp` and a sync; and `purge` of
//! 100,000 files against `rm`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use hayloft_benches::{Contender, compete, directory, program, shell};

const BYTES: usize = 2_000_000_000;
const PURGED: usize = 100_000;

fn main() {
    let dir = directory("stage");
    for files in [1, 16, 1000] {
        let peer = dir.join("peer");
        println!("writing {BYTES} bytes into {files} files ...");
        write(&peer, files);
        let bench = Bench { dir: &dir };
        let copy = "cp --reflink=never DIR/peer/* DIR/copy/ && sync -f DIR/copy";
        let best = compete(
            &format!("2 GB in {files} files, all of it in the page cache"),
            &[
                bench.ours("hayloft run stage", "stage"),
                bench.peer("cp --reflink=never, sync", copy),
                bench.peer("the disk: dd, sync at the end", &dd()),
            ],
        );
        let speed = best[1].wall.as_secs_f64() / best[0].wall.as_secs_f64();
        println!("  {speed:.2} of the speed of cp and sync (the aim is 0.9)");
        fs::remove_dir_all(&peer).unwrap();
    }
    purge(&dir);
    fs::remove_dir_all(&dir).unwrap();
}

/// What nothing that reads no file could beat.
fn dd() -> String {
    let blocks = BYTES >> 20;
    format!("dd if=/dev/zero of=DIR/copy/zeros bs=1M count={blocks} conv=fsync status=none")
}

/// Writes files that do not compress, and the indicator.
fn write(peer: &Path, files: usize) {
    fs::create_dir_all(peer).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0_u8; 1 << 20];
    for n in 0..files {
        let mut file = File::create(peer.join(format!("{n:04}.tar"))).unwrap();
        let mut left = BYTES / files;
        while left > 0 {
            for eight in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                eight.copy_from_slice(&state.to_le_bytes());
            }
            let piece = left.min(block.len());
            file.write_all(&block[..piece]).unwrap();
            left -= piece;
        }
        file.sync_all().unwrap();
    }
    File::create(peer.join("cback.collect")).unwrap();
}

struct Bench<'a> {
    dir: &'a Path,
}

impl Bench<'_> {
    fn configure(&self) {
        for name in ["staging", "copy", "work"] {
            let path = self.dir.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
            fs::create_dir_all(&path).unwrap();
        }
        let dir = self.dir.display();
        let text = format!(
            "<cb_config><options><starting_day>monday</starting_day>\
             <working_dir>{dir}/work</working_dir><backup_user>root</backup_user>\
             <backup_group>root</backup_group><rcp_command>scp</rcp_command></options>\
             <peers><peer><type>local</type><name>box</name><collect_dir>{dir}/peer</collect_dir>\
             </peer></peers><stage><staging_dir>{dir}/staging</staging_dir></stage>\
             <purge><dir><abs_path>{dir}/old</abs_path><retain_days>3</retain_days></dir></purge>\
             </cb_config>\n"
        );
        fs::write(self.dir.join("conf"), text).unwrap();
        // What the one before has written is not ours to write.
        assert!(Command::new("sync").status().unwrap().success());
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.dir.join("conf")).args(["--quiet", "run", action]);
        command
    }

    fn ours(&self, name: &str, action: &'static str) -> Contender<'_> {
        Contender {
            name: name.to_owned(),
            prepare: Box::new(|| self.configure()),
            command: Box::new(move || self.command(action)),
        }
    }

    fn peer(&self, name: &str, line: &str) -> Contender<'_> {
        let line = line.replace("DIR", &self.dir.display().to_string());
        Contender {
            name: name.to_owned(),
            prepare: Box::new(|| self.configure()),
            command: Box::new(move || shell(&line)),
        }
    }
}

/// Purges a tree, and says what processor time that took.
fn purge(dir: &Path) {
    let bench = Bench { dir };
    let fill = || {
        bench.configure();
        let then = SystemTime::now() - Duration::from_hours(240);
        for n in 0..PURGED {
            let sub = dir.join("old").join((n % 100).to_string());
            fs::create_dir_all(&sub).unwrap();
            let file = File::create(sub.join(n.to_string())).unwrap();
            file.set_modified(then).unwrap();
        }
    };
    let timed = format!(
        "TIMEFORMAT='  purge used %U + %S s of processor time (the aim is 2)'; \
         time {} -c {} --quiet run purge",
        program().display(),
        dir.join("conf").display()
    );
    let remove = format!("rm -r {}/old/*", dir.display());
    let contender = |name: &str, line: String| Contender {
        name: name.to_owned(),
        prepare: Box::new(fill),
        command: Box::new(move || shell(&line)),
    };
    compete("100,000 files", &[contender("hayloft run purge", timed), contender("rm -r", remove)]);
}
