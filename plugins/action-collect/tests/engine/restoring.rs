//! What was collected comes back as it was.

use std::{fs, os::unix::fs as unix, os::unix::fs::MetadataExt, path::Path};

use crate::sandbox::{
    Collecting, Sandbox, assert_same, is_root, listed, make_everything, restore, run, set_times,
    tree_of,
};

#[test]
fn everything_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    make_everything(&sandbox);
    let made = Collecting::default().full(&sandbox.tree(), "1");
    let target = sandbox.empty("target");
    let done = restore(&[&made], &[&sandbox.tree()], &target, false).unwrap();
    assert_same(&sandbox.tree(), &sandbox.inside(&target));
    assert_eq!(done.attributes_refused, 0);
    assert_eq!(done.owners_kept, 0);
}

#[test]
fn a_single_file_comes_back_without_its_neighbours() {
    let sandbox = Sandbox::new();
    sandbox.write("d/wanted", "w");
    sandbox.write("d/other", "o");
    let tree = sandbox.tree();
    fs::set_permissions(tree.join("d"), mode(0o751)).unwrap();
    let made = Collecting::default().full(&tree, "1");
    let target = sandbox.empty("target");
    restore(&[&made], &[&tree.join("d/wanted")], &target, false).unwrap();
    let there = sandbox.inside(&target).join("d");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(there.join("wanted")).unwrap(), "w");
    assert_eq!(fs::metadata(&there).unwrap().mode() & 0o777, 0o751);
    let error = restore(&[&made], &[&tree.join("d/none")], &target, false).unwrap_err();
    assert!(error.contains("NotFound"), "{error}");
}

fn mode(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[test]
fn a_hard_link_comes_back_even_without_the_name_that_has_the_content() {
    let sandbox = Sandbox::new();
    let first = sandbox.write("a/first", "content");
    for name in ["b/second", "c/third"] {
        let path = sandbox.tree().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::hard_link(&first, path).unwrap();
    }
    let tree = sandbox.tree();
    let made = Collecting::default().full(&tree, "1");
    let target = sandbox.empty("target");
    restore(&[&made], &[&tree.join("b"), &tree.join("c")], &target, false).unwrap();
    let there = sandbox.inside(&target);
    assert!(!there.join("a").exists());
    assert_eq!(fs::read_to_string(there.join("b/second")).unwrap(), "content");
    assert_eq!(fs::metadata(there.join("c/third")).unwrap().nlink(), 2);
}

#[test]
fn what_is_there_already_is_not_touched_unless_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("d/file", "old");
    sandbox.write("d/later", "old");
    let tree = sandbox.tree();
    unix::symlink("x", tree.join("d/link")).unwrap();
    let made = Collecting::default().full(&tree, "1");
    let target = sandbox.empty("target");
    let there = sandbox.inside(&target);
    fs::create_dir_all(there.join("d/link")).unwrap();
    fs::write(there.join("d/later"), "mine").unwrap();

    let error = restore(&[&made], &[&tree], &target, false).unwrap_err();
    assert!(error.contains("is there already, and 1 more"), "{error}");
    assert!(!there.join("d/file").exists(), "nothing is written before all is checked");

    restore(&[&made], &[&tree], &target, true).unwrap();
    assert_eq!(fs::read_to_string(there.join("d/later")).unwrap(), "old");
    assert_eq!(fs::read_link(there.join("d/link")).unwrap(), Path::new("x"));
    restore(&[&made], &[&tree], &target, true).unwrap();
    assert_same(&tree, &there);
}

#[test]
fn a_directory_with_something_in_it_makes_way_for_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("x", "file");
    let tree = sandbox.tree();
    let made = Collecting::default().full(&tree, "1");
    let target = sandbox.empty("target");
    let there = sandbox.inside(&target);
    fs::create_dir_all(there.join("x/kept")).unwrap();
    let error = restore(&[&made], &[&tree], &target, true).unwrap_err();
    assert!(error.contains("not empty"), "{error}");
    assert!(there.join("x/kept").exists());
    let left: Vec<_> = fs::read_dir(&there).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["x"], "no temporary file stays behind");
}

#[test]
fn archives_of_other_programs_are_read() {
    let sandbox = Sandbox::new();
    sandbox.write("plain", "p");
    sandbox.write(&format!("{}/long", "l".repeat(90)), "long");
    let tree = sandbox.tree();
    fs::hard_link(tree.join("plain"), tree.join("hard")).unwrap();
    unix::symlink("t".repeat(150), tree.join("link")).unwrap();
    set_times(&tree.join("plain"), 1_500_000_000, 0);
    for format in ["gnu", "posix", "ustar"] {
        let file = sandbox.path(&format!("{format}.tar"));
        let name = tree.strip_prefix("/").unwrap().to_str().unwrap();
        let format = format!("--format={format}");
        if format.ends_with("ustar") {
            fs::remove_file(tree.join("link")).unwrap();
        }
        run("tar", &["-cf", file.to_str().unwrap(), &format, "-C", "/", name], b"");
        let made = crate::sandbox::Made::foreign(fs::read(&file).unwrap());
        let target = sandbox.empty(&format!("target{format}"));
        restore(&[&made], &[&tree], &target, false).unwrap();
        let there = sandbox.inside(&target);
        assert_eq!(fs::metadata(there.join("hard")).unwrap().nlink(), 2);
        let long = there.join("l".repeat(90)).join("long");
        assert_eq!(fs::read_to_string(long).unwrap(), "long");
        assert_eq!(fs::metadata(there.join("plain")).unwrap().mtime(), 1_500_000_000);
    }
}

#[test]
fn a_chain_gives_the_state_of_its_newest_day() {
    let sandbox = Sandbox::new();
    for name in ["same", "changed", "deleted", "d/moved"] {
        sandbox.write(name, name);
    }
    let tree = sandbox.tree();
    let first = Collecting::default().full(&tree, "1");
    fs::write(tree.join("changed"), "second").unwrap();
    fs::remove_file(tree.join("deleted")).unwrap();
    let second = Collecting::default().increment(&tree, "2", &first);
    fs::rename(tree.join("d"), tree.join("e")).unwrap();
    let third = Collecting::default().increment(&tree, "3", &second);
    assert_eq!(listed(&third.archive).len(), 3);
    let target = sandbox.empty("target");
    restore(&[&third, &second, &first], &[&tree], &target, false).unwrap();
    assert_same(&tree, &sandbox.inside(&target));
    // The second archive alone knows what is missing.
    let (_, tree) = tree_of(&[&second, &first]);
    assert_eq!(tree.places.len(), 5);
}

#[test]
fn owners_and_devices_need_root() {
    let sandbox = Sandbox::new();
    make_everything(&sandbox);
    assert_eq!(sandbox.tree().join("null").exists(), is_root());
}
