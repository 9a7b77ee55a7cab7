//! What does not work is told, and leaves nothing behind.

use std::fs;

use crate::setting::{Setting, THURSDAY, TUESDAY, WEDNESDAY};

#[test]
fn a_damaged_revision_leaves_no_dump_and_svnadmins_own_message() {
    let setting = Setting::of_one("incr", "zstd");
    let one = setting.repository("one");
    for i in 0..6_u8 {
        one.commit("a", &vec![b'a' + i; 100_000]);
    }
    setting.ok(WEDNESDAY);
    for i in 0..3_u8 {
        one.commit("a", &vec![b'n' + i; 100_000]);
    }
    let file = one.revision_file(8);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[20..200].fill(b'!');
    let permissions = fs::metadata(&file).unwrap().permissions();
    fs::remove_file(&file).unwrap();
    fs::write(&file, bad).unwrap();
    let output = setting.run(THURSDAY).exits(1);
    output.complains("svnadmin failed").complains("svnadmin: E");
    output.complains("svnadmin verify");
    assert_eq!(setting.dumps(), ["svndump-0:6-one.txt.zst"]);

    // The state has not advanced.
    fs::write(&file, good).unwrap();
    fs::set_permissions(&file, permissions).unwrap();
    setting.ok(THURSDAY);
    let dumps = ["svndump-0:6-one.txt.zst", "svndump-7:9-one.txt.zst"];
    assert_eq!(setting.dumps(), dumps);
    setting.restores(&dumps.map(|it| setting.decoded(it)), &one);
}

#[test]
fn one_that_is_no_repository_does_not_keep_the_others_from_being_dumped() {
    let setting = Setting::new(
        "<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>\
         <repository><abs_path>$SANDBOX/svn/nothing</abs_path></repository>\
         <repository_dir><abs_path>$SANDBOX/nowhere</abs_path></repository_dir>\
         <repository_dir><abs_path>$SANDBOX/svn</abs_path></repository_dir>",
    );
    setting.sandbox.dir("svn/lost+found");
    setting.repository("one");
    setting.repository("two");
    let output = setting.run(WEDNESDAY);
    assert_eq!(output.code, Some(1), "{output}");
    output.complains("svn/nothing").complains("svn/lost+found").complains("$SANDBOX/nowhere");
    output.complains("/format': No such file or directory");
    assert_eq!(setting.dumps(), ["svndump-0:0-one.txt", "svndump-0:0-two.txt"]);
}

#[test]
fn a_dump_that_stops_early_is_no_dump_even_if_svnadmin_says_that_it_is() {
    let head = "printf 'SVN-fs-dump-format-version: 2\\n\\nUUID: x\\n\\n'";
    let cases = [
        ("exit 0".to_owned(), "the dump is empty"),
        ("echo hello".to_owned(), "no dump of a repository"),
        (head.to_owned(), "before revision 0"),
        (format!("{head}; printf 'Revision-number: 0\\nContent-length: 9\\n\\n12'"), "middle"),
        (format!("{head}; echo 'svnadmin: E1: lost it' >&2; exit 1"), "svnadmin: E1: lost it"),
        (format!("{head}; kill -9 $$"), "signal 9"),
    ];
    for (script, complaint) in cases {
        let setting = Setting::of_one("incr", "gzip");
        setting.repository("one");
        setting.replace("svnadmin", &format!("#!/bin/sh\n{script}\n"));
        setting.run(TUESDAY).exits(1).complains(complaint);
        assert_eq!(setting.dumps(), [""; 0]);
    }
}

#[test]
fn overrides_are_used_with_cedar_backups_arguments() {
    let setting = Setting::of_one("incr", "none");
    setting.repository("one").commit("a", b"1");
    for program in ["svnadmin", "svnlook"] {
        let script = format!(
            "#!/bin/sh\necho {program} \"$@\" >> $SANDBOX/calls\nexec /usr/bin/{program} \"$@\"\n"
        );
        setting.replace(program, &setting.sandbox.expand(&script));
    }
    setting.ok(WEDNESDAY);
    let calls = setting.sandbox.read("calls");
    let path = setting.sandbox.path("svn/one").display().to_string();
    assert!(calls.contains(&format!("svnlook youngest {path}\n")), "{calls}");
    let dump = format!("svnadmin dump --quiet -r0:1 --incremental {path}\n");
    assert!(calls.contains(&dump), "{calls}");
}

#[test]
fn programs_that_are_missing_are_named() {
    for program in ["svnadmin", "svnlook"] {
        let setting = Setting::of_one("incr", "none");
        setting.repository("one");
        setting.replace(program, "");
        fs::remove_file(setting.sandbox.path("bin").join(program)).unwrap();
        setting.run(WEDNESDAY).exits(1).complains(program).complains("install Subversion");
        assert_eq!(setting.dumps(), [""; 0]);
    }
}

#[test]
fn a_failed_dump_is_not_hidden_by_an_earlier_one_that_was_staged() {
    let setting = Setting::of_one("daily", "none");
    setting.repository("one");
    setting.ok(WEDNESDAY);
    setting.replace("svnadmin", "#!/bin/sh\nexit 1\n");
    setting.run(THURSDAY).exits(1);
    assert_eq!(setting.dumps().len(), 1, "it was never staged: it may be the only copy");
    for name in ["cback.collect", "cback.stage"] {
        fs::write(setting.sandbox.path("collect").join(name), "").unwrap();
    }
    setting.run(THURSDAY).exits(1);
    assert_eq!(setting.dumps(), [""; 0], "it is staged, and would be taken for that of today");
}

#[test]
fn what_is_wrong_with_the_section_is_told_before_anything_is_written() {
    let cases = [
        (
            "<compress_mode>none</compress_mode><repository><abs_path>/x</abs_path></repository>",
            "<collect_mode> is missing",
        ),
        ("<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>", "repositor"),
        (
            "<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>\
             <repository><abs_path>svn/one</abs_path></repository>",
            "absolute",
        ),
        (
            "<collect_mode>incr</collect_mode><compress_mode>zip</compress_mode>\
             <repository><abs_path>/x</abs_path></repository>",
            "zip",
        ),
    ];
    for (elements, complaint) in cases {
        let setting = Setting::new(elements);
        let output = setting.run(WEDNESDAY);
        assert_ne!(output.code, Some(0), "{output}");
        output.complains(complaint);
        assert_eq!(setting.dumps(), [""; 0]);
    }
}
