//! What lies in a local collect directory may be anything.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use hayloft_tests::Sandbox;

use super::{DAY, STAGE, collected, peer, sandbox};

#[test]
fn names_of_any_bytes_are_staged() {
    let sandbox = sandbox(&peer("local", "near", ""));
    collected(&sandbox, "near", &["a.tar"]);
    let names: [&[u8]; 5] = [b"new\nline", b"lat\xe9.tar", b"-rf", b" ", "é…😀".as_bytes()];
    for name in names {
        fs::write(sandbox.path("near").join(OsStr::from_bytes(name)), name).unwrap();
    }
    sandbox.ok(STAGE).says("1 of 1 peers, 7 files");
    for name in names {
        let staged = sandbox.path(format!("{DAY}/near")).join(OsStr::from_bytes(name));
        assert_eq!(fs::read(staged).unwrap(), name);
    }
}

#[test]
fn what_is_no_regular_file_stops_the_peer_and_is_named_in_one_line() {
    type Make = fn(&Path);
    let make: [(&str, Make); 4] = [
        ("directory", |it| fs::create_dir(it).unwrap()),
        ("link", |it| symlink("/etc/passwd", it).unwrap()),
        ("fifo", |it| assert!(Command::new("mkfifo").arg(it).status().unwrap().success())),
        ("socket", |it| drop(UnixListener::bind(it).unwrap())),
    ];
    for (kind, make) in make {
        let sandbox = sandbox(&(peer("local", "near", "") + &peer("local", "good", "")));
        collected(&sandbox, "near", &["a.tar"]);
        collected(&sandbox, "good", &["b.tar"]);
        make(&sandbox.path(format!("near/odd\n{kind}")));
        let output = sandbox.run(STAGE).exits(1);
        output.complains(&format!("near/odd\\n{kind} is not a regular file"));
        assert_eq!(sandbox.names(DAY), ["good"], "{kind}");
        assert!(!sandbox.path("near/cback.stage").exists(), "{kind}");
    }
}

#[test]
fn a_collect_directory_that_cannot_be_read_is_named() {
    let sandbox = sandbox(&(peer("local", "near", "") + &peer("local", "good", "")));
    collected(&sandbox, "good", &["b.tar"]);
    fs::write(sandbox.path("near"), "a file").unwrap();
    let output = sandbox.run(STAGE).exits(1);
    output.complains("error staging [near]").complains("$SANDBOX/near");
    assert_eq!(sandbox.names(DAY), ["good"]);
}

/// A mount of its own, which goes away with the process.
const SMALL_DISK: &str = "\
    mount -t tmpfs -o size=2m,mode=755 tmpfs $SANDBOX/staging || exit 99
    \"$0\" -c $SANDBOX/hayloft.xml run stage; echo \"code $?\"; find $SANDBOX/staging -type f
";

/// Where nobody may mount: no file may be larger than a megabyte.
const SMALL_FILES: &str = "\
    trap '' XFSZ; ulimit -f 2048
    \"$0\" -c $SANDBOX/hayloft.xml run stage; echo \"code $?\"; find $SANDBOX/staging -type f
";

#[test]
fn a_full_disk_leaves_nothing_of_the_peer_and_the_next_run_stages_it() {
    let sandbox = sandbox(&peer("local", "near", ""));
    collected(&sandbox, "near", &["a.tar"]);
    fs::write(sandbox.path("near/big.tar"), vec![1; 8_000_000]).unwrap();
    sandbox.dir("staging");
    let run = |shell: &[&str], script: &str| {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", &sandbox.expand(script)]);
        command.arg(sandbox.program().path()).env("HAYLOFT_NOW", "2026-11-17T02:00:00");
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let (mut stdout, mut stderr) =
        run(&["unshare", "--map-root-user", "--mount", "sh"], SMALL_DISK);
    let mut complaint = "No space left on device";
    // In a name space of one's own, what belongs to root belongs to nobody.
    if stderr.contains("Operation not permitted") || stderr.contains("not trusted") {
        (stdout, stderr) = run(&["sh"], SMALL_FILES);
        complaint = "File too large";
    }
    assert!(stdout.ends_with("code 1\n"), "no file may be left: {stdout}{stderr}");
    assert!(stderr.contains(complaint) && stderr.contains("big.tar"), "{stderr}");
    assert!(!sandbox.path("near/cback.stage").exists());
    sandbox.ok(STAGE).says("1 of 1 peers, 3 files");
}

#[test]
fn a_run_before_midnight_stages_into_the_day_on_which_it_began() {
    let mut sandbox: Sandbox = sandbox(&peer("local", "near", ""));
    collected(&sandbox, "near", &["a.tar"]);
    for (now, day) in [("2026-12-31T23:59:59", "2026/12/31"), ("2027-01-01T00:00:01", "2027/01/01")]
    {
        sandbox.env("HAYLOFT_NOW", now);
        sandbox.ok(STAGE);
        assert!(sandbox.path(format!("staging/{day}/cback.stage")).exists(), "{now}");
    }
}

#[test]
fn a_name_that_leaves_the_day_is_told_by_the_check_and_refused() {
    for name in ["../../../../escaped", "a/b", "..", "cback.stage"] {
        let peers = peer("local", "near", "") + &peer("local", "good", "");
        let peers = peers.replace("<name>near</name>", &format!("<name>{name}</name>"));
        assert!(peers.contains(name), "{peers}");
        let sandbox = sandbox(&peers);
        collected(&sandbox, "near", &["a.tar"]);
        collected(&sandbox, "good", &["b.tar"]);
        let checked = sandbox.run(&["--config", "hayloft.xml", "config", "check"]).to_string();
        assert!(checked.contains(&format!("the peer `{name}` cannot be staged")), "{checked}");
        let output = sandbox.run(STAGE);
        assert_ne!(output.code, Some(0), "{output}");
        output.complains(name);
        assert!(!sandbox.path("escaped").exists() && !sandbox.path("near/cback.stage").exists());
    }
}
