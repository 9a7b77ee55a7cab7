//! A replay: whether PostgreSQL waits for us.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use hayloft_benches::{measure as run, shell};
use hayloft_tests::postgres::Postgres;

use crate::ground::Ground;

/// Replays all segments with `cp`, with `get`, and with `get` that fetches
/// nothing ahead.
pub(crate) fn measure(ground: &Ground) {
    println!("\na replay of {} segments", ground.segments().len());
    ground.clean();
    let zstd = "<compress>zstd</compress>";
    let push = ground.configured("zstd", &ground.local(), zstd);
    run(shell(&ground.each(&format!("{push} push main \"$1\""))));
    // The server's account calls it, and has a spool of its own.
    let call = ground.for_everybody("ahead", zstd);
    let alone = ground.for_everybody("alone", &(zstd.to_owned() + "<get_ahead>0</get_ahead>"));
    let readable = ["ours", "pg_wal"].map(|it| ground.path(it).display().to_string());
    run(shell(&format!("chmod -R a+rX {}", readable.join(" "))));
    let wal = ground.path("pg_wal");
    let contenders = [
        ("cp, of what is not compressed", format!("cp {}/%f %p", wal.display())),
        ("hayloft pg wal get, zstd", format!("{call} get main %f %p")),
        ("hayloft pg wal get, zstd, nothing ahead", format!("{alone} get main %f %p")),
    ];
    let mut best: [Option<Replayed>; 3] = [const { None }; 3];
    for _ in 0..2 {
        for ((_, command), best) in contenders.iter().zip(&mut best) {
            let replayed = replay(ground, command);
            if best.as_ref().is_none_or(|it| replayed.wall < it.wall) {
                *best = Some(replayed);
            }
        }
    }
    let best = best.map(Option::unwrap);
    let milliseconds = |it: Duration| it.as_secs_f64() * 1e3;
    for ((name, _), it) in contenders.iter().zip(&best) {
        let ratio = it.wall.as_secs_f64() / best[0].wall.as_secs_f64();
        println!(
            "  {name:<44} {:>8.3} s   {ratio:.3} of cp   waits {:>6.3} s in all, {:.1} ms in the \
             middle, {:.1} ms at most",
            it.wall.as_secs_f64(),
            it.waits.iter().sum::<Duration>().as_secs_f64(),
            milliseconds(it.waits[it.waits.len() / 2]),
            milliseconds(it.waits[it.waits.len() - 1]),
        );
    }
}

/// A replay: how long it took, and how long each call of `restore_command`
/// that brought a segment did.
struct Replayed {
    wall: Duration,
    /// The shortest first.
    waits: Vec<Duration>,
}

/// Calls a command, and notes how long that took in microseconds.
const WATCH: &str = "#!/bin/bash\nbegan=$EPOCHREALTIME\n\"$@\" || exit\n\
                     ended=$EPOCHREALTIME\n\
                     echo $((${ended/[.,]/} - ${began/[.,]/})) >> \"${0%/*}/waits\"\n";

fn replay(ground: &Ground, command: &str) -> Replayed {
    let (watch, waits) = (ground.path("watch"), ground.path("waits"));
    fs::write(&watch, WATCH).unwrap();
    fs::write(&waits, "").unwrap();
    run(shell(&format!("chmod a+rwx {} {}", watch.display(), waits.display())));
    let command = format!("{} {command}", watch.display());
    let mut server = Postgres::options().setting("restore_command", &command).start();
    server.stop();
    let data = server.data_dir();
    fs::remove_dir_all(&data).unwrap();
    run(shell(&format!("cp -a {}/base {}", ground.dir().display(), data.display())));
    let signal = format!(
        "touch {0}/recovery.signal; chown --reference={0} {0}/recovery.signal",
        data.display()
    );
    run(shell(&(signal + "; sync")));
    let began = Instant::now();
    server.start_again();
    while server.sql("postgres", "SELECT pg_is_in_recovery()") == "t" {
        thread::sleep(Duration::from_millis(20));
    }
    let wall = began.elapsed();
    let noted = fs::read_to_string(waits).unwrap();
    let mut waits: Vec<Duration> =
        noted.lines().map(|it| Duration::from_micros(it.parse().unwrap())).collect();
    assert!(waits.len() >= ground.segments().len(), "not all segments were replayed");
    waits.sort();
    Replayed { wall, waits }
}
