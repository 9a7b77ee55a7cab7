//! Archives of all kinds of files, read by GNU tar.

use std::{fs, os::unix::fs as unix};

use crate::sandbox::{
    Collecting, Made, Sandbox, assert_same, is_root, listed, make_everything, run, set_times, untar,
};

#[test]
fn gnu_tar_gives_back_everything_as_it_was() {
    let sandbox = Sandbox::new();
    make_everything(&sandbox);
    let made = Collecting::default().full(&sandbox.tree(), "1");
    assert_eq!(made.report.warnings, [""; 0]);
    assert_eq!(made.report.counts.sockets, 1);
    let target = sandbox.empty("target");
    untar(&made.archive, &target, &[]);
    assert_same(&sandbox.tree(), &sandbox.inside(&target));
}

#[test]
fn gnu_tar_lists_without_complaint() {
    let sandbox = Sandbox::new();
    make_everything(&sandbox);
    let made = Collecting::default().full(&sandbox.tree(), "1");
    run("tar", &["-tvv"], &made.archive);
    run("tar", &["-tvvG"], &made.archive);
    let count = listed(&made.archive).len();
    assert!(count > 25, "{count}");
}

#[test]
fn gnu_tar_honours_deletions_and_renames() {
    let sandbox = Sandbox::new();
    for name in ["same", "changed", "deleted", "renamed", "d/inner", "gone/inner", "left-out"] {
        sandbox.write(name, name);
    }
    let exclude = |path: &[u8]| path.ends_with(b"/left-out");
    let mut collecting = Collecting::default();
    collecting.rules.exclude = &exclude;
    let full = collecting.full(&sandbox.tree(), "1");
    let target = sandbox.empty("target");
    let incremental = ["--listed-incremental=/dev/null"];
    untar(&full.archive, &target, &incremental);
    let there = sandbox.inside(&target);
    fs::write(there.join("left-out"), "a copy of its own").unwrap();

    let tree = sandbox.tree();
    fs::write(tree.join("changed"), "otherwise").unwrap();
    fs::remove_file(tree.join("deleted")).unwrap();
    fs::rename(tree.join("renamed"), tree.join("d/moved")).unwrap();
    fs::remove_dir_all(tree.join("gone")).unwrap();
    fs::write(tree.join("gone"), "now a file").unwrap();
    let increment = collecting.increment(&tree, "2", &full);
    assert_eq!(increment.report.counts.stored, 3);
    assert_eq!(increment.report.counts.unchanged, 2);

    untar(&increment.archive, &target, &incremental);
    assert_eq!(fs::read_to_string(there.join("left-out")).unwrap(), "a copy of its own");
    fs::remove_file(there.join("left-out")).unwrap();
    fs::remove_file(tree.join("left-out")).unwrap();
    set_times(&tree, 5, 0);
    set_times(&there, 5, 0);
    assert_same(&tree, &there);
}

#[test]
fn an_increment_sees_every_kind_of_change() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree();
    let names = ["same", "touched", "mode", "content", "replaced", "linked", "attribute"];
    for name in names {
        sandbox.write(name, "12345");
        set_times(&tree.join(name), 1_600_000_000, 0);
    }
    unix::symlink("a", tree.join("link")).unwrap();
    let full = Collecting::default().full(&tree, "1");

    let touched = fs::File::options().append(true).open(tree.join("touched")).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(tree.join("mode"), mode).unwrap();
    // Same size, same time: only the time of the change itself tells.
    fs::write(tree.join("content"), "54321").unwrap();
    set_times(&tree.join("content"), 1_600_000_000, 0);
    fs::remove_file(tree.join("replaced")).unwrap();
    sandbox.write("replaced", "12345");
    set_times(&tree.join("replaced"), 1_600_000_000, 0);
    fs::hard_link(tree.join("linked"), tree.join("second name")).unwrap();
    run("setfattr", &["-n", "user.a", "-v", "b", tree.join("attribute").to_str().unwrap()], b"");
    fs::remove_file(tree.join("link")).unwrap();
    unix::symlink("b", tree.join("link")).unwrap();

    let increment = Collecting::default().increment(&tree, "2", &full);
    let top = tree.to_str().unwrap()[1..].to_owned();
    let mut names: Vec<_> = listed(&increment.archive)
        .iter()
        .map(|it| it.strip_prefix(&top).unwrap().trim_start_matches('/').to_owned())
        .collect();
    names.sort();
    let expected = [
        "",
        "attribute",
        "content",
        "link",
        "linked",
        "mode",
        "replaced",
        "second name",
        "touched",
    ];
    assert_eq!(names, expected);
    assert_eq!(increment.report.counts.unchanged, 1);
}

#[test]
fn a_file_that_was_just_written_is_stored_again() {
    let sandbox = Sandbox::new();
    sandbox.write("young", "1");
    let settle = std::time::Duration::from_mins(1);
    let collecting = Collecting { settle, ..Collecting::default() };
    let full = collecting.full(&sandbox.tree(), "1");
    let increment = collecting.increment(&sandbox.tree(), "2", &full);
    assert_eq!(increment.report.counts.stored, 1);
}

