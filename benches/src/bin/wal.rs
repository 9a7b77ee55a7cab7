//! Archiving WAL: one segment after the other, a backlog, an object store, and
//! a replay; against the shell, zstd, pgBackRest and Barman.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "wal/cloud.rs"]
mod cloud;
#[path = "wal/ground.rs"]
mod ground;
#[path = "wal/peers.rs"]
mod peers;
#[path = "wal/replay.rs"]
mod replay;
#[path = "wal/start.rs"]
mod start;

use std::{env, fs};

use hayloft_benches::compete;

use self::{
    ground::Ground,
    peers::{
        archive_ours, backlog_barman, backlog_ours, limit, limit_of_calls, ours, pgbackrest,
        shell_copy,
    },
};

fn main() {
    // Only some of them: `wal trickle replay`.
    let asked: Vec<String> = env::args().skip(1).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    println!("load: {}", fs::read_to_string("/proc/loadavg").unwrap().trim());
    let ground = Ground::new();
    if wanted("start") {
        start::measure(&ground);
    }
    if wanted("trickle") {
        trickle(&ground);
    }
    if wanted("backlog") {
        backlog(&ground);
    }
    if wanted("cloud") {
        cloud::measure(&ground);
    }
    if wanted("replay") {
        replay::measure(&ground);
    }
    println!("\nload: {}", fs::read_to_string("/proc/loadavg").unwrap().trim());
    ground.end();
}

/// One segment after the other, when no other waits.
fn trickle(ground: &Ground) {
    let count = ground.segments().len();
    let plain = [
        Some(ours(ground, "none")),
        Some(shell_copy(ground, "cp \"$1\" \"$2\"")),
        pgbackrest(ground, "none", false, false),
    ];
    let plain: Vec<_> = plain.into_iter().flatten().collect();
    compete(
        &format!("{count} segments, one at a time, as they are (the aims are 1.3 and 0.7)"),
        &plain,
    );
    let zstd = [
        Some(ours(ground, "zstd")),
        Some(shell_copy(ground, "zstd -3 -q -f -o \"$2\" \"$1\"")),
        pgbackrest(ground, "zst", false, false),
        pgbackrest(ground, "zst", true, false),
    ];
    let zstd: Vec<_> = zstd.into_iter().flatten().collect();
    compete(
        &format!("{count} segments, one at a time, zstd 3 (the aims are 1.1, 0.8 and 0.25)"),
        &zstd,
    );
}

/// All segments wait, and are asked for one after the other.
fn backlog(ground: &Ground) {
    let count = ground.segments().len();
    let pushes = [
        Some(backlog_ours(ground)),
        pgbackrest(ground, "zst", true, true),
        backlog_barman(ground),
        Some(limit_of_calls(ground)),
        Some(limit(ground)),
    ];
    let pushes: Vec<_> = pushes.into_iter().flatten().collect();
    let title = format!("a backlog of {count} segments, zstd 3 (the aims are 0.8 and 0.33)");
    compete(&title, &pushes);
    // What somebody else has brought, in one call, as Barman does it.
    let calls = [Some(archive_ours(ground)), backlog_barman(ground), Some(limit(ground))];
    let calls: Vec<_> = calls.into_iter().flatten().collect();
    compete(&format!("{count} segments in incoming, zstd 3 (the aim is 0.33)"), &calls);
}
