//! `hayloft storage check`.

use std::{fs, process::Stdio};

use hayloft_test_servers::{Behaviour, Call, Fault, Proxy};

use crate::bench::{Bench, kill_family, wait_for};

fn states(json: &serde_json::Value, storage: usize) -> Vec<(String, String)> {
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    let lines = json[storage]["lines"].as_array().unwrap();
    lines.iter().map(|it| (text(&it["step"]), text(&it["state"]))).collect()
}

#[test]
fn good_storages_pass_and_nothing_is_left() {
    let bench = Bench::new();
    let json = bench.ok(&["check", "--json"]).json();
    for storage in [0, 1] {
        let states = states(&json, storage);
        let steps: Vec<&str> = states.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(
            steps,
            ["list", "write", "read", "look", "create", "replace", "upload", "download", "remove"],
            "{json}"
        );
        assert!(states.iter().all(|it| it.1 == "ok"), "{json}");
    }
    let upload = &json[1]["lines"][6];
    assert!(upload["bytes_per_second"].as_u64().unwrap() > 0, "{upload}");
    for storage in ["disk", "bucket"] {
        assert_eq!(bench.keys(storage), [""; 0]);
    }
    let text = bench.ok(&["check", "disk"]);
    text.says("disk (local)\n  ok       list").says("B/s");
    bench.run(&["check", "tape"]).exits(1).complains("there are: disk, bucket");
}

#[test]
fn a_wrong_setting_is_shown_with_its_place_and_needs_no_options() {
    let bench = Bench::new();
    bench.configure_with("http://127.0.0.1:1", "\n<part_size>1 KB</part_size>");
    let text = fs::read_to_string(bench.sandbox.path("h.conf")).unwrap();
    let (before, rest) = text.split_once("  <options>").unwrap();
    let (_, after) = rest.split_once("</options>\n").unwrap();
    bench.sandbox.write("h.conf", &format!("{before}{after}"));
    let output = bench.run(&["check"]).exits(1);
    output.says("h.conf:9: storage/part_size: `1 KB` is not between 5 MB and 1 GB");
    output.says("ok       remove");
    bench.configure_with("http://127.0.0.1:1", "<ca_file>/none</ca_file>");
    bench.run(&["check", "bucket"]).exits(1).says("correct <ca_file>");
}

#[test]
fn a_store_that_ignores_conditions_is_found_out() {
    let behaviour =
        Behaviour { conditional_put: false, conditional_complete: false, ..Behaviour::default() };
    let bench = Bench::with(behaviour);
    let output = bench.run(&["check", "bucket"]).exits(7);
    output.says("WARNING  replace").says("leases cannot be had here");
    let left: Vec<_> =
        bench.keys("bucket").into_iter().filter(|it| it.contains("hayloft-check")).collect();
    assert_eq!(left, [""; 0]);
}

/// Which requests are refused.
type Denied = fn(&Call) -> bool;

fn lists(call: &Call) -> bool {
    call.method.as_str() == "GET" && call.query.contains("list-type")
}

fn writes(call: &Call) -> bool {
    call.method.as_str() == "PUT"
}

fn reads(call: &Call) -> bool {
    call.method.as_str() == "GET" && call.path.contains("hayloft-check")
}

fn removes(call: &Call) -> bool {
    call.method.as_str() == "DELETE" || call.query.starts_with("delete")
}

#[test]
fn what_is_not_permitted_is_said_with_the_right_that_is_missing() {
    let denied: [(&str, Denied, &str); 4] = [
        ("list", lists, "s3:ListBucket"),
        ("write", writes, "s3:PutObject"),
        ("read", reads, "s3:GetObject"),
        ("remove", removes, "s3:DeleteObject"),
    ];
    for (what, is_denied, right) in denied {
        let bench = Bench::new();
        let proxy = Proxy::start(bench.server.address());
        proxy.plan(
            move |call| {
                if is_denied(call) { Fault::Status(403, "AccessDenied") } else { Fault::None }
            },
        );
        bench.configure(&proxy.endpoint());
        let output = bench.run(&["check", "bucket", "--size", "0"]).exits(1);
        output.says(&format!("FAILED   {what}"));
        output.says(&format!("the right is missing to {what} objects")).says(right);
        let left = bench.keys("bucket");
        let is_left = left.iter().any(|it| it.starts_with(".hayloft-check/"));
        assert_eq!(is_left, what == "remove", "{left:?}");
        if is_left {
            output.complains("are left behind");
        }
    }
}

#[test]
fn a_store_that_is_not_there_is_a_failure_with_a_sentence() {
    let bench = Bench::new();
    bench.configure("http://127.0.0.1:1");
    let output = bench.run(&["check"]).exits(1);
    output.says("disk (local)\n  ok ").says("bucket (s3)\n  FAILED   list");
    fs::remove_dir_all(bench.sandbox.path("objects")).unwrap();
    let disk = bench.run(&["check", "disk"]).exits(1);
    disk.says("does not exist");
    let proxy = Proxy::start(bench.server.address());
    proxy.plan(|_| Fault::Status(404, "NoSuchBucket"));
    bench.configure(&proxy.endpoint());
    let bucket = bench.run(&["check", "bucket"]).exits(1);
    bucket.says("create the bucket");
    // It is said once, and nothing that was not written is left behind.
    for output in [output, disk, bucket] {
        assert_eq!(output.stdout.matches("FAILED").count(), 1, "{output}");
        assert!(!output.stderr.contains("left behind"), "{output}");
    }
}

#[test]
fn what_a_killed_check_has_left_goes_with_the_next() {
    let bench = Bench::new();
    for storage in ["disk", "bucket"] {
        // So large that it is still at it.
        let mut child = bench
            .command(&["check", storage, "--size", "100000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let is_there = || bench.keys(storage).iter().any(|it| it.starts_with(".hayloft-check/"));
        wait_for(is_there);
        // The program and its worker, as a power cut would.
        kill_family(&mut child);
        assert!(is_there());
        bench.ok(&["check", storage, "--size", "1"]).says("of a check that was killed");
        assert!(!is_there(), "{storage}: {:?}", bench.keys(storage));
    }
}
