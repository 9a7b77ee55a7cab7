//! `hayloft storage copy`.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use hayloft_test_servers::{Call, Fault, Proxy};
use hayloft_tests::chaos::noise;

use crate::bench::{Bench, kill_family, wait_for};

fn content(i: usize) -> Vec<u8> {
    format!("object {i}\n").repeat(1 + i % 50).into_bytes()
}

/// Puts objects into the directory, whose order by bytes is not that of a
/// walk through directories.
fn fill(bench: &Bench, count: usize) -> Vec<String> {
    let mut keys: Vec<String> = (0..count)
        .map(|i| match i % 3 {
            0 => format!("2026/11/{i:04}"),
            1 => format!("2026/11.old/{i:04}/x"),
            _ => format!("2026/110/{i:04}"),
        })
        .collect();
    keys.sort();
    for (i, key) in keys.iter().enumerate() {
        bench.place("disk", key, &content(i));
    }
    keys
}

fn same_objects(bench: &Bench, keys: &[String]) {
    for (i, key) in keys.iter().enumerate() {
        assert!(bench.content("bucket", key) == content(i), "{key}");
        assert!(bench.content("disk", key) == content(i), "{key}");
    }
}

#[test]
fn a_tree_is_copied_and_copied_again_it_is_compared() {
    let bench = Bench::new();
    let keys = fill(&bench, 60);
    bench.ok(&["copy", "--dry-run", "disk:", "bucket:"]).says("would copy or compare 60 objects");
    assert_eq!(bench.keys("bucket"), [""; 0]);
    let copied = bench.ok(&["copy", "disk:", "bucket:", "--verify", "--json"]).json();
    assert_eq!((&copied["copied"], &copied["same"]), (&60.into(), &0.into()));
    assert_eq!(bench.keys("bucket"), keys);
    same_objects(&bench, &keys);
    bench.ok(&["copy", "disk:", "bucket:"]).says("copied 0 objects, 0 bytes; 60 objects there");

    // And back, below another key, with more at a time.
    bench.ok(&["copy", "bucket:2026", "disk:again", "--jobs", "16"]).says("copied 60 objects");
    for (i, key) in keys.iter().enumerate() {
        let key = key.replacen("2026/", "again/", 1);
        assert!(bench.content("disk", &key) == content(i), "{key}");
    }
}

#[test]
fn other_content_is_replaced_only_if_that_is_said() {
    let bench = Bench::new();
    let keys = fill(&bench, 12);
    // Of another size, and of the same size.
    bench.place("bucket", &keys[3], b"mine");
    let mut flipped = content(7);
    flipped[4] ^= 1;
    bench.place("bucket", &keys[7], &flipped);
    for _ in 0..2 {
        let output = bench.run(&["copy", "disk:", "bucket:"]).exits(1);
        output.says("2 objects with other content");
        output.complains(&keys[3]).complains(&keys[7]).complains("--replace");
        assert_eq!(bench.content("bucket", &keys[3]), b"mine");
        assert_eq!(bench.content("bucket", &keys[7]), flipped);
        assert_eq!(bench.keys("bucket"), keys, "the others are copied");
    }
    bench.ok(&["copy", "disk:", "bucket:", "--replace"]).says("copied 2 objects");
    same_objects(&bench, &keys);
}

#[test]
fn one_object_is_copied_below_a_key_or_to_one() {
    let bench = Bench::new();
    bench.place("disk", "notes/a.txt", b"a");
    bench.ok(&["copy", "disk:notes/a.txt", "bucket:letters/"]);
    bench.ok(&["copy", "disk:notes/a.txt", "bucket:b.txt"]);
    assert_eq!(bench.keys("bucket"), ["b.txt", "letters/a.txt"]);
    bench.ok(&["copy", "disk:notes/a.txt", "disk:notes/b.txt"]);
    let itself = bench.run(&["copy", "disk:notes/a.txt", "disk:notes/a.txt"]).exits(1);
    itself.complains("both source and target");
    bench.run(&["copy", "disk:notes", "disk:notes/new"]).exits(1).complains("to be copied");
    bench.run(&["copy", "disk:none/", "bucket:"]).exits(1).complains("there is no object");
    bench.run(&["copy", "disk:", "bucket:", "--jobs", "0"]).exits(1).complains("1 to 64");
}

