//! The commands `hayloft storage`, on a directory and on a bucket.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "storage/bench.rs"]
mod bench;
#[path = "storage/check.rs"]
mod check;
#[path = "storage/copy.rs"]
mod copy;
#[path = "storage/trouble.rs"]
mod trouble;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
};

use hayloft_test_servers::ManyKeys;

use self::bench::{Bench, peak_memory};

#[test]
fn storages_are_listed_without_being_opened() {
    let bench = Bench::new();
    let listed = bench.ok(&["list"]);
    assert_eq!(listed.stdout, "disk    local\nbucket  s3\n");
    let json = bench.ok(&["list", "--json"]).json();
    assert_eq!(json[1]["name"], "bucket");
    assert_eq!(json[1]["type"], "s3");
    assert_eq!(bench.server.requests(), 0);
}

#[test]
fn what_is_put_is_got_back() {
    let bench = Bench::new();
    bench.sandbox.write("letter.txt", "Dear Ann,\n");
    for storage in ["disk", "bucket"] {
        let put = bench.ok(&["put", "letter.txt", &format!("{storage}:letters/")]);
        assert_eq!(put.stdout, format!("{storage}:letters/letter.txt: 10 bytes\n"));
        let object = format!("{storage}:letters/letter.txt");
        let again = bench.run(&["put", "letter.txt", &object]).exits(1);
        again.complains("there is an object").complains("--force replaces it");
        bench.sandbox.write("other.txt", "Dear Bob,\n");
        bench.ok(&["put", "--force", "other.txt", &object]);
        assert_eq!(bench.ok(&["get", &object, "-"]).stdout, "Dear Bob,\n");

        let file = format!("back-{storage}");
        bench.ok(&["get", &object, &file]);
        assert_eq!(bench.sandbox.read(&file), "Dear Bob,\n");
        let mode = fs::metadata(bench.sandbox.path(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = bench.run(&["get", &object, &file]).exits(1);
        again.complains("is there already").complains("--force");
        bench.ok(&["get", "--force", &object, &file]);
        bench
            .run(&["get", &format!("{storage}:letters/none"), "-"])
            .exits(1)
            .complains("no object");
        bench.run(&["get", &format!("{storage}:letters/"), "-"]).exits(1).complains("no single");
    }
    // Into a directory, and here, by the last part of the key.
    bench.sandbox.dir("into");
    bench.ok(&["get", "disk:letters/letter.txt", "into"]);
    assert_eq!(bench.sandbox.read("into/letter.txt"), "Dear Bob,\n");
    bench.run(&["get", "disk:letters/letter.txt"]).exits(1).complains("is there already");
}

#[test]
fn bytes_of_any_kind_go_through_the_standard_streams_unchanged() {
    let bench = Bench::new();
    // Escape sequences, bytes that are no text, and more than any buffer.
    let (few, all) = (0..=250_u8, 0..=255_u8);
    let pairs = all.flat_map(|high| few.clone().map(move |low| [low, high]));
    let content: Vec<u8> = pairs
        .cycle()
        .take(3_000_000)
        .flat_map(|[low, high]| [0x1b, b'[', b'3', low, high])
        .collect();
    for storage in ["disk", "bucket"] {
        let object = format!("{storage}:stream");
        let mut child = bench.command(&["put", "-", &object]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&content).unwrap();
        assert!(child.wait().unwrap().success());
        let output = bench.command(&["get", &object, "-"]).output().unwrap();
        assert!(output.status.success());
        assert!(output.stdout == content, "{} bytes of {}", output.stdout.len(), content.len());

        // Appended to a file that has something already.
        let path = bench.sandbox.write("appended", "before\n");
        let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert!(bench.command(&["get", &object, "-"]).stdout(file).status().unwrap().success());
        assert_eq!(fs::metadata(&path).unwrap().size(), content.len() as u64 + 7);
    }
    bench.run(&["put", "-", "disk:"]).exits(1).complains("no name for it");
}

#[test]
fn nobody_who_reads_is_an_end_and_not_for_an_object_a_success() {
    let bench = Bench::new();
    for i in 0..3000 {
        bench.place("disk", &format!("many/{i:04}-{}", "x".repeat(100)), b"");
    }
    bench.place("disk", "large", &vec![7; 4 << 20]);
    let closed_early = |arguments: &[&str]| {
        let mut child =
            bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut begin = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut begin).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(closed_early(&["ls", "-r", "disk:many/"]), (Some(0), String::new()));
    let (code, complaint) = closed_early(&["get", "disk:large", "-"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("nobody reads"), "{complaint}");
}

#[test]
fn objects_are_listed_as_files_are() {
    let bench = Bench::new();
    for storage in ["disk", "bucket"] {
        for (key, size) in [("2026/11/a.tar", 5), ("2026/11/b/c", 1500), ("2026/12/d", 0)] {
            bench.place(storage, key, &vec![b'x'; size]);
        }
        let ls = |arguments: &[&str]| bench.ok(&[&["ls"], arguments].concat()).stdout;
        let at = |key: &str| format!("{storage}:{key}");
        assert_eq!(ls(&[&at("")]), "2026/\n");
        assert_eq!(ls(&[storage]), "2026/\n");
        assert_eq!(ls(&[&at("2026/11")]), "a.tar\nb/\n");
        assert_eq!(ls(&["-r", &at("2026/")]), "11/a.tar\n11/b/c\n12/d\n");
        assert_eq!(ls(&["-r", "--limit", "2", &at("")]), "2026/11/a.tar\n2026/11/b/c\n");
        assert_eq!(ls(&[&at("2026/11/a.tar")]), "a.tar\n");
        let long = ls(&["-l", &at("2026/11/")]);
        let lines: Vec<&str> = long.lines().collect();
        assert!(
            lines[0].starts_with("     5 bytes  20") && lines[0].ends_with("  a.tar"),
            "{long}"
        );
        assert_eq!(lines[1].trim(), "b/");
        let json = ls(&["--json", "-r", &at("2026/11/b/")]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["key"], &json["size"]), (&"2026/11/b/c".into(), &1500.into()));
        assert!(json["modified"].as_str().unwrap().ends_with('Z'));
        bench.run(&["ls", &at("2027/")]).exits(1).complains("there is no object");
    }
    bench.run(&["ls", "tape:"]).exits(1).complains("there is no storage `tape`");
    bench.run(&["ls", "disk:a/../b"]).exits(1).complains("cannot be in a key");
    bench.run(&["ls"]).exits(2);
}

/// As many as the pipe between us does not hold, so that the program is still
/// there when it has listed nearly all of them.
#[test]
fn a_list_of_any_length_needs_the_same_memory() {
    let bench = Bench::new();
    let mut peaks = Vec::new();
    for count in [30_000, 200_000] {
        let server = ManyKeys::start(count);
        bench.configure(&server.endpoint());
        let mut child =
            bench.command(&["ls", "-r", "bucket:"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut number, mut peak) = (0, 0);
        for line in lines {
            assert_eq!(line.unwrap(), ManyKeys::key(number));
            number += 1;
            // Some of the list is still in the pipe, so that the program is there.
            if number == count - 2000 {
                peak = peak_memory(&child);
            }
        }
        assert_eq!(number, count);
        assert!(child.wait().unwrap().success());
        assert!(server.requests() < count / 1000 + 20, "{}", server.requests());
        peaks.push(peak);
        let total = bench.ok(&["du", "--depth", "0", "--json", "bucket:"]).json();
        assert_eq!((&total["objects"], &total["size"]), (&count.into(), &server.size().into()));
    }
    // What is known of those that are more would need 25 MB.
    assert!(peaks[1] < peaks[0] + (16 << 20), "{peaks:?}");
}

#[test]
fn room_is_added_up() {
    let bench = Bench::new();
    for storage in ["disk", "bucket"] {
        for (key, size) in [("a/x/1", 100), ("a/x/2", 200), ("a/y", 30), ("b", 4)] {
            bench.place(storage, key, &vec![b'x'; size]);
        }
        let du = |arguments: &[&str]| {
            let text = bench.ok(&[&["du"], arguments].concat()).stdout;
            text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let all = format!("{storage}:");
        let shown: Vec<String> = du(&[&all]);
        assert_eq!(shown, ["330 bytes 3 a/", "334 bytes 4 in all"]);
        let shown: Vec<String> = du(&["--depth", "2", &all]);
        assert_eq!(shown, ["300 bytes 2 a/x/", "330 bytes 3 a/", "334 bytes 4 in all"]);
        let shown: Vec<String> = du(&["-d", "0", &format!("{storage}:a/x/")]);
        assert_eq!(shown, ["300 bytes 2 in all"]);
        let json = bench.ok(&["du", "-d", "0", "--json", &all]).json();
        assert_eq!((&json["objects"], &json["size"]), (&4.into(), &334.into()));
    }
}

#[test]
fn nothing_is_removed_before_somebody_has_agreed() {
    let bench = Bench::new();
    for storage in ["disk", "bucket"] {
        for key in ["old/a", "old/b/c", "older", "kept"] {
            bench.place(storage, key, b"12345");
        }
        let at = |key: &str| format!("{storage}:{key}");
        let left = || bench.keys(storage);
        bench.run(&["rm", &at("old/")]).exits(1).complains("--recursive");
        bench.run(&["rm", &at("old")]).exits(1).complains("there is no object");
        bench.run(&["rm", &at("kept"), &at("none")]).exits(1).complains("there is no object");
        // There is no terminal, so nobody answers.
        bench.run(&["rm", &at("kept")]).exits(1).complains("give --yes");
        let shown = bench.ok(&["rm", "-r", "--dry-run", &at("old")]);
        assert_eq!(
            shown.stdout,
            format!(
                "would remove {storage}:old/a\nwould remove {storage}:old/b/c\n\
                 2 objects, 10 bytes in all\n"
            )
        );
        for (answer, code) in [("n\n", 1), ("\n", 1), ("yes please\n", 1)] {
            let said = bench.answered(&["rm", "-r", &at("old/")], answer).exits(code);
            said.says("old/: 2 objects, 10 bytes in all").says("nothing is removed");
        }
        assert_eq!(left().len(), 4);
        let said = bench.answered(&["rm", "-r", &at("old/")], "y\n").exits(0);
        said.says("removed 2 objects, 10 bytes");
        assert_eq!(left(), ["kept", "older"]);
        bench.ok(&["rm", "--yes", &at("kept")]);
        let json = bench.ok(&["rm", "-r", "-y", "--json", &at("")]).json();
        assert_eq!((&json["removed"], &json["failed"]), (&1.into(), &0.into()));
        assert_eq!(left(), [""; 0]);
    }
}

#[test]
fn many_objects_are_removed_with_few_requests() {
    let bench = Bench::new();
    for i in 0..2500 {
        bench.place("bucket", &format!("many/{i:05}"), b"x");
    }
    let before = bench.server.requests();
    bench.ok(&["rm", "-r", "--yes", "bucket:many/"]).says("removed 2,500 objects");
    assert_eq!(bench.keys("bucket"), [""; 0]);
    let requests = bench.server.requests() - before;
    assert!(requests < 30, "{requests} requests");
}

#[test]
fn a_source_that_changes_is_not_stored() {
    let bench = Bench::new();
    let path = bench.sandbox.write("log", "");
    let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    // Grows as long as it is read: the reader cannot come to a quiet end.
    let mut child = bench.command(&["put", "log", "disk:log"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut file = file;
    let output = loop {
        file.write_all(b"one more line\n").unwrap();
        if child.try_wait().unwrap().is_some() {
            break child.wait_with_output().unwrap();
        }
    };
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("was changed while it was read"), "{complaint}");
    assert_eq!(bench.keys("disk"), [""; 0]);
    assert_eq!(bench.staged(), [""; 0]);
}
