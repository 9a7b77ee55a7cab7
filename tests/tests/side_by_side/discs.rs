//! Staged days go to discs. A recorder stands for the programs that write
//! them, and both must call it in the same way.

use std::{
    collections::BTreeSet,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    cedar::Cedar,
    outcome::Outcome,
    programs::{NAMES, Worlds},
    time, tree, week,
};

const CD: &str = "<media_type>cdrw-80</media_type>";
const DVD: &str = "<media_type>dvd+rw</media_type><device_type>dvdwriter</device_type>\
                   <no_eject>Y</no_eject><drive_speed>4</drive_speed>";
const RECORDED: [&str; 5] = ["cdrecord", "mkisofs", "growisofs", "eject", "volname"];

/// A wanted difference. Each must occur with each kind of disc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Days that are on no disc, and that no later run takes up, are named.
    ForgottenDaysAreNamed,
    /// Discs of `span` have a label, so that `check_media` accepts them later.
    SpanLabels,
}

/// Worlds with a drive that a recorder plays.
fn with_drive<'a>(cedar: &'a Cedar, store: &str) -> Worlds<'a> {
    let overrides: String = RECORDED
        .map(|name| {
            format!(
                "<override><command>{name}</command>\
                 <abs_path>$SANDBOX/world/bin/{name}</abs_path></override>"
            )
        })
        .concat();
    let store = format!(
        "<store><source_dir>$SANDBOX/world/stage</source_dir>{store}\
         <target_device>$SANDBOX/world/drive</target_device></store>"
    );
    let mut worlds = Worlds::with(cedar, &overrides, &store);
    let recorder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disc/recorder");
    for world in NAMES {
        worlds.sandbox.write(&format!("{world}/drive"), "");
        let bin = worlds.sandbox.dir(&format!("{world}/bin"));
        for name in RECORDED {
            symlink(&recorder, bin.join(name)).unwrap();
        }
    }
    // Cedar Backup opens the tray with whatever `eject` is found first.
    let bin: PathBuf = worlds.sandbox.path("world/bin");
    let path = std::env::var("PATH").unwrap_or_default();
    worlds.env("PATH", format!("{}:{path}", bin.display()));
    worlds
}

/// Compares what was called, what days are marked, and how it ended.
fn compare(what: &str, [theirs, ours]: &[Outcome; 2], seen: &mut BTreeSet<Difference>) {
    if (theirs.code, ours.code) == (Some(0), Some(6)) {
        assert!(ours.text.contains("are on no disc and will not be stored"), "{}", ours.text);
        seen.insert(Difference::ForgottenDaysAreNamed);
    } else {
        assert_eq!(theirs.code, ours.code, "{what}:\n{}\n{}", theirs.text, ours.text);
    }
    let mut called = ours.calls.clone();
    if what.contains("span") {
        let unlabelled = |it: &String| it.replace("-V CEDAR BACKUP 05-JAN-2030 ", "");
        let plain = called.iter().map(unlabelled).collect();
        if plain != called {
            seen.insert(Difference::SpanLabels);
            called = plain;
        }
    }
    assert_eq!(theirs.calls, called, "{what}");
    assert!(!theirs.calls.is_empty(), "{what}");
    assert_eq!(marked(theirs), marked(ours), "{what}");
}

/// Returns the marks of days that have files. Cedar Backup marks what purge has
/// left of others, too: empty directories.
fn marked(outcome: &Outcome) -> Vec<&str> {
    let files = || outcome.files.keys().filter(|it| !it.ends_with('/'));
    let marks = files().filter(|it| it.ends_with("/cback.store"));
    let has_files = |mark: &&String| {
        let day = mark.trim_end_matches("cback.store");
        files().any(|it| it.starts_with(day) && it != *mark)
    };
    marks.filter(has_files).map(String::as_str).collect()
}

#[test]
fn discs_are_written_by_the_same_calls() {
    let Some(cedar) = Cedar::find() else { return };
    for store in [CD, DVD] {
        let worlds = with_drive(&cedar, store);
        let mut seen = BTreeSet::new();
        // A new disc on the first day; appended; a day that is not stored; a
        // new disc again, because everything is to be backed up.
        for (number, day) in week()[..5].iter().enumerate() {
            tree::nothing(worlds.tree());
            let full = if number == 3 { &["--full"][..] } else { &[] };
            let run = |action: &str| {
                let arguments = [full, &[action]].concat();
                worlds.run(time(day, action), &arguments)
            };
            for action in ["collect", "stage"] {
                for outcome in run(action) {
                    assert_eq!(outcome.code, Some(0), "{}: {}", day.name, outcome.text);
                }
            }
            if number != 2 {
                compare(&format!("{store}, {}", day.name), &run("store"), &mut seen);
            }
            // An hour later: what is stored now is not three days old to the
            // second when it is to go.
            for outcome in worlds.run(time(day, "span"), &["purge"]) {
                assert_eq!(outcome.code, Some(0), "{}: {}", day.name, outcome.text);
            }
        }
        let fifth = &week()[4];
        // Every question gets what it suggests: one disc for what is left.
        let spanned = worlds.span(time(fifth, "span"), &"\n".repeat(10));
        compare(&format!("{store}, span"), &spanned, &mut seen);
        let wanted = [Difference::ForgottenDaysAreNamed, Difference::SpanLabels];
        assert_eq!(seen, BTreeSet::from(wanted), "{store}");
        // All days are stored, so that they go when they are old enough.
        let purged = worlds.run(time(&week()[6], "span"), &["purge"]).map(|outcome| {
            assert_eq!(outcome.code, Some(0), "{}", outcome.text);
            let files = outcome.files.into_keys();
            let data = |it: &String| !it.ends_with('/') && !it.ends_with("/cback.store");
            files.filter(|it| it.starts_with("stage/") && data(it)).collect::<Vec<_>>()
        });
        assert_eq!(purged[0], purged[1], "{store}");
        let has = |day: &str| purged[1].iter().any(|it| it.starts_with(&format!("{day}/box/")));
        assert!(has("stage/2030/01/05") && !has("stage/2030/01/04"), "{purged:?}");
    }
}
