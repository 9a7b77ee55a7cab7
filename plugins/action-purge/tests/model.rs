//! Purges random trees and compares with a model that knows only the rules.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use hayloft_action_purge::{
    age::{AgeRule, Instant},
    guard::Guard,
    tree::{Policy, Run, purge},
};
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

const NOW: i64 = 2_000_000_000;

#[derive(Debug, Clone)]
enum Tree {
    File { modified: i64, accessed: i64 },
    Link { modified: i64 },
    Fifo,
    Directory(BTreeMap<String, Tree>),
}

fn leaf() -> impl Strategy<Value = Tree> {
    let age = || -86_400..6 * 86_400i64;
    prop_oneof![
        6 => (age(), age()).prop_map(|(m, a)| Tree::File { modified: NOW - m, accessed: NOW - a }),
        2 => age().prop_map(|it| Tree::Link { modified: NOW - it }),
        1 => Just(Tree::Fifo),
    ]
}

fn directory() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(vec!["a", "b", "c", "cback.collect", "cback.stage"]);
    leaf().prop_recursive(3, 20, 4, move |inner| {
        prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
            .prop_map(Tree::Directory)
    })
}

fn day() -> impl Strategy<Value = Tree> {
    let parts = ["cback.stage", "cback.store"]
        .map(|it| prop::option::of(leaf().prop_map(move |leaf| (it.to_owned(), leaf))));
    (parts, prop::option::of(directory())).prop_map(|(indicators, peer)| {
        let peer = peer.map(|it| ("box".to_owned(), it));
        Tree::Directory(indicators.into_iter().flatten().chain(peer).collect())
    })
}

fn dir(name: &str, tree: Tree) -> Tree {
    Tree::Directory(BTreeMap::from([(name.to_owned(), tree)]))
}

fn world() -> impl Strategy<Value = Tree> {
    let names = prop::sample::select(vec!["16", "17", "1x"]).prop_map(str::to_owned);
    let days = prop::collection::btree_map(names, day(), 0..4);
    (days, directory(), directory()).prop_map(|(days, collect, other)| {
        let staging = dir("2026", dir("11", Tree::Directory(days)));
        let parts = [("stage", staging), ("collect", collect), ("other", other)];
        Tree::Directory(parts.into_iter().map(|(name, tree)| (name.to_owned(), tree)).collect())
    })
}

fn set_times(path: &Path, modified: i64, accessed: i64) {
    let at = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
    let times = Timestamps { last_access: at(accessed), last_modification: at(modified) };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn build(path: &Path, tree: &Tree) {
    match tree {
        Tree::File { modified, accessed } => {
            fs::write(path, "x").unwrap();
            set_times(path, *modified, *accessed);
        }
        Tree::Link { modified } => {
            symlink("nowhere", path).unwrap();
            set_times(path, *modified, *modified);
        }
        Tree::Fifo => {
            mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
            set_times(path, NOW, NOW);
        }
        Tree::Directory(entries) => {
            fs::create_dir(path).unwrap();
            for (name, tree) in entries {
                build(&path.join(name), tree);
            }
        }
    }
}

fn paths(tree: &Tree, at: &str, into: &mut BTreeSet<String>) {
    into.insert(at.to_owned());
    if let Tree::Directory(entries) = tree {
        for (name, tree) in entries {
            paths(tree, &format!("{at}/{name}"), into);
        }
    }
}

fn paths_on_disk(path: &Path, at: &str, into: &mut BTreeSet<String>) {
    into.insert(at.to_owned());
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            paths_on_disk(&path.join(&name), &format!("{at}/{name}"), into);
        }
    }
}

/// The rules, for a tree in memory.
struct Model<'a> {
    policy: &'a Policy,
}

