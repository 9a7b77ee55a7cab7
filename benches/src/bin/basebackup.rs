//! A base backup into nothing: our client against `pg_basebackup -Ft -D -`.
//!
//! Both get the same archives from the same server in turn: no WAL, no
//! manifest, checkpoint at once, no encryption.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints and panics")]

use std::{
    env, fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hayloft_postgres::{
    conninfo::{Conninfo, Environment, Target},
    replication::{BackupEvent, BaseBackupOptions, ReplicationConnection},
};
use hayloft_tests::postgres::Postgres;

/// About 1.2 GB.
const SCALE: u32 = 80;
const ROUNDS: usize = 7;

/// What one round took.
#[derive(Clone, Copy)]
struct Round {
    wall: Duration,
    cpu: f64,
    bytes: u64,
}

fn main() {
    let rounds = env::var("HAYLOFT_BENCH_ROUNDS").ok().and_then(|it| it.parse().ok());
    let scale = env::var("HAYLOFT_BENCH_SCALE").ok().and_then(|it| it.parse().ok());
    let server = Postgres::options().setting("max_wal_size", "8GB").tcp().start();
    server.pgbench("bench", scale.unwrap_or(SCALE));
    server.sql("postgres", "CHECKPOINT");
    for (what, host) in [
        ("Unix socket", server.socket_dir().display().to_string()),
        ("TCP", "127.0.0.1".to_owned()),
    ] {
        let text = format!("host={host} port={} user={}", server.port(), server.user());
        let target = text.parse::<Conninfo>().unwrap().for_streaming();
        let target = target.resolve(&Environment::empty()).unwrap();
        let (mut own, mut peer) = (Vec::new(), Vec::new());
        // The first reads everything into memory, and is nobody's.
        ours(&target);
        for _ in 0..rounds.unwrap_or(ROUNDS) {
            own.push(ours(&target));
            peer.push(theirs(&server, &host));
        }
        report(what, &own, &peer);
    }
}

fn ours(target: &Target) -> Round {
    let (began, cpu) = (Instant::now(), cpu_of("/proc/self/stat", 11));
    let mut connection = ReplicationConnection::open(target).unwrap();
    let options = BaseBackupOptions {
        fast_checkpoint: true,
        manifest: None,
        wait: false,
        ..BaseBackupOptions::default()
    };
    let mut bytes = 0;
    for event in connection.base_backup(&options).unwrap() {
        if let BackupEvent::Data(data) = event.unwrap() {
            bytes += data.len() as u64;
        }
    }
    Round { wall: began.elapsed(), cpu: cpu_of("/proc/self/stat", 11) - cpu, bytes }
}

fn theirs(server: &Postgres, host: &str) -> Round {
    let mut command: Command = server.command("pg_basebackup");
    command.env("PGHOST", host).env("PGSSLMODE", "disable");
    command.args(["-Ft", "-X", "none", "-D", "-", "-c", "fast", "--no-manifest"]);
    let (began, cpu) = (Instant::now(), cpu_of("/proc/self/stat", 13));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    Round { wall: began.elapsed(), cpu: cpu_of("/proc/self/stat", 13) - cpu, bytes: 0 }
}

/// Seconds of the processor, in user and system, from two neighbouring fields:
/// our own (11), or those of children that have ended (13).
fn cpu_of(file: &str, field: usize) -> f64 {
    let text = fs::read_to_string(file).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 =
        fields[field].parse::<f64>().unwrap() + fields[field + 1].parse::<f64>().unwrap();
    ticks / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "only shown")]
fn report(what: &str, own: &[Round], peer: &[Round]) {
    let median = |rounds: &[Round], of: fn(&Round) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        (all[all.len() / 2], all[0])
    };
    let (ours, our_best) = median(own, |it| it.wall.as_secs_f64());
    let (theirs, their_best) = median(peer, |it| it.wall.as_secs_f64());
    let (our_cpu, their_cpu) = (median(own, |it| it.cpu).0, median(peer, |it| it.cpu).0);
    let size = own[0].bytes as f64 / 1e6;
    println!("\nbase backup of {size:.0} MB into nothing, {what} (the aim is 0.95 or more)");
    println!(
        "  hayloft        {ours:>7.3} s  {:>5.0} MB/s  client CPU {our_cpu:.2} s",
        size / ours
    );
    println!(
        "  pg_basebackup  {theirs:>7.3} s  {:>5.0} MB/s  client CPU {their_cpu:.2} s",
        size / theirs
    );
    println!(
        "  throughput to pg_basebackup's: {:.3} (medians), {:.3} (best rounds)",
        theirs / ours,
        their_best / our_best
    );
}