#[test]
fn an_archive_that_is_still_right_need_not_be_made_again() {
    let sandbox = Sandbox::new();
    sandbox.write("d/file", "1");
    let tree = sandbox.tree();
    let collecting = Collecting::default();
    let is_same = |made: &Made| collecting.is_unchanged(&tree, made);
    let full = collecting.full(&tree, "1");
    assert!(is_same(&full));
    fs::create_dir(tree.join("d/empty")).unwrap();
    assert!(!is_same(&full));
    let increment = collecting.increment(&tree, "2", &full);
    assert!(is_same(&increment));
    fs::remove_file(tree.join("d/file")).unwrap();
    assert!(!is_same(&increment));
    sandbox.write("d/file", "1");
    assert!(!is_same(&increment));
}

#[test]
fn what_is_excluded_or_ignored_is_left_out_with_its_subtree() {
    let sandbox = Sandbox::new();
    for name in ["a/keep", "a/skip/x/y", "b/.ignore", "b/sub/file", "c/file.bak"] {
        sandbox.write(name, "");
    }
    let exclude = |path: &[u8]| path.ends_with(b"/a/skip") || path.ends_with(b".bak");
    let mut collecting = Collecting::default();
    collecting.rules.exclude = &exclude;
    collecting.rules.ignore_file = Some(b".ignore");
    let names = listed(&collecting.full(&sandbox.tree(), "1").archive);
    let short: Vec<_> =
        names.iter().map(|it| it.split_once("/tree/").unwrap().1.to_owned()).collect();
    assert_eq!(short, ["", "a/", "a/keep", "c/"]);

    sandbox.write(".ignore", "");
    assert!(collecting.run(&sandbox.tree(), "1", None).is_none());
}

#[test]
fn links_are_followed_as_deep_as_asked_for_and_never_for_ever() {
    let sandbox = Sandbox::new();
    sandbox.write("real/file", "");
    let tree = sandbox.tree();
    unix::symlink("real", tree.join("to-real")).unwrap();
    unix::symlink("..", tree.join("real/up")).unwrap();
    fs::create_dir_all(sandbox.path("outside/deeper")).unwrap();
    fs::write(sandbox.path("outside/deeper/file"), "").unwrap();
    unix::symlink("../outside", tree.join("out")).unwrap();
    unix::symlink("none", tree.join("dangling")).unwrap();
    let names = |depth: u32, dereference: bool| {
        let mut collecting = Collecting::default();
        collecting.rules.link_depth = depth;
        collecting.rules.dereference = dereference;
        let base = sandbox.path("");
        let base = base.to_str().unwrap()[1..].to_owned();
        let archive = collecting.full(&tree, "1").archive;
        let names = listed(&archive);
        let mut names: Vec<_> =
            names.iter().map(|it| it.strip_prefix(&base).unwrap().to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        names(0, false),
        "tree/ tree/dangling tree/out tree/real/ tree/real/file tree/real/up tree/to-real"
    );
    assert_eq!(
        names(1, false),
        "tree/ tree/dangling tree/out/ tree/out/deeper/ tree/out/deeper/file tree/real/ \
         tree/real/file tree/real/up tree/to-real/ tree/to-real/file tree/to-real/up"
    );
    assert_eq!(
        names(1, true),
        "outside/ outside/deeper/ outside/deeper/file tree/ tree/dangling tree/out tree/real/ \
         tree/real/file tree/real/up tree/to-real"
    );
}

#[test]
fn a_single_file_needs_no_directory() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("a.conf", "x");
    let collecting = Collecting { directory: false, ..Collecting::default() };
    let full = collecting.full(&path, "1");
    assert_eq!(listed(&full.archive).len(), 1);
    let increment = collecting.increment(&path, "2", &full);
    assert_eq!(increment.report.counts.unchanged, 1);
    assert!(listed(&increment.archive).is_empty());
}

#[test]
fn an_unreadable_file_is_a_warning_and_collected_next_time() {
    if is_root() {
        // Root reads everything; a directory that is a loop of links is not
        // readable for anybody, but that is another case.
        eprintln!("cannot be shown as root");
        return;
    }
    let sandbox = Sandbox::new();
    let path = sandbox.write("secret", "x");
    sandbox.write("plain", "x");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let full = Collecting::default().full(&sandbox.tree(), "1");
    assert_eq!(full.report.warnings.len(), 1);
    assert!(full.report.warnings[0].contains("secret"));
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let increment = Collecting::default().increment(&sandbox.tree(), "2", &full);
    assert_eq!(increment.report.counts.stored, 1);
}

#[test]
fn deep_trees_are_walked_to_the_bottom() {
    let sandbox = Sandbox::new();
    let mut path = sandbox.tree();
    for level in 0..300 {
        path.push(format!("d{level}"));
    }
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("bottom"), "x").unwrap();
    for _ in 0..300 {
        path.pop();
        fs::write(path.join("z"), "x").unwrap();
        fs::create_dir(path.join("zz")).unwrap();
    }
    let made = Collecting::default().full(&sandbox.tree(), "1");
    assert_eq!(made.report.warnings, [""; 0]);
    assert_eq!(made.report.counts.directories, 601);
    assert_eq!(made.report.counts.stored, 301);
}
