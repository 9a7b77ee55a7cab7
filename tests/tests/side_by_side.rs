//! Cedar Backup and Hayloft run side by side for a week: the same
//! configuration, the same files, the same dates. Whatever differs is listed
//! in `differences.rs` with the reason, or the test fails.
//!
//! The real Cedar Backup is installed from the package index into a virtual
//! environment, once. Where that is impossible a line on the terminal says
//! so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "side_by_side/cedar.rs"]
mod cedar;
#[path = "side_by_side/differences.rs"]
mod differences;
#[path = "side_by_side/discs.rs"]
mod discs;
#[path = "side_by_side/extensions.rs"]
mod extensions;
#[path = "side_by_side/outcome.rs"]
mod outcome;
#[path = "side_by_side/programs.rs"]
mod programs;
#[path = "side_by_side/tree.rs"]
mod tree;

use std::{collections::BTreeSet, env, process::Command, thread, time::Duration};

use self::{
    cedar::Cedar,
    differences::{Difference, compare},
    programs::Worlds,
};

/// A day of the week that is played: what happens to the files before, and
/// what is run.
struct Day {
    name: &'static str,
    /// Midnight, in UTC, in seconds since 1970.
    midnight: i64,
    before: fn(&tree::Tree),
    full: bool,
}

/// Tuesday, 1 January 2030.
const TUESDAY: i64 = 1_893_456_000;

fn week() -> Vec<Day> {
    let day = |number: i64, name, before| Day {
        name,
        midnight: TUESDAY + number * 86_400,
        before,
        full: false,
    };
    vec![
        day(0, "Tuesday, the first day of the week", tree::nothing),
        day(1, "Wednesday, nothing has changed", tree::nothing),
        day(2, "Thursday, much has changed", tree::much_changes),
        Day { full: true, ..day(3, "Friday, with --full", tree::nothing) },
        day(4, "Saturday, something is new", tree::something_is_new),
        day(5, "Sunday, a peer is not ready", tree::the_peer_is_not_ready),
        day(6, "Monday, a file is missing", tree::a_file_goes),
        day(7, "Tuesday again, all is well", tree::the_file_comes_back),
    ]
}

#[test]
fn a_week_with_cedar_backup_and_hayloft_differs_only_where_it_should() {
    let Some(cedar) = Cedar::find() else { return };
    let worlds = Worlds::new(&cedar);
    let mut seen: BTreeSet<Difference> = BTreeSet::new();
    let mut unexplained = Vec::new();
    for day in week() {
        (day.before)(worlds.tree());
        pass_time();
        let mut collected = true;
        for action in ["collect", "stage", "purge"] {
            let full = if day.full { &["--full"][..] } else { &[] };
            let arguments: Vec<&str> = full.iter().copied().chain([action]).collect();
            let [theirs, ours] = worlds.run(time(&day, action), &arguments);
            collected &= action != "collect" || theirs.code == Some(0);
            let found = compare(action, &theirs, &ours, collected);
            seen.extend(found.explained);
            let place = format!("{}, {action}", day.name);
            unexplained.extend(found.unexplained.iter().map(|it| format!("{place}: {it}")));
        }
    }
    assert!(unexplained.is_empty(), "not wanted:\n{}", unexplained.join("\n"));
    let missing: Vec<_> = Difference::ALL.iter().filter(|it| !seen.contains(it)).collect();
    assert!(missing.is_empty(), "listed as a difference, but did not occur: {missing:?}");
}

#[test]
fn after_the_switch_increments_go_on_where_cedar_backup_was() {
    let Some(cedar) = Cedar::find() else { return };
    let worlds = Worlds::new(&cedar);
    let (first, third) = (&week()[0], &week()[2]);
    (first.before)(worlds.tree());
    for action in ["collect", "stage", "purge"] {
        assert_eq!(worlds.cedar(time(first, action), &[action]).code, Some(0));
    }
    (third.before)(worlds.tree());
    pass_time();

    let outcome = worlds.switched(time(third, "collect"), &["collect"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    // Neither what is as it was, nor f3.txt and f4.txt: what Cedar Backup
    // remembers is the content alone.
    let expected = ["d/in2.txt", "f1.txt", "f5.txt", "f6.txt"];
    assert_eq!(outcome.files_in_archive("tree-incr"), expected);
    let outcome = worlds.switched(time(third, "stage"), &["stage", "purge"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
}

#[test]
fn where_there_can_be_no_comparison_a_line_on_the_terminal_says_so() {
    let nowhere = tempfile::tempdir().unwrap();
    let name = "after_the_switch_increments_go_on_where_cedar_backup_was";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name])
        .env(cedar::PLACE, nowhere.path().join("cedar"))
        .env("PATH", nowhere.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.lines().any(|it| it.starts_with(cedar::SKIPPED)), "{output:?}");
}

/// The actions of a day are an hour apart, as cron lines are.
fn time(day: &Day, action: &str) -> i64 {
    let hour = match action {
        "collect" => 1,
        "stage" => 2,
        "span" => 4,
        _ => 3,
    };
    day.midnight + hour * 3600
}

/// What changed within moments of a backup is in the next one again; a real
/// day is longer than that.
fn pass_time() {
    thread::sleep(Duration::from_secs(3));
}
