//! An object of 1 GiB to a store and back, 10,000 small ones, and a list of two
//! million, against `rclone`, `s5cmd` and `aws`, all with the same store on
//! loopback. Arguments choose what is measured: `up`, `down`, `small`, `list`;
//! all without any.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use hayloft_benches::{Contender, Measured, compete, directory, installed, program};
use hayloft_test_servers::{ACCESS_KEY, BUCKET, ManyKeys, S3Server, SECRET_KEY};

const LARGE: usize = 1 << 30;
const SMALL: usize = 10_000;
const SMALL_SIZE: usize = 1000;
const MANY: u64 = 2_000_000;
/// How much is on its way at the same time, for all.
const CONCURRENCY: &str = "16";
const PART_MIB: u64 = 16;
const PARTS: u64 = 4;

fn main() {
    let dir = directory("objects");
    write_files(&dir);
    let server = S3Server::start();
    let bench = Bench { dir: &dir, server: &server, endpoint: server.endpoint() };
    bench.configure();

    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |what: &str| wanted.is_empty() || wanted.iter().any(|it| it == what);
    if is_wanted("up") {
        let measured = compete(
            "1 GiB to the store",
            &bench.all(
                &["storage", "put", "--force", "$large", "store:large"],
                &["copyto", "--ignore-times", "$large", "bench:backups/rclone"],
                &["cp", "$large", "s3://backups/s5cmd"],
                &["s3", "cp", "--no-progress", "$large", "s3://backups/aws"],
            ),
        );
        memory("writing", &measured[0]);
    }
    if is_wanted("down") {
        server.place("large", fs::read(dir.join("large")).unwrap());
        let measured = compete(
            "1 GiB from the store",
            &bench.all(
                &["storage", "get", "--force", "store:large", "$back"],
                &["copyto", "--ignore-times", "bench:backups/large", "$back"],
                &["cp", "s3://backups/large", "$back"],
                &["s3", "cp", "--no-progress", "s3://backups/large", "$back"],
            ),
        );
        memory("reading", &measured[0]);
    }
    if is_wanted("small") {
        compete(
            "10,000 objects of 1000 bytes to the store",
            &bench.all(
                &[
                    "storage",
                    "copy",
                    "--from-start",
                    "--jobs",
                    CONCURRENCY,
                    "files:",
                    "store:small/",
                ],
                &["copy", "--ignore-times", "$small", "bench:backups/rclone-small"],
                &["cp", "$small/", "s3://backups/s5cmd-small/"],
                // It takes minutes.
                &[],
            ),
        );
    }
    if is_wanted("list") {
        list(&dir, &server);
    }
    fs::remove_dir_all(&dir).unwrap();
}

/// Lists more keys than anybody wants to keep in memory.
fn list(dir: &Path, server: &S3Server) {
    let many = ManyKeys::start(MANY);
    let bench = Bench { dir, server, endpoint: many.endpoint() };
    bench.configure();
    let measured = compete(
        "2,000,000 keys listed",
        &bench.all(
            &["storage", "ls", "--recursive", "store:"],
            &["lsf", "--recursive", "--fast-list", "--files-only", "bench:backups"],
            &["ls", "s3://backups/*"],
            // It takes minutes.
            &[],
        ),
    );
    println!("  listing took {} MiB of the 64 MiB that are allowed", measured[0].memory >> 20);
}

/// Says how much memory was used, and how much may be: all parts that are on
/// their way, and what a program needs itself.
fn memory(what: &str, measured: &Measured) {
    let (used, allowed) = (measured.memory >> 20, 64 + PARTS * PART_MIB);
    println!("  {what} took {used} MiB of the {allowed} MiB that are allowed");
}

/// Writes what is sent. It does not compress, and no two pieces are the same.
fn write_files(dir: &Path) {
    fs::create_dir_all(dir.join("small")).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |length: usize| {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    };
    let mut large = fs::File::create(dir.join("large")).unwrap();
    for _ in 0..LARGE >> 20 {
        large.write_all(&noise(1 << 20)).unwrap();
    }
    for number in 0..SMALL {
        fs::write(dir.join(format!("small/{number:05}")), noise(SMALL_SIZE)).unwrap();
    }
}