impl Model<'_> {
    /// Returns what is left of `tree`.
    fn left(&self, tree: &Tree, at: &str, keep: bool) -> Option<Tree> {
        match tree {
            Tree::Fifo => Some(tree.clone()),
            Tree::Link { modified } => self.unless_due(tree, *modified, at, keep),
            Tree::File { modified, accessed } => {
                let moment = match self.policy.age {
                    AgeRule::Modified | AgeRule::Staged => *modified,
                    AgeRule::Accessed => *modified.max(accessed),
                };
                self.unless_due(tree, moment, at, keep)
            }
            Tree::Directory(entries) => {
                let keep = keep || (!self.policy.unstored && kept(entries, at));
                let left: BTreeMap<_, _> = entries
                    .iter()
                    .filter_map(|(name, tree)| {
                        Some((name.clone(), self.left(tree, &format!("{at}/{name}"), keep)?))
                    })
                    .collect();
                let stays = keep || !left.is_empty() || fixed(at);
                stays.then_some(Tree::Directory(left))
            }
        }
    }

    fn unless_due(&self, tree: &Tree, moment: i64, at: &str, keep: bool) -> Option<Tree> {
        let day = at.strip_prefix("/stage/2026/11/").map(|it| &it[..2]);
        let days = match (self.policy.age, day) {
            (AgeRule::Staged, Some("16")) => 1,
            (AgeRule::Staged, Some("17")) => 0,
            _ => u64::try_from((NOW - moment).max(0)).unwrap() / 86_400,
        };
        (keep || days < self.policy.retain_days).then(|| tree.clone())
    }
}

fn kept(entries: &BTreeMap<String, Tree>, at: &str) -> bool {
    let modified = |tree: &Tree| match tree {
        Tree::File { modified, .. } | Tree::Link { modified } => *modified,
        Tree::Fifo | Tree::Directory(_) => NOW,
    };
    let indicator = |name: &str| entries.get(name).filter(|it| !matches!(it, Tree::Directory(_)));
    match at {
        "/stage/2026/11/16" | "/stage/2026/11/17" => {
            let staged = indicator("cback.stage").is_some() || holds_data(entries);
            staged && indicator("cback.store").is_none()
        }
        "/collect" => match (indicator("cback.collect"), indicator("cback.stage")) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(collect), Some(stage)) => modified(stage) < modified(collect),
        },
        _ => false,
    }
}

fn holds_data(entries: &BTreeMap<String, Tree>) -> bool {
    entries.iter().filter(|(name, _)| !name.starts_with("cback.")).any(|(_, tree)| match tree {
        Tree::Directory(entries) => holds_data(entries),
        _ => true,
    })
}

fn fixed(at: &str) -> bool {
    matches!(at, "" | "/stage" | "/collect") || at.starts_with("/stage/2026/11/17")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_left_is_what_the_rules_leave(
        tree in world(),
        retain_days in 0..5u64,
        age in prop::sample::select(vec![AgeRule::Modified, AgeRule::Accessed, AgeRule::Staged]),
        unstored: bool,
        dry_run: bool,
    ) {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap().join("root");
        build(&root, &tree);
        let guard = Guard {
            staging: Some(root.join("stage")),
            collect: vec![root.join("collect")],
            required: vec!["cback.store".to_owned()],
            today: PathBuf::from("2026/11/17"),
            fixed: BTreeSet::new(),
        }
        .resolve();
        let policy = Policy { retain_days, age, unstored };
        let now = Instant { seconds: NOW, nanoseconds: 0 };
        let run = Run { now, dry_run, guard: &guard, cancelled: &|| false };

        let report = purge(&root, &policy, run).unwrap();

        let (mut before, mut left, mut wanted) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        paths(&tree, "", &mut before);
        paths(&Model { policy: &policy }.left(&tree, "", false).unwrap(), "", &mut wanted);
        paths_on_disk(&root, "", &mut left);
        prop_assert_eq!(&report.problems, &Vec::<String>::new());
        prop_assert_eq!(
            usize::try_from(report.files + report.directories).unwrap(),
            before.len() - wanted.len()
        );
        prop_assert_eq!(left, if dry_run { before } else { wanted });
    }
}
