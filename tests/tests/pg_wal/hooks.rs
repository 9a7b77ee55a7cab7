//! Hooks before and after the archiving, with the variables of Barman's.

use std::fs;

use super::{
    ground::{Ground, PLAIN},
    segments::Segment,
};

/// Writes every variable that it knows to a file, and ends as it is told to.
const SCRIPT: &str = "#!/bin/sh
env | grep -E '^(BARMAN|HAYLOFT)_' | sort >> $DIR/seen
echo end >> $DIR/seen
code=$(head -n 1 $DIR/codes 2>/dev/null)
sed -i 1d $DIR/codes 2>/dev/null
exit ${code:-0}
";

fn ground(hooks: &str) -> Ground {
    let ground = Ground::new(&format!("{PLAIN}<hooks>{hooks}</hooks>"));
    fs::write(ground.path("script"), ground.expand(SCRIPT)).unwrap();
    fs::set_permissions(ground.path("script"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    ground
}

fn hook(on: &str, retry: bool) -> String {
    let retry = if retry { "<retry>Y</retry>" } else { "" };
    format!("<hook><on>{on}</on><type>script</type><command>$DIR/script</command>{retry}</hook>")
}

fn push(ground: &Ground, segment: Segment) -> super::ground::Ended {
    ground.wal(&["push", "main", segment.write(ground).to_str().unwrap()])
}

/// What each call of the script has seen.
fn seen(ground: &Ground) -> Vec<Vec<String>> {
    let text = fs::read_to_string(ground.path("seen")).unwrap_or_default();
    let _ = fs::remove_file(ground.path("seen"));
    let calls = text.split("end\n").filter(|it| !it.is_empty());
    calls.map(|it| it.lines().map(ToOwned::to_owned).collect()).collect()
}

fn value<'a>(call: &'a [String], variable: &str) -> &'a str {
    let line = call.iter().find_map(|it| it.strip_prefix(variable)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {variable} in {call:?}"))
}

#[test]
fn a_script_of_barmans_gets_the_variables_that_it_knows() {
    let hooks = [
        hook("pre_archive", false),
        hook("pre_archive", true),
        hook("post_archive", true),
        hook("post_archive", false),
    ];
    let ground = ground(&hooks.concat());
    let segment = Segment::number(3);
    push(&ground, segment).exits(0);
    let calls = seen(&ground);
    let order: Vec<_> = calls
        .iter()
        .map(|it| (value(it, "BARMAN_PHASE"), value(it, "BARMAN_HOOK"), value(it, "BARMAN_RETRY")))
        .collect();
    let expected = [
        ("pre", "archive_script", "0"),
        ("pre", "archive_retry_script", "1"),
        ("post", "archive_script", "0"),
        ("post", "archive_retry_script", "1"),
    ];
    assert_eq!(order, expected);
    let (pre, post) = (&calls[0], &calls[2]);
    let path = ground.path("pg_wal").join(segment.name());
    let stored = format!("disk/main/wals/0000000100000000/{}.zst", segment.name());
    let stored = ground.path(stored);
    for call in &calls {
        assert_eq!(value(call, "BARMAN_SERVER"), "main");
        assert_eq!(value(call, "BARMAN_SEGMENT"), segment.name());
        assert_eq!(value(call, "HAYLOFT_SEGMENT"), segment.name());
        assert_eq!(value(call, "BARMAN_ERROR"), "");
        assert!(!value(call, "BARMAN_VERSION").is_empty());
        value(call, "BARMAN_CONFIGURATION");
        let time: f64 = value(call, "BARMAN_TIMESTAMP").parse().unwrap();
        assert!(time > 1e9);
    }
    assert_eq!(value(pre, "BARMAN_FILE"), path.to_str().unwrap());
    assert_eq!(value(pre, "BARMAN_SIZE"), "1048576");
    assert_eq!(value(pre, "BARMAN_COMPRESSION"), "");
    assert_eq!(value(post, "BARMAN_FILE"), stored.to_str().unwrap());
    let size = fs::metadata(&stored).unwrap().len().to_string();
    assert_eq!(value(post, "BARMAN_SIZE"), size);
    assert_eq!(value(post, "BARMAN_COMPRESSION"), "zstd");
    assert_eq!(value(post, "HAYLOFT_STORAGES"), "disk");
    assert_eq!(value(post, "HAYLOFT_OUTCOME"), "done");
}

/// How Barman's retry hooks were seen to behave: exit codes of one call after
/// the other, how many there are, and what comes of it.
fn vectors() -> Vec<(Vec<i64>, usize, bool)> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plugins/postgres/tests/fixtures/barman-vectors.json"
    );
    let all: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let vectors = all["retry_hook"].as_array().unwrap();
    let numbers = |it: &serde_json::Value| {
        it.as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).collect()
    };
    let vector = |it: &serde_json::Value| {
        let runs = usize::try_from(it["out"]["runs"].as_u64().unwrap()).unwrap();
        (numbers(&it["exit_codes"]), runs, it["out"]["result"].get("ok").is_some())
    };
    vectors.iter().map(vector).collect()
}

