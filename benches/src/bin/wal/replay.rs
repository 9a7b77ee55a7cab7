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
    let call = ground.configured("zstd", &ground.local(), zstd);
    run(shell(&ground.each(&format!("{call} push main \"$1\""))));
    let open = format!("chmod -R a+rwX {}", ground.dir().display());
    run(shell(&open));
    let alone = ground.configured(
        "alone",
        &ground.local(),
        &(zstd.to_owned() + "<get_ahead>0</get_ahead>"),
    );
    run(shell(&open));
    let wal = ground.path("pg_wal");
    let contenders = [
        ("cp, of what is not compressed", format!("cp {}/%f %p", wal.display())),
        ("hayloft pg wal get, zstd", format!("{call} get main %f %p")),
        ("hayloft pg wal get, zstd, nothing ahead", format!("{alone} get main %f %p")),
    ];
    let mut best = [Duration::MAX; 3];
    for _ in 0..2 {
        for ((_, command), best) in contenders.iter().zip(&mut best) {
            *best = replay(ground, command).min(*best);
        }
    }
    for ((name, _), time) in contenders.iter().zip(best) {
        let ratio = time.as_secs_f64() / best[0].as_secs_f64();
        println!("  {name:<44} {:>8.3} s   {ratio:.3} of cp", time.as_secs_f64());
    }
}

fn replay(ground: &Ground, command: &str) -> Duration {
    let mut server = Postgres::options().setting("restore_command", command).start();
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
    began.elapsed()
}
