//! How long finding and loading takes. Figures are printed, not judged: run
//! with `cargo test --release --test plugins speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use hayloft::plugins::Registry;

use crate::lab::{Shelf, good, section};

const TRIES: usize = 50;

fn least(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..TRIES).map(|_| measure()).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn finding_ten_plugins_and_loading_one() {
    let shelf = Shelf::new();
    let file = good();
    for at in 0..10_u8 {
        let id = format!("\nid=fixture-goo{}\n", char::from(b'a' + at));
        shelf.add_patched(&format!("{at}.so"), &file, &[("\nid=fixture-good\n", id.as_str())]);
    }
    let size = std::fs::metadata(&file).unwrap().len();
    let found = least(|| {
        let start = Instant::now();
        let registry = shelf.registry();
        assert_eq!(registry.entries().len(), 11);
        start.elapsed()
    });
    println!("finding 10 plugins of {size} bytes: {found:?}");

    // Each file is loaded once in a process, so each try needs one of its own.
    let loaded = least(|| {
        let shelf = Shelf::new();
        shelf.add("good.so", &file);
        let registry = shelf.registry();
        let start = Instant::now();
        registry.compressor("shifted", &section(&[])).unwrap();
        start.elapsed()
    });
    println!("loading 1 plugin and opening a compressor: {loaded:?}");

    let empty = least(|| {
        let start = Instant::now();
        drop(Registry::new());
        start.elapsed()
    });
    println!("a registry with nothing in it: {empty:?}");
}