#[test]
fn a_retry_hook_behaves_as_barmans_but_for_ever_is_five_times() {
    const MOST: usize = 5;
    let vectors = vectors();
    assert!(vectors.len() >= 6);
    for (number, (codes, runs, goes_on)) in (1..).zip(vectors) {
        let ground = ground(&hook("pre_archive", true));
        let lines: Vec<String> = codes.iter().map(ToString::to_string).collect();
        fs::write(ground.path("codes"), lines.join("\n") + "\n").unwrap();
        let goes_on = goes_on && runs <= MOST;
        push(&ground, Segment::number(number)).exits(i32::from(!goes_on));
        assert_eq!(seen(&ground).len(), runs.min(MOST), "{codes:?}");
        assert_eq!(ground.stored("disk").len(), if goes_on { 2 } else { 0 }, "{codes:?}");
    }
    // At the first call, too.
    let ground = ground(&hook("pre_archive", true));
    fs::write(ground.path("codes"), "63\n").unwrap();
    push(&ground, Segment::number(1)).exits(1).complains("stopped it");
}

#[test]
fn hooks_behind_it_are_told_of_the_failure_and_change_nothing() {
    let ground = ground(&[hook("post_archive", true), hook("post_archive", false)].concat());
    let segment = Segment::number(1);
    fs::write(ground.path("codes"), "1\n63\n").unwrap();
    push(&ground, segment).exits(0);
    assert_eq!(seen(&ground).len(), 2);
    push(&ground, Segment { seed: 9, ..segment }).exits(1);
    let calls = seen(&ground);
    assert_eq!(calls.len(), 2);
    for call in &calls {
        // Barman's plain script never learns of it: V-18b.
        assert!(value(call, "BARMAN_ERROR").contains("has other content"));
        assert_eq!(value(call, "HAYLOFT_OUTCOME"), "failed");
    }
}

#[test]
fn a_hook_may_call_the_program_and_one_that_hangs_is_ended() {
    let ground = ground(
        "<hook><on>pre_archive</on><type>script</type><command>$DIR/nested</command></hook>\
         <hook><on>post_archive</on><type>script</type><command>sleep 600</command>\
         <timeout>1</timeout></hook>",
    );
    let other = Segment::number(8);
    let path = other.write(&ground);
    // V-06: nothing is locked while foreign code runs.
    let nested = format!(
        "#!/bin/sh\n[ $BARMAN_SEGMENT = {0} ] && exit 0\n{1}\n{2}\n",
        other.name(),
        ground.line(&format!("push main {}", path.display())),
        ground.line(&format!("get main {} $DIR/nested.out", other.name())),
    );
    fs::write(ground.path("nested"), nested).unwrap();
    fs::set_permissions(ground.path("nested"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    push(&ground, Segment::number(1)).exits(0).complains("did not end");
    assert!(fs::read(ground.path("nested.out")).unwrap() == other.bytes());
}

#[test]
fn hooks_of_segments_that_are_stored_ahead_are_called_one_at_a_time_and_once() {
    let ground = ground(&[hook("pre_archive", false), hook("post_archive", false)].concat());
    let paths: Vec<_> = (1..=6).map(|it| Segment::number(it).ready(&ground)).collect();
    ground.wal(&["push", "main", paths[0].to_str().unwrap()]).exits(0);
    let calls = seen(&ground);
    assert_eq!(calls.len(), 12);
    for path in &paths[1..] {
        ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
    }
    assert_eq!(seen(&ground).len(), 0, "they were told already");
}

#[test]
fn a_plugin_is_asked_and_told_as_scripts_are() {
    let events = ["pre_archive", "post_archive", "pre_wal_delete", "post_wal_delete"];
    let hooks = events.map(|on| format!("<hook><on>{on}</on><type>guard</type></hook>"));
    let ground = ground(&hooks.concat());
    ground.add_fixture("good");
    let (allowed, forbidden) = (Segment::number(0xef), Segment::number(0xf0));
    push(&ground, allowed).exits(0);
    push(&ground, forbidden).exits(1).complains("it is forbidden");
    assert_eq!(ground.stored("disk").len(), 2, "{:?}", ground.stored("disk"));
    // It says no to what came into the archive another way, too.
    ground.configure(PLAIN);
    push(&ground, forbidden).exits(0);
    ground.configure(&format!("{PLAIN}<hooks>{}</hooks>", hooks.concat()));
    let before = Segment::number(0xf1).name();
    ground.wal(&["delete", "main", "--before", &before]).exits(1).complains("forbidden");
    let left = ground.stored("disk");
    assert!(left.iter().any(|it| it.contains(&forbidden.name())), "{left:?}");
    assert!(!left.iter().any(|it| it.contains(&allowed.name())), "{left:?}");
}
