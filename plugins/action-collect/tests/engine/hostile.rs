//! Archives that try to write elsewhere, and archives that are damaged.

use std::{fs, os::unix::fs as unix};

use hayloft_action_collect::archive::{END, Entry, Kind, header, padding};

use crate::sandbox::{Collecting, Made, Sandbox, restore};

fn archive(members: &[(Entry, &[u8])]) -> Made {
    let mut out = Vec::new();
    for (entry, content) in members {
        header(&Entry { size: content.len() as u64, ..entry.clone() }, &mut out);
        out.extend_from_slice(content);
        out.resize(out.len() + padding(content.len() as u64), 0);
    }
    out.extend_from_slice(&END);
    Made::foreign(out)
}

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.into(), kind, mode: 0o755, ..Entry::default() }
}

#[test]
fn no_archive_writes_outside_of_its_target() {
    let sandbox = Sandbox::new();
    let outside = sandbox.empty("outside");
    let link = |text: &str| Kind::Symlink(text.into());
    let up = outside.to_str().unwrap();
    let cases: Vec<Vec<(Entry, &[u8])>> = vec![
        // A link, then a file through it.
        vec![(entry("t/l", link(up)), b""), (entry("t/l/x", Kind::File), b"evil")],
        // A directory that is replaced by a link.
        vec![
            (entry("t/l", Kind::Directory), b""),
            (entry("t/l", link(up)), b""),
            (entry("t/l/x", Kind::File), b"evil"),
        ],
        // A link whose permissions and owner are changed.
        vec![(entry("t/l", link(up)), b""), (entry("t/l/.", Kind::Directory), b"")],
        // A hard link to something outside.
        vec![(entry("t/x", Kind::HardLink("outside/secret".into())), b"")],
    ];
    fs::write(outside.join("secret"), "secret").unwrap();
    let before = crate::sandbox::look(&outside);
    for (n, members) in cases.iter().enumerate() {
        for overwrite in [false, true] {
            let target = sandbox.empty(&format!("target{n}{overwrite}"));
            let result = restore(&[&archive(members)], &["/t".as_ref()], &target, overwrite);
            assert_eq!(before, crate::sandbox::look(&outside), "case {n}: {result:?}");
        }
    }
}

#[test]
fn links_that_lie_in_the_target_are_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.write("d/file", "x");
    let tree = sandbox.tree();
    let made = Collecting::default().full(&tree, "1");
    let outside = sandbox.empty("outside");
    let target = sandbox.empty("target");
    let there = sandbox.inside(&target);
    fs::create_dir_all(&there).unwrap();
    unix::symlink(&outside, there.join("d")).unwrap();
    assert!(restore(&[&made], &[&tree], &target, false).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    restore(&[&made], &[&tree], &target, true).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(there.join("d/file").exists());
}
