//! Random histories of a tree: every day's state comes back.

use std::{
    fs,
    os::unix::fs::{self as unix, PermissionsExt},
    path::{Path, PathBuf},
};

use proptest::{collection::vec, prelude::*};

use crate::sandbox::{Collecting, Made, Sandbox, assert_same, look, restore};

/// Something that happens to a tree.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Directory(usize),
    Remove(usize),
    Rename(usize, usize),
    Mode(usize, u32),
    Link(usize, String),
    HardLink(usize, usize),
    Sparse(usize, u64),
}

/// Few names, so that they meet; some are in each other.
const NAMES: &[&str] =
    &["a", "b", "a/b", "a/c", "d", "d/e", "d/e/f", "d/e/a", "g-h", "g", "g/a", "long/x"];

fn change() -> impl Strategy<Value = Change> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), vec(any::<u8>(), 0..1500)).prop_map(|(n, c)| Change::Write(n, c)),
        2 => name.clone().prop_map(Change::Directory),
        2 => name.clone().prop_map(Change::Remove),
        2 => (name.clone(), name.clone()).prop_map(|(a, b)| Change::Rename(a, b)),
        1 => (name.clone(), 0o600u32..0o1000).prop_map(|(n, m)| Change::Mode(n, m | 0o700)),
        1 => (name.clone(), "[a-z/.]{1,9}").prop_map(|(n, t)| Change::Link(n, t)),
        2 => (name.clone(), name.clone()).prop_map(|(a, b)| Change::HardLink(a, b)),
        1 => (name, 1u64..5).prop_map(|(n, s)| Change::Sparse(n, s)),
    ]
}

/// Does it if it can be done; most of what cannot is another kind of file in
/// the way, which the next change may remove.
fn apply(tree: &Path, change: &Change) {
    let path = |n: usize| -> PathBuf { tree.join(NAMES[n]) };
    let parent = |n: usize| fs::create_dir_all(path(n).parent().unwrap());
    let _ = match change {
        Change::Write(n, content) => parent(*n).and_then(|()| fs::write(path(*n), content)),
        Change::Directory(n) => fs::create_dir_all(path(*n)),
        Change::Remove(n) => fs::remove_dir_all(path(*n)).or_else(|_| fs::remove_file(path(*n))),
        Change::Rename(a, b) => fs::rename(path(*a), path(*b)),
        Change::Mode(n, mode) if !path(*n).is_symlink() => {
            fs::set_permissions(path(*n), PermissionsExt::from_mode(*mode))
        }
        Change::Mode(..) => Ok(()),
        Change::Link(n, text) => parent(*n).and_then(|()| unix::symlink(text, path(*n))),
        Change::HardLink(a, b) => fs::hard_link(path(*a), path(*b)),
        Change::Sparse(n, size) => {
            let made = parent(*n).and_then(|()| fs::File::create(path(*n)));
            made.and_then(|it| it.set_len(size << 18))
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_days_state_comes_back(days in vec(vec(change(), 0..8), 1..5)) {
        let sandbox = Sandbox::new();
        let tree = sandbox.tree();
        let mut archives: Vec<Made> = Vec::new();
        for (day, changes) in days.iter().enumerate() {
            for change in changes {
                apply(&tree, change);
            }
            // Links that lead nowhere or out of the tree are only links.
            let copy = sandbox.path(&format!("copy{day}"));
            let status = std::process::Command::new("cp")
                .args(["-a", "--sparse=auto"]).arg(&tree).arg(&copy).status().unwrap();
            assert!(status.success());
            let collecting = Collecting::default();
            let id = day.to_string();
            let made = match archives.last() {
                Some(previous) => collecting.increment(&tree, &id, previous),
                None => collecting.full(&tree, &id),
            };
            archives.push(made);
        }
        for day in 0..days.len() {
            let chain: Vec<_> = archives[..=day].iter().rev().collect();
            let target = sandbox.empty(&format!("target{day}"));
            restore(&chain, &[&tree], &target, false).unwrap();
            let copy = sandbox.path(&format!("copy{day}"));
            assert_same(&copy, &sandbox.inside(&target));
            prop_assert_eq!(look(&copy).len(), look(&sandbox.inside(&target)).len());
        }
    }
}
