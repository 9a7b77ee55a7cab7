//! Base backups: full, as they are, of one table, incremental, restored and
//! verified; against pgBackRest, tar, cp and zstd.
//!
//! `backup full none table incremental restore verify` measures some of them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "backup/ground.rs"]
mod ground;
#[path = "backup/peers.rs"]
mod peers;

use std::{env, fs};

use hayloft_benches::{Contender, Measured, compete, measure, shell};

use self::{
    ground::Ground,
    peers::{contender, ours, pgbackrest, pgbackrest_restore},
};

fn main() {
    let asked: Vec<String> = env::args().skip(1).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    println!("load: {}", fs::read_to_string("/proc/loadavg").unwrap().trim());
    let ground = Ground::new();
    let parts: [Part; 6] = [
        ("full", full),
        ("none", none),
        ("restore", restore),
        ("verify", verify),
        ("incremental", incremental),
        ("table", table),
    ];
    for (name, part) in parts.into_iter().filter(|it| wanted(it.0)) {
        println!("\n{name}: {}", fs::read_to_string("/proc/loadavg").unwrap().trim());
        part(&ground);
    }
    fs::remove_dir_all(ground.dir()).unwrap();
}

/// What is measured, by its name.
type Part = (&'static str, fn(&Ground));

/// Compressed.
fn full(ground: &Ground) {
    let (data, to) = (ground.data(), ground.path("tar.zst"));
    let tar = format!(
        "tar -C {} -c --exclude=./pg_wal . 2>/dev/null | zstd -q -T2 -3 -o {1} && sync {1}",
        data.display(),
        to.display()
    );
    let all = [
        Some(ours(ground, "zstd", "")),
        pgbackrest(ground, "zst", "y"),
        pgbackrest(ground, "zst", "n"),
        Some(contender("tar | zstd -T2 -3, sync", || ground.clean(), tar)),
    ];
    compete(
        "a full backup, zstd 3 (the aims are 0.77, CPU 0.75; 1.0 of tar)",
        &all.into_iter().flatten().collect::<Vec<_>>(),
    );
}

/// As they are.
fn none(ground: &Ground) {
    let all = [
        Some(ours(ground, "none", "")),
        Some(contender("cp, sync", || ground.clean(), ground.copy())),
        pgbackrest(ground, "none", "y"),
    ];
    compete(
        "a full backup, not compressed (the aim is 1.25 of cp)",
        &all.into_iter().flatten().collect::<Vec<_>>(),
    );
}

/// What the first ones have stored.
fn restore(ground: &Ground) {
    ground.clean();
    ground.backup("zstd", "");
    ground.archive("zstd");
    let line = format!(
        "{} restore main {}",
        ground.configured("zstd"),
        ground.path("restored/ours").display()
    );
    let prepare = || {
        ground.remove("restored");
        fs::create_dir_all(ground.path("restored")).unwrap();
        measure(shell("sync"));
    };
    let all = [Some(contender("hayloft pg restore", prepare, line)), pgbackrest_restore(ground)];
    compete("a restore, zstd 3 (the aim is 0.83)", &all.into_iter().flatten().collect::<Vec<_>>());
    ground.remove("restored");
}

/// Everything is read and compared, against what only decompresses the same
/// bytes, a half on each of two processors.
fn verify(ground: &Ground) {
    ground.clean();
    ground.backup("zstd", "");
    ground.archive("zstd");
    let halves = ground.path("halves");
    fs::create_dir_all(&halves).unwrap();
    let make = format!(
        "cd {}; tar -C {} -c base 2>/dev/null > all; split -n 2 all half-; rm all; \
         zstd -q --rm -3 half-*",
        halves.display(),
        ground.data().display()
    );
    measure(shell(&make));
    let line = format!("{} verify main", ground.configured("zstd"));
    let peer = format!("cd {}; for it in half-*; do zstd -qdc $it & done; wait", halves.display());
    compete(
        "a verification, zstd 3",
        &[contender("hayloft pg verify", || {}, line), contender("zstd -d, twice", || {}, peer)],
    );
    ground.remove("halves");
}

/// After some pages have changed.
fn incremental(ground: &Ground) {
    ground.clean();
    ground.backup("zstd", "");
    let full = ground.stored();
    ground.change();
    let forget = || {
        measure(shell("sync; echo 3 > /proc/sys/vm/drop_caches 2>/dev/null || true"));
    };
    let again = || {
        ground.remove_last();
        forget();
    };
    let line = format!("{} backup main --fast --no-wait --incremental", ground.configured("zstd"));
    let read = format!("find {}/base -type f | xargs -P2 cat", ground.data().display());
    let best = compete(
        "an incremental backup after 1 % of the pages have changed, nothing in the cache",
        &[
            contender("hayloft pg backup --incremental", again, line),
            contender("cat", forget, read),
        ],
    );
    let stored = ground.stored() - full;
    println!("  {stored} bytes stored, {:.2} % of {full} (the aim is 5 %)", percent(stored, full));
    processors(&best[0]);
}

/// One large table alone.
fn table(ground: &Ground) {
    ground.one_table();
    let best: Vec<Measured> = compete("one table alone, zstd 3", &one(ours(ground, "zstd", "")));
    processors(&best[0]);
}

fn one(it: Contender<'_>) -> [Contender<'_>; 1] {
    [it]
}

fn processors(it: &Measured) {
    println!("  {:.2} processors were busy", it.cpu / it.wall.as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "only shown")]
fn percent(part: u64, of: u64) -> f64 {
    part as f64 * 100.0 / of as f64
}
