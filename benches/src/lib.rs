//! Measures whole programs in turn and prints ratios.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a benchmark prints, and fails by panicking"
)]

pub mod tree;

use std::{
    env, fs,
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How often each thing is measured, if nobody says otherwise.
const ROUNDS: usize = 3;

/// What one run of a program took.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From its start to its end.
    pub wall: Duration,
    /// Seconds of the processor, of it and of everything that it waited for.
    pub cpu: f64,
    /// The most memory that one of its processes had, in bytes.
    pub memory: u64,
}

/// Something to measure.
pub struct Contender<'a> {
    /// What it is called in the table.
    pub name: String,
    /// Puts everything back to where it was.
    pub prepare: Box<dyn Fn() + 'a>,
    /// Makes the command.
    pub command: Box<dyn Fn() -> Command + 'a>,
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Measures all contenders in turn, so that whatever else the machine does
/// hits all of them, and returns each one's best round. The first is ours.
pub fn compete(title: &str, contenders: &[Contender<'_>]) -> Vec<Measured> {
    let rounds = env::var("HAYLOFT_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok());
    let mut best: Vec<Option<Measured>> = vec![None; contenders.len()];
    for _ in 0..rounds.unwrap_or(ROUNDS) {
        for (contender, best) in contenders.iter().zip(&mut best) {
            (contender.prepare)();
            let measured = measure((contender.command)());
            let memory = best.map_or(measured.memory, |b| b.memory.max(measured.memory));
            let wall = best.map_or(measured.wall, |b| b.wall.min(measured.wall));
            let cpu = best.map_or(measured.cpu, |b| b.cpu.min(measured.cpu));
            *best = Some(Measured { wall, cpu, memory });
        }
    }
    let best: Vec<Measured> = best.into_iter().flatten().collect();
    table(title, contenders, &best);
    best
}

fn table(title: &str, contenders: &[Contender<'_>], best: &[Measured]) {
    println!("\n{title}");
    let (ours, our_cpu) = (best[0].wall.as_secs_f64(), best[0].cpu);
    for (contender, measured) in contenders.iter().zip(best) {
        let (wall, cpu) = (measured.wall.as_secs_f64(), measured.cpu);
        println!(
            "  {:<44} {wall:>8.3} s   ours is {:>6.3} of it   CPU {cpu:>6.2} s, {:>5.2} of it   \
             {:>6.1} MiB",
            contender.name,
            ours / wall,
            our_cpu / cpu,
            mib(measured.memory)
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "only shown")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Runs a program to its end, which must be a good one. What it has left at
/// work in the background counts for the processor, not for the wall.
pub fn measure(mut command: Command) -> Measured {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let orphans = Orphans::adopt();
    let (started, cpu) = (Instant::now(), cpu_of_children());
    let mut child = command.spawn().expect("the program can be started");
    let watch = Watch::start(child.id());
    let status = child.wait().unwrap();
    let wall = started.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    orphans.bury();
    Measured { wall, cpu: cpu_of_children() - cpu, memory: watch.stop() }
}

/// Processes whose parents have ended become ours meanwhile, so that they can
/// be waited for.
struct Orphans {
    known: Vec<u32>,
}

impl Orphans {
    fn adopt() -> Self {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        Self { known: children(process::id()) }
    }

    fn bury(self) {
        let ours = |it: &u32| !self.known.contains(it);
        while let Some(child) = children(process::id()).into_iter().find(ours) {
            let child = rustix::process::Pid::from_raw(child.cast_signed());
            rustix::process::waitpid(child, rustix::process::WaitOptions::empty()).unwrap();
        }
        rustix::process::set_child_subreaper(None).unwrap();
    }
}

/// Seconds of the processor, in user and system, of all that was waited for.
fn cpu_of_children() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(13).take(2).map(|it| it.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Looks at the memory of a process and all below it while they live.
struct Watch {
    end: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Watch {
    fn start(process: u32) -> Self {
        let (end, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (end, peak) = (Arc::clone(&end), Arc::clone(&peak));
            move || {
                while !end.load(Ordering::Relaxed) {
                    for process in family(process) {
                        peak.fetch_max(peak_memory(process), Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(50));
                }
            }
        });
        Self { end, peak, thread }
    }

    fn stop(self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.peak.load(Ordering::Relaxed)
    }
}

fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let mut at = 0;
    while let Some(&process) = family.get(at) {
        family.extend(children(process));
        at += 1;
    }
    family
}

fn children(process: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
    }
    found
}

fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Makes a shell command of one line.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", line]);
    command
}

/// Tells whether a peer is installed, and says so if it is not.
pub fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        println!("{program} is not installed and is left out");
    }
    found
}

/// Returns an empty directory for the data of a benchmark.
pub fn directory(name: &str) -> PathBuf {
    let base = env::var_os("HAYLOFT_BENCH_DIR").map_or_else(
        || {
            let exe = env::current_exe().unwrap();
            exe.parent().unwrap().join("bench-data")
        },
        PathBuf::from,
    );
    let directory = base.join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Returns the program, as `cargo build --release --workspace` leaves it.
pub fn program() -> PathBuf {
    let program = env::current_exe().unwrap().with_file_name("hayloft");
    assert!(program.exists(), "run `cargo build --release --workspace` first");
    program
}