struct Bench<'a> {
    dir: &'a Path,
    server: &'a S3Server,
    /// Where the store is that is asked.
    endpoint: String,
}

impl Bench<'_> {
    fn configure(&self) {
        let (dir, endpoint) = (self.dir.display(), &self.endpoint);
        fs::create_dir_all(self.dir.join("work")).unwrap();
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let text = format!(
            "<cb_config><options><starting_day>monday</starting_day>\
             <working_dir>{dir}/work</working_dir><backup_user>{user}</backup_user>\
             <backup_group>{user}</backup_group><rcp_command>/usr/bin/scp -B</rcp_command>\
             </options><storages><storage><name>files</name><type>local</type>\
             <root>{dir}/small</root></storage><storage><name>store</name><type>s3</type>\
             <bucket>{BUCKET}</bucket><endpoint>{endpoint}</endpoint>\
             <access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password>\
             <part_size>{PART_MIB} MB</part_size><concurrency>{PARTS}</concurrency>\
             </storage></storages></cb_config>\n"
        );
        fs::write(self.dir.join("conf"), text).unwrap();
        let text = format!(
            "[bench]\ntype = s3\nprovider = Other\nendpoint = {endpoint}\n\
             access_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n\
             region = us-east-1\nchunk_size = {PART_MIB}Mi\nupload_concurrency = {PARTS}\n\
             no_check_bucket = true\nlist_version = 2\n"
        );
        fs::write(self.dir.join("rclone.conf"), text).unwrap();
    }

    /// Ours and every peer that is installed.
    fn all<'a>(
        &'a self,
        ours: &'a [&str],
        rclone: &'a [&str],
        s5cmd: &'a [&str],
        aws: &'a [&str],
    ) -> Vec<Contender<'a>> {
        let mut all = vec![self.contender("hayloft", ours, |it| {
            let mut command = Command::new(program());
            command.arg("--quiet").arg("-c").arg(it.dir.join("conf"));
            command
        })];
        if installed("rclone") {
            all.push(self.contender("rclone", rclone, |it| {
                let mut command = Command::new("rclone");
                command.arg("--config").arg(it.dir.join("rclone.conf"));
                command.args(["--transfers", CONCURRENCY, "--checkers", CONCURRENCY]);
                command.args(["--multi-thread-streams", "4"]);
                command
            }));
        }
        if installed("s5cmd") {
            all.push(self.contender("s5cmd", s5cmd, |it| {
                let mut command = Command::new("s5cmd");
                command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
                command.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
                command.env("AWS_REGION", "us-east-1");
                command.arg("--endpoint-url").arg(&it.endpoint);
                command.args(["--log", "error", "--numworkers", CONCURRENCY]);
                command
            }));
        }
        if !aws.is_empty() && installed("aws") {
            all.push(self.contender("aws", aws, |it| {
                let mut command = Command::new("aws");
                command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
                command.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
                command.env("AWS_REGION", "us-east-1");
                command.arg("--endpoint-url").arg(&it.endpoint);
                command
            }));
        }
        all
    }

    fn contender<'a>(
        &'a self,
        name: &str,
        arguments: &'a [&str],
        command: impl Fn(&Self) -> Command + 'a,
    ) -> Contender<'a> {
        let path = |name: &str| -> PathBuf { self.dir.join(name) };
        Contender {
            name: format!("{name} {}", arguments[..arguments.len().min(2)].join(" ")),
            prepare: Box::new(move || {
                drop(fs::remove_file(path("back")));
                // Nobody is to wait for what others have written.
                Command::new("sync").status().unwrap();
                self.server.clear("small/");
                self.server.clear("rclone-small/");
                self.server.clear("s5cmd-small/");
                for large in ["rclone", "s5cmd", "aws"] {
                    self.server.remove(large);
                }
            }),
            command: Box::new(move || {
                let mut command = command(self);
                // The store is without TLS, and rclone wants a bundle with only
                // certificates in it.
                command.env_remove("AWS_CA_BUNDLE");
                for argument in arguments {
                    match argument.strip_prefix('$') {
                        // A slash at the end means what is in it.
                        Some(name) => command.arg(format!("{}/{name}", self.dir.display())),
                        None => command.arg(argument),
                    };
                }
                command
            }),
        }
    }
}
