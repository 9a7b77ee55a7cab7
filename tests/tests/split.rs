//! Large staged files are split, and joined again.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hayloft_tests::{
    Sandbox,
    chaos::{noise, power_cut},
};

const TODAY: &str = "2026/11/17";
const SPLIT: &[&str] = &["--config", "hayloft.xml", "run", "split"];

/// A staging area whose files of more than 1000 bytes are to be split.
fn sandbox() -> Sandbox {
    with_sizes("1000", "400")
}

fn with_sizes(limit: &str, size: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    sandbox.dir("working");
    sandbox.dir(&format!("staging/{TODAY}/box"));
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><name>box</name><type>local</type><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <split><size_limit>{limit}</size_limit><split_size>{size}</split_size></split>
  <extensions>
    <action><name>split</name><module>CedarBackup3.extend.split</module><function>executeAction</function><index>299</index></action>
  </extensions>
</cb_config>\n"
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

fn staged(sandbox: &Sandbox, name: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
    let path = sandbox.path(format!("staging/{TODAY}/box")).join(Path::new(name.as_ref()));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    sandbox.names(&format!("staging/{TODAY}/box"))
}

fn marked(sandbox: &Sandbox) -> bool {
    sandbox.path(format!("staging/{TODAY}/cback.split")).is_file()
}

/// What `cat` makes of the parts.
fn joined(path: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for number in 0.. {
        let mut part = path.as_os_str().to_owned();
        part.push(format!("_{number:05}"));
        match fs::read(part) {
            Ok(bytes) => all.extend(bytes),
            Err(_) => return all,
        }
    }
    all
}

#[test]
fn files_above_the_limit_become_parts_and_all_others_stay() {
    let sandbox = sandbox();
    let content = noise(1001, 1);
    let large = staged(&sandbox, "a.tar", &content);
    staged(&sandbox, "small.tar", &noise(1000, 2));
    staged(&sandbox, "cback.collect", &noise(2000, 3));
    staged(&sandbox, "deeper/b.tar", &noise(1200, 4));
    std::os::unix::fs::symlink("a.tar", sandbox.path(format!("staging/{TODAY}/box/link"))).unwrap();

    sandbox.ok(SPLIT).says("2 files of 1 day split into 6 parts");

    let expected = [
        "a.tar_00000",
        "a.tar_00001",
        "a.tar_00002",
        "cback.collect",
        "deeper",
        "link",
        "small.tar",
    ];
    assert_eq!(names(&sandbox), expected);
    assert_eq!(joined(&large), content);
    let sizes = [0, 1, 2].map(|it| fs::metadata(large.with_extension(format!("tar_0000{it}"))));
    assert_eq!(sizes.map(|it| it.unwrap().len()), [400, 400, 201]);
    assert!(marked(&sandbox));

    sandbox.ok(SPLIT).says("0 files of 0 days");
    assert_eq!(names(&sandbox), expected);
}

#[test]
fn names_may_have_any_bytes() {
    let sandbox = sandbox();
    let odd: [&[u8]; 7] = [
        b"a+b(c)[d]*.tar",
        b"it's \"quoted\" \\ $HOME `x`",
        b"new\nline",
        b"latin-\xe9\xff.tar",
        b"-rf",
        b" blank ",
        b"x_00000",
    ];
    for (seed, name) in (1..).zip(odd) {
        staged(&sandbox, OsStr::from_bytes(name), &noise(1500, seed));
    }
    sandbox.ok(SPLIT).says("7 files of 1 day split into 28 parts");
    assert_eq!(names(&sandbox).len(), 28);
    sandbox.ok(&["--config", "hayloft.xml", "join", "2026-11-17"]);
    for (seed, name) in (1..).zip(odd) {
        let path = sandbox.path(format!("staging/{TODAY}/box")).join(OsStr::from_bytes(name));
        assert_eq!(fs::read(&path).unwrap(), noise(1500, seed), "{}", path.display());
    }
    assert_eq!(names(&sandbox).len(), 7);
}

#[test]
fn a_part_that_is_there_already_is_not_overwritten() {
    let sandbox = sandbox();
    let (large, other) = (noise(1500, 1), noise(300, 2));
    staged(&sandbox, "a.tar", &large);
    staged(&sandbox, "a.tar_00002", &other);
    staged(&sandbox, "good", &noise(1001, 3));

    sandbox.run(SPLIT).exits(1).complains("a.tar_00002 is there already");

    assert!(!marked(&sandbox));
    let expected = ["a.tar", "a.tar_00002", "good_00000", "good_00001", "good_00002"];
    assert_eq!(names(&sandbox), expected);

    // A part with the very content is one that an interrupted run left.
    staged(&sandbox, "a.tar_00002", &large[800..1200]);
    sandbox.ok(SPLIT);
    let path = sandbox.path(format!("staging/{TODAY}/box/a.tar"));
    assert_eq!(joined(&path), large);
}

#[test]
fn a_large_file_with_the_name_of_a_part_is_split_first() {
    let sandbox = sandbox();
    let (first, second) = (noise(1500, 1), noise(2000, 2));
    let path = staged(&sandbox, "a", &first);
    let part = staged(&sandbox, "a_00000", &second);
    sandbox.ok(SPLIT).says("2 files");
    assert_eq!((joined(&path), joined(&part)), (first.clone(), second.clone()));
    for name in [&path, &part] {
        let name = name.to_str().unwrap();
        sandbox.ok(&["--config", "hayloft.xml", "join", "--into", "out", name]);
    }
    assert_eq!(fs::read(sandbox.path("out/a")).unwrap(), first);
    assert_eq!(fs::read(sandbox.path("out/a_00000")).unwrap(), second);

    // Another run of the day: the part in the place of the file is no new file.
    let mark = sandbox.path(format!("staging/{TODAY}/cback.split"));
    fs::remove_file(&mark).unwrap();
    sandbox.ok(SPLIT).says("0 files");
    assert_eq!((joined(&path), joined(&part)), (first.clone(), second.clone()));

    // Both are staged anew; the second one is in the place of a part of the first.
    fs::remove_file(&mark).unwrap();
    let (third, fourth) = (noise(1600, 3), noise(2100, 4));
    staged(&sandbox, "a", &third);
    staged(&sandbox, "a_00000", &fourth);
    sandbox.ok(SPLIT).says("2 files");
    assert_eq!((joined(&path), joined(&part)), (third, fourth));

    // And only the second one, which is small now, though a part is needed there.
    fs::remove_file(&mark).unwrap();
    staged(&sandbox, "a", &noise(1700, 5));
    staged(&sandbox, "a_00000", b"small");
    sandbox.run(SPLIT).exits(1).complains("a_00000 is there already, and is no part");
    assert_eq!(fs::read(&part).unwrap(), b"small");
    assert_eq!(fs::read(&path).unwrap(), noise(1700, 5));
}

#[test]
fn a_file_that_was_staged_anew_is_split_anew() {
    let sandbox = sandbox();
    let path = staged(&sandbox, "a", &noise(3000, 1));
    sandbox.ok(SPLIT);
    assert_eq!(names(&sandbox).len(), 8);
    let content = noise(1100, 2);
    staged(&sandbox, "a", &content);
    fs::remove_file(sandbox.path(format!("staging/{TODAY}/cback.split"))).unwrap();
    sandbox.ok(SPLIT);
    assert_eq!(names(&sandbox), ["a_00000", "a_00001", "a_00002"], "no part of the old one");
    assert_eq!(joined(&path), content);
}

#[test]
fn parts_above_the_limit_are_not_split_again() {
    let sandbox = with_sizes("100", "400");
    let content = noise(1000, 1);
    let path = staged(&sandbox, "a", &content);
    sandbox.ok(SPLIT);
    fs::remove_file(sandbox.path(format!("staging/{TODAY}/cback.split"))).unwrap();
    sandbox.ok(SPLIT);
    assert_eq!(names(&sandbox), ["a_00000", "a_00001", "a_00002"]);
    assert_eq!(joined(&path), content);
}

#[test]
fn what_cannot_be_split_is_refused_before_anything_is_written() {
    let cases = [
        ("0", "0", "parts of 0 bytes have no bytes"),
        ("10", "nan", "parts of nan bytes have no bytes"),
        ("10", "0.5", "have no bytes"),
        ("10", "1", "it would have 100001 parts"),
    ];
    for (limit, size, complaint) in cases {
        let sandbox = with_sizes(limit, size);
        staged(&sandbox, "a", &noise(100_001, 1));
        sandbox.run(SPLIT).exits(1).complains(complaint);
        assert_eq!(names(&sandbox), ["a"], "{size}");
        assert!(!marked(&sandbox));
    }
    let sandbox = sandbox();
    let name = "x".repeat(250);
    staged(&sandbox, &name, &noise(1001, 1));
    sandbox.run(SPLIT).exits(1).complains("longer than 255 bytes");
    assert_eq!(names(&sandbox), [name]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = sandbox();
    staged(&sandbox, "a", &noise(1001, 1));
    sandbox
        .ok(&["--config", "hayloft.xml", "run", "--dry-run", "split"])
        .says("would split 1 file of 1 day");
    assert_eq!(names(&sandbox), ["a"]);
    assert!(!marked(&sandbox));
}

#[test]
fn parts_come_together_again() {
    let sandbox = sandbox();
    let content = noise(1600, 1);
    let path = staged(&sandbox, "a.tar", &content);
    sandbox.ok(SPLIT);
    let join = |arguments: &[&str]| {
        let all: Vec<&str> =
            ["--config", "hayloft.xml", "join"].iter().chain(arguments).copied().collect();
        sandbox.run(&all)
    };
    let part = format!("{}_00002", path.display());

    join(&["--into", "out", TODAY]).exits(0);
    assert_eq!(fs::read(sandbox.path("out/box/a.tar")).unwrap(), content);
    assert_eq!(names(&sandbox).len(), 4);
    join(&["--into", "out", TODAY]).exits(0);

    // The record knows that there are four, although all have the same size.
    fs::rename(format!("{}_00003", path.display()), sandbox.path("aside")).unwrap();
    join(&["--into", "out2", TODAY]).exits(1).complains("a.tar_00003 is missing");
    fs::rename(sandbox.path("aside"), format!("{}_00003", path.display())).unwrap();

    let good = fs::read(&part).unwrap();
    fs::write(&part, noise(400, 9)).unwrap();
    join(&["--into", "out2", &part]).exits(1).complains("is not what it was when it was made");
    assert!(!sandbox.path("out2/a.tar").exists());
    fs::write(&part, good).unwrap();

    join(&[&part]).exits(0);
    assert_eq!(names(&sandbox), ["a.tar"]);
    assert_eq!(fs::read(&path).unwrap(), content);
    join(&[TODAY]).exits(1).complains("there are no parts");
}

#[test]
fn parts_of_split_itself_are_joined_without_a_configuration() {
    let sandbox = Sandbox::new();
    let content = noise(1500, 1);
    sandbox.dir("d");
    fs::write(sandbox.path("d/a"), &content).unwrap();
    let split = |file: &str, prefix: &str| {
        let mut split = Command::new("split");
        split.args(["--numeric-suffixes", "--suffix-length=5", "--bytes=500", file, prefix]);
        assert!(split.current_dir(sandbox.path("d")).status().unwrap().success());
    };
    split("a", "a_");
    fs::remove_file(sandbox.path("d/a")).unwrap();
    sandbox.write("d/lonely_00000", "no part");

    // All are of one size: nobody can tell.
    sandbox.run(&["join", "d"]).exits(7).complains("nobody can tell");
    assert_eq!(sandbox.names("d"), ["a", "lonely_00000"]);
    assert_eq!(fs::read(sandbox.path("d/a")).unwrap(), content);

    split("a", "a_");
    // The file is still there, as after an interruption: only parts go.
    sandbox.ok(&["join", "d/a_00000"]);
    assert_eq!(sandbox.names("d"), ["a", "lonely_00000"]);
    split("a", "b_");
    fs::remove_file(sandbox.path("d/b_00001")).unwrap();
    sandbox.run(&["join", "d/b"]).exits(1).complains("b_00001 is missing");
    fs::write(sandbox.path("d/b"), "other").unwrap();
    sandbox.run(&["join", "d/b_00000"]).exits(1).complains("is there already");
    sandbox.run(&["join", "d/c"]).exits(1).complains("d/c is no part");
}

#[test]
fn a_run_that_is_killed_loses_nothing_and_the_next_one_finishes() {
    let sandbox = with_sizes("200 KB", "100 KB");
    let contents: Vec<Vec<u8>> = (0..12).map(|it| noise(1_000_000, it)).collect();
    let path = |it: usize| sandbox.path(format!("staging/{TODAY}/box/file {it}"));
    for (it, content) in contents.iter().enumerate() {
        fs::write(path(it), content).unwrap();
    }
    let mut interrupted = 0;
    for round in 0..12u64 {
        let mut child = sandbox.spawn(SPLIT);
        std::thread::sleep(Duration::from_millis(30 + round * 17));
        power_cut(&mut child);
        interrupted += u32::from(!marked(&sandbox));
        for (it, content) in contents.iter().enumerate() {
            let whole = fs::read(path(it)).is_ok_and(|found| found == *content);
            assert!(whole || joined(&path(it)) == *content, "file {it} is lost in round {round}");
        }
    }
    assert!(interrupted > 0, "no run was interrupted");
    sandbox.ok(SPLIT);
    assert!(marked(&sandbox));
    assert_eq!(names(&sandbox).len(), 12 * 10, "{:?}", names(&sandbox));
    for (it, content) in contents.iter().enumerate() {
        assert_eq!(joined(&path(it)), *content);
    }
}

/// A mount of its own, which goes away with the process.
const SMALL_DISK: &str = "\
    mount -t tmpfs -o size=2m,mode=700 tmpfs $SANDBOX/staging || exit 99
    mkdir -p $SANDBOX/staging/2026/11/17/box; cp $SANDBOX/noise $SANDBOX/staging/2026/11/17/box/a
    \"$0\" -c $SANDBOX/hayloft.xml run split; echo \"code $?\"; cd $SANDBOX/staging/2026/11/17
    ls -A . box; cmp box/a $SANDBOX/noise && echo same
";

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let sandbox = with_sizes("200 KB", "100 KB");
    fs::write(sandbox.path("noise"), noise(1_500_000, 1)).unwrap();
    let script = sandbox.expand(SMALL_DISK);
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", &script]);
    let output = unshare.arg(sandbox.program().path()).env("HAYLOFT_NOW", "2026-11-17").output();
    let output = output.unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if stderr.contains("Operation not permitted") {
        // Where nobody may mount, files may not grow beyond a size.
        let limited = "trap '' XFSZ; ulimit -f 100; \"$0\" -c hayloft.xml run split; echo code $?";
        staged(&sandbox, "a", &noise(1_500_000, 1));
        let output = Command::new("sh")
            .args(["-c", limited])
            .arg(sandbox.program().path())
            .current_dir(sandbox.path(""))
            .env("HAYLOFT_NOW", "2026-11-17")
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("code 1"));
        assert_eq!(names(&sandbox), ["a"]);
        return;
    }
    assert!(stdout.contains("code 1\n.:\nbox\n\nbox:\na\nsame"), "{stdout}{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
}
