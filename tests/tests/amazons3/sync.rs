//! `hayloft amazons3-sync`.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, time::Duration};

use crate::{DISK, bucket, keys, sandbox};

#[test]
fn a_directory_is_synchronised() {
    let sandbox = sandbox(DISK, true);
    let sync = |arguments: &[&str]| {
        let first = ["--config", "hayloft.xml", "amazons3-sync"];
        let all: Vec<&str> = first.iter().chain(arguments).copied().collect();
        sandbox.run(&all)
    };
    for (name, text) in [("café", "1"), ("sub/b", "2"), ("empty", "")] {
        sandbox.write(&format!("source/{name}"), text);
    }
    for (source, url) in
        [("source/", "s3://mine"), ("source", "s3://mine/"), ("./source//", "s3://other/p/")]
    {
        sync(&[source, url]).exits(0).says("3 files of");
    }
    let found = bucket(&sandbox);
    let expected = ["café", "empty", "sub/b"];
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    sync(&["--verify-only", "source", "s3://mine"]).exits(0);

    // New, changed, gone and extra.
    std::thread::sleep(Duration::from_millis(20));
    sandbox.write("source/café", "3");
    sandbox.write("source/new", "4");
    fs::remove_file(sandbox.path("source/empty")).unwrap();
    let output = sync(&["--verify-only", "source", "s3://mine"]).exits(1);
    output.complains("source/new is not uploaded").complains("empty is only in the bucket");
    sync(&["--verify-only", "--checksum", "source", "s3://mine"])
        .exits(1)
        .complains("source/café has other content in the bucket");
    assert_eq!(bucket(&sandbox), found);
    sync(&["--upload-only", "source", "s3://mine"]).exits(0);
    assert_eq!(bucket(&sandbox)["café"], b"3");
    assert!(bucket(&sandbox).contains_key("empty"));
    sync(&["source", "s3://mine"]).exits(0);
    let keys: Vec<String> = bucket(&sandbox).into_keys().collect();
    assert_eq!(keys, ["café", "new", "sub/b"]);
    sync(&["--verify-only", "--checksum", "source", "s3://mine"]).exits(0);
}

#[test]
fn what_cannot_be_synchronised_is_refused_before_anything_is_sent() {
    let sandbox = sandbox(DISK, false);
    let sync = |arguments: &[&str]| {
        let first = ["--config", "hayloft.xml", "amazons3-sync", "--storage", "disk"];
        let all: Vec<&str> = first.iter().chain(arguments).copied().collect();
        sandbox.run(&all)
    };
    sandbox.write("source/a", "1");
    fs::write(sandbox.path("source").join(OsStr::from_bytes(b"lat\xe9")), "2").unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("source/broken")).unwrap();
    std::os::unix::fs::symlink("a", sandbox.path("source/link")).unwrap();
    sync(&["missing", "p"]).exits(1).complains("missing is no directory");
    sync(&["source/a", "p"]).exits(1).complains("source/a is no directory");
    sync(&["source", "../p"]).exits(1).complains("cannot be what keys begin with");
    let output = sync(&["source", "p"]).exits(1);
    output.complains("1 names are no keys as they are").complains("1 entries are no files");
    assert!(keys(&sandbox).is_empty());
    sync(&["--ignore-warnings", "source", "p"]).exits(0);
    assert_eq!(keys(&sandbox), ["p/a", "p/lat%E9", "p/link"]);
    sandbox
        .run(&["--config", "hayloft.xml", "amazons3-sync", "source", "bucket"])
        .exits(1)
        .complains("`bucket` is not the address of a bucket");
}