#[test]
fn a_copy_that_was_killed_goes_on_and_leaves_no_half_objects() {
    let bench = Bench::new();
    let keys = fill(&bench, 150);
    let proxy = Proxy::start(bench.server.address());
    proxy.plan(|call| match call.method.as_str() {
        "PUT" => Fault::Delay(Duration::from_millis(30)),
        _ => Fault::None,
    });
    bench.configure(&proxy.endpoint());
    let state = || {
        let state = bench.sandbox.path("work/hayloft/state");
        state.exists() && walk(&state).iter().any(|it| it.contains("copy-"))
    };
    let mut child = bench.command(&["copy", "disk:", "bucket:", "--jobs", "2"]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // An interruption writes down how far it has come; a kill has only what
    // was written down before.
    wait_for(|| bench.keys("bucket").len() > 20);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(state(), "it is written down");
    let mut child = bench.command(&["copy", "disk:", "bucket:", "--jobs", "2"]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| bench.keys("bucket").len() > 60);
    kill_family(&mut child);
    let there = bench.keys("bucket");
    assert!(there.len() < keys.len());
    for key in &there {
        let i = keys.iter().position(|it| it == key).unwrap();
        assert!(bench.content("bucket", key) == content(i), "{key} is half there");
    }
    proxy.plan(|_| Fault::None);
    let before = bench.server.requests();
    let output = bench.ok(&["copy", "disk:", "bucket:"]);
    output.says("going on behind 2026/");
    same_objects(&bench, &keys);
    let requests = bench.server.requests() - before;
    assert!(requests < 400, "{requests}: everything was compared again");
    assert!(!state(), "it is done");
    bench.ok(&["copy", "disk:", "bucket:"]).says("150 objects there already");
}

/// A kill leaves what was written down now and then.
#[test]
fn a_copy_that_was_killed_again_and_again_comes_to_its_end() {
    let bench = Bench::new();
    let keys = fill(&bench, 150);
    let proxy = Proxy::start(bench.server.address());
    bench.configure(&proxy.endpoint());
    let state = || {
        let state = bench.sandbox.path("work/hayloft/state");
        let all = if state.exists() { walk(&state) } else { Vec::new() };
        // Not one that has no name of its own yet.
        let named = |it: &String| it.rsplit('/').next().is_some_and(|it| it.starts_with("copy-"));
        all.into_iter().find(named).and_then(|it| std::fs::read(it).ok())
    };
    let mut before = (None, 0);
    for _ in 0..2 {
        // Two at a time, these take longer than the span after which it is
        // written down how far they are. What comes then never arrives, so that
        // there is something left, however slow we are.
        let count = AtomicU64::new(0);
        proxy.plan(move |call| match call.method.as_str() {
            "PUT" if count.fetch_add(1, Ordering::SeqCst) < 65 => {
                Fault::Delay(Duration::from_millis(200))
            }
            "PUT" => Fault::Delay(Duration::from_mins(10)),
            _ => Fault::None,
        });
        let mut child = bench.command(&["copy", "disk:", "bucket:", "--jobs", "2"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(|| state() != before.0 && bench.keys("bucket").len() > before.1);
        kill_family(&mut child);
        before = (state(), bench.keys("bucket").len());
        assert!(before.0.is_some() && before.1 < keys.len(), "{}", before.1);
    }
    assert!(bench.keys("bucket").iter().all(|it| keys.contains(it)));
    proxy.plan(|_| Fault::None);
    bench.ok(&["copy", "disk:", "bucket:"]).says("going on behind 2026/");
    same_objects(&bench, &keys);
    assert_eq!(bench.keys("bucket"), keys);
    assert_eq!(state(), None);
}

/// The third part of four, which is more than is held back until all is known
/// to be right.
fn is_third_part(call: &Call) -> bool {
    call.headers.get("range").is_some_and(|it| it == "bytes=10485760-15728639")
}

#[test]
fn a_large_object_that_is_damaged_on_its_way_is_fetched_once_more() {
    let bench = Bench::new();
    let large = noise(18 << 20, 7);
    bench.place("bucket", "large", &large);
    let proxy = Proxy::start(bench.server.address());
    bench.configure_with(
        &proxy.endpoint(),
        "<part_size>5 MB</part_size><concurrency>1</concurrency>",
    );
    let once = || {
        let hit = AtomicBool::new(false);
        proxy.plan(move |call| {
            let first = is_third_part(call) && !hit.swap(true, Ordering::SeqCst);
            if first { Fault::FlipAnswer } else { Fault::None }
        });
    };
    once();
    bench.ok(&["get", "bucket:large", "file"]).complains("trying again");
    assert!(std::fs::read(bench.sandbox.path("file")).unwrap() == large);
    once();
    bench.ok(&["copy", "bucket:large", "disk:back"]).complains("trying again");
    assert!(bench.content("disk", "back") == large);
    // What was written to a pipe cannot be taken back.
    once();
    bench.run(&["get", "bucket:large", "-"]).exits(1).complains("were damaged on their way");

    proxy.plan(|call| if is_third_part(call) { Fault::FlipAnswer } else { Fault::None });
    let before = proxy.count();
    for command in [["get", "bucket:large", "other"], ["copy", "bucket:large", "disk:other"]] {
        bench.run(&command).exits(1).complains("large");
    }
    assert!(proxy.count() - before < 80, "{} requests", proxy.count() - before);
    assert!(!bench.sandbox.path("other").exists());
    assert_eq!(bench.keys("disk"), ["back"]);
    assert_eq!(bench.staged(), [""; 0]);
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.display().to_string());
        if path.is_dir() {
            found.extend(walk(&path));
        }
    }
    found
}

#[test]
fn what_is_cut_short_or_damaged_on_its_way_is_not_stored() {
    for fault in [Fault::ShortenAnswer, Fault::CutAnswer, Fault::FlipAnswer] {
        let bench = Bench::new();
        let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        bench.place("disk", "large", &large);
        bench.ok(&["copy", "disk:large", "bucket:large"]);
        let proxy = Proxy::start(bench.server.address());
        proxy.plan(move |call| {
            let is_content = call.method.as_str() == "GET" && call.path.ends_with("/large");
            if is_content { fault } else { Fault::None }
        });
        bench.configure_with(&proxy.endpoint(), "<retries>2</retries>");
        let output = bench.run(&["copy", "bucket:large", "disk:back"]).exits(1);
        output.complains("large");
        assert!(proxy.faults() > 0);
        assert_eq!(bench.keys("disk"), ["large"], "{fault:?}");
        assert_eq!(bench.staged(), [""; 0], "{fault:?}");
        bench.run(&["get", "bucket:large", "file"]).exits(1);
        assert!(!bench.sandbox.path("file").exists(), "{fault:?}");
        proxy.plan(|_| Fault::None);
        bench.ok(&["copy", "bucket:large", "disk:back", "--verify"]);
        assert!(bench.content("disk", "back") == large);
    }
}
