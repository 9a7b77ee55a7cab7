//! Names and positions as Barman 3.19.1 reads them, for every vector in
//! `fixtures/barman-vectors.json` that is about them.
//!
//! Where Barman is wrong we are right; each such difference is a rule below,
//! with its reason, and applies to vectors that come later too.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

use hayloft_postgres::wal::{
    FileName, History, Lsn, SegmentName, SegmentRange, SegmentSize, TargetTimeline, TimelineId,
    WalError, check_archive_usable,
};
use serde_json::Value;

/// Returns a group of vectors; there must be some.
fn group(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("fixtures/barman-vectors.json")).unwrap();
    let group = all[name].as_array().unwrap_or_else(|| panic!("no group {name}")).clone();
    assert!(!group.is_empty(), "{name}");
    group
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Barman computes with any size, and guesses one where it is not told;
/// PostgreSQL has the eleven powers of two.
fn size(value: &Value) -> Option<SegmentSize> {
    SegmentSize::new(value.as_u64()?).ok()
}

/// The segment of a name or, as Barman takes them, of a path.
fn segment(value: &Value) -> Option<SegmentName> {
    text(value).rsplit('/').next()?.parse().ok()
}

/// Barman computes with any number within a log; where the size is known,
/// those that are too high are no segments.
fn is_of(name: SegmentName, size: SegmentSize) -> bool {
    u64::from(name.within()) < size.segments_per_log()
}

/// Barman's pattern takes one newline at the end, and decimal digits of every
/// script; and there is no timeline 0.
fn is_sloppy(name: &str) -> bool {
    let timeline_zero = name.get(..8).is_some_and(|it| it == "00000000");
    name.ends_with('\n') || !name.is_ascii() || timeline_zero
}

/// A name that is none of a segment to us: no file of WAL at all, another
/// kind of file, or one that only Barman's pattern takes.
fn is_sloppy_or_no_segment(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    is_sloppy(name) || !matches!(FileName::parse(name), Some(FileName::Segment(_)))
}

#[test]
fn file_names_are_classified() {
    for vector in group("classify") {
        // Barman takes paths; what counts is the last part.
        let name = text(&vector["in"]).rsplit('/').next().unwrap();
        let ours = FileName::parse(name);
        if is_sloppy(name) {
            assert_eq!(ours, None, "{vector}");
            continue;
        }
        let flags = [
            ("any", ours.is_some()),
            ("wal", matches!(ours, Some(FileName::Segment(_)))),
            ("history", matches!(ours, Some(FileName::History(_)))),
            ("backup", matches!(ours, Some(FileName::Backup { .. }))),
            ("partial", matches!(ours, Some(FileName::Partial(_)))),
        ];
        for (flag, ours) in flags {
            assert_eq!(vector[flag].as_bool(), Some(ours), "{flag} of {vector}");
        }
        let Some(file) = ours else {
            assert!(vector["decode"]["ok"].is_null(), "{vector}");
            continue;
        };
        assert_eq!(text(&vector["hash_dir"]["ok"]), file.directory(), "{vector}");
        let parts: Vec<Option<u64>> =
            vector["decode"]["ok"].as_array().unwrap().iter().map(Value::as_u64).collect();
        let timeline = u64::from(file.timeline().get());
        let rest = file.segment().map(|it| [u64::from(it.log()), u64::from(it.within())]);
        let rest = rest.map_or([None; 2], |it| it.map(Some));
        assert_eq!(parts, [Some(timeline), rest[0], rest[1]], "{vector}");
    }
}

#[test]
fn a_log_has_so_many_segments() {
    for vector in group("segments_per_file") {
        let Ok(size) = SegmentSize::new(number(&vector["size"])) else {
            // Barman computes with any number; PostgreSQL has no such segments.
            continue;
        };
        // Barman's number is the last index.
        assert_eq!(number(&vector["segments_per_file"]), size.segments_per_log() - 1, "{vector}");
        assert_eq!(number(&vector["mask"]), (1 << 32) - size.bytes(), "{vector}");
    }
}

#[test]
fn segments_have_neighbours() {
    for vector in group("next_prev") {
        let Some(size) = size(&vector["size"]) else { continue };
        let Some(name) = segment(&vector["in"]) else {
            // What is a name to Barman only is none of a segment: of a label
            // or a partial file it takes the segment in it.
            assert!(is_sloppy_or_no_segment(text(&vector["in"])), "{vector}");
            continue;
        };
        let ours = [("next", name.next(size)), ("prev", name.previous(size))];
        for (direction, ours) in ours {
            if !is_of(name, size) {
                assert!(matches!(ours, Err(WalError::NotOfThisSize { .. })), "{vector}");
                continue;
            }
            let theirs = vector[direction]["ok"].as_str();
            // Beyond either end Barman prints what is no name.
            let theirs = theirs.filter(|it| it.parse::<SegmentName>().is_ok());
            assert_eq!(
                ours.ok().map(|it| it.to_string()).as_deref(),
                theirs,
                "{direction} of {vector}"
            );
        }
    }
}

#[test]
fn ranges_are_generated() {
    for vector in group("generate") {
        // Without a size Barman guesses that every number is a segment, and
        // so names files that cannot exist; here a size is always given.
        // Servers before 9.3, which skip the last segment, are none of ours.
        let old = vector["version"].as_u64().is_some_and(|it| it < 90_300);
        let ends = segment(&vector["begin"]).zip(segment(&vector["end"]));
        let (Some(size), Some(ends), false) = (size(&vector["size"]), ends, old) else { continue };
        let ours = SegmentRange::new(ends.0, ends.1, size);
        if !is_of(ends.0, size) || !is_of(ends.1, size) {
            assert!(ours.is_err(), "{vector}");
            continue;
        }
        let ours = ours.ok().map(|it| it.map(|it| it.to_string()).collect::<Vec<_>>());
        let theirs = vector["out"]["ok"].as_array();
        let theirs = theirs.map(|it| it.iter().map(|it| text(it).to_owned()).collect::<Vec<_>>());
        assert_eq!(ours, theirs, "{vector}");
    }
}

#[test]
fn positions_are_parsed() {
    for vector in group("lsn") {
        let given = text(&vector["in"]);
        let ours = given.parse::<Lsn>().ok().map(Lsn::bytes);
        // Barman reads either half as Python reads a hexadecimal number:
        // signs, blanks, `0x`, underscores, any length.
        let halves: Vec<&str> = given.split('/').collect();
        let strict = halves.len() == 2
            && halves.iter().all(|it| {
                (1..=8).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_hexdigit())
            });
        let theirs = vector["num"]["ok"].as_u64().filter(|_| strict);
        assert_eq!(ours, theirs, "{vector}");
    }
}

#[test]
fn positions_are_formatted() {
    for vector in group("lsn_format") {
        let Some(bytes) = vector["in"].as_u64() else {
            continue; // Below zero or beyond 64 bits there is no position.
        };
        assert_eq!(Lsn::new(bytes).to_string(), text(&vector["out"]), "{vector}");
    }
}

#[test]
fn positions_lie_in_files() {
    for vector in group("lsn_to_name") {
        let timeline = vector["tli"].as_u64().and_then(|it| u32::try_from(it).ok());
        let timeline = timeline.and_then(TimelineId::new);
        let lsn = text(&vector["lsn"]).parse::<Lsn>().ok();
        // Barman computes with timelines and positions that cannot be.
        let (Some(lsn), Some(size), Some(timeline)) = (lsn, size(&vector["size"]), timeline) else {
            continue;
        };
        let name = SegmentName::containing(lsn, timeline, size);
        assert_eq!(name.to_string(), text(&vector["out"]["file_name"]), "{vector}");
        assert_eq!(lsn.offset(size), number(&vector["out"]["file_offset"]), "{vector}");
        assert_eq!(name.position(lsn.offset(size), size).unwrap(), lsn, "{vector}");
    }
}

/// What a server reads: digits, and a position of two halves; blanks around
/// them. Barman reads numbers as Python does: signs, underscores, digits of
/// every script, any length.
fn is_strict(line: &str) -> bool {
    let fields: Vec<&str> = line.trim_ascii().splitn(3, '\t').map(str::trim_ascii).collect();
    let [timeline, switch, _] = fields.as_slice() else { return false };
    timeline.bytes().all(|it| it.is_ascii_digit())
        && timeline.parse::<u32>().is_ok()
        && switch.parse::<Lsn>().is_ok()
}

/// What Python takes for a blank at the end of a line.
fn python_trimmed(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

#[test]
fn histories_are_read() {
    for vector in group("history") {
        let content = text(&vector["text"]);
        let lines = content.lines().map(str::trim_ascii);
        let lines: Vec<&str> = lines.filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
        let theirs = vector["out"]["ok"].as_array();
        let own = theirs.map_or(4, |it| number(&it[0][0]));
        let own = TimelineId::new(u32::try_from(own).unwrap()).unwrap();
        let ours = History::parse(own, content.as_bytes());
        if !lines.iter().all(|it| is_strict(it)) {
            assert!(ours.is_err(), "{vector}");
            continue;
        }
        // A reason may hold tabs: the name of a restore point may.
        let tabs = lines.iter().any(|it| it.matches('\t').count() > 2);
        let Some(theirs) = theirs else {
            assert!(ours.is_err() || tabs, "{vector}");
            continue;
        };
        let parents: Vec<u64> = theirs.iter().map(|it| number(&it[1])).collect();
        let switches: Vec<u64> = theirs.iter().map(|it| number(&it[2])).collect();
        // The server refuses histories that do not ascend; Barman does not look.
        let ascends =
            |it: &[u64], equal| it.windows(2).all(|it| it[0] < it[1] || equal && it[0] == it[1]);
        let is_parent = |it: &u64| *it > 0 && *it < u64::from(own.get());
        let sound = ascends(&parents, false) && parents.iter().all(is_parent);
        if !sound || !ascends(&switches, true) {
            assert!(ours.is_err(), "{vector}");
            continue;
        }
        let ours = ours.unwrap_or_else(|error| panic!("{vector}: {error}"));
        assert_eq!(ours.entries().len(), theirs.len(), "{vector}");
        for (ours, theirs) in ours.entries().iter().zip(theirs) {
            assert_eq!(u64::from(ours.timeline.get()), number(&theirs[1]), "{vector}");
            assert_eq!(ours.switch.bytes(), number(&theirs[2]), "{vector}");
            let reason = str::from_utf8(&ours.reason).unwrap();
            assert_eq!(python_trimmed(reason), text(&theirs[3]), "{vector}");
        }
    }
}

#[test]
fn an_archive_is_usable_or_not() {
    for vector in group("archive_usable") {
        let names: Vec<&str> = vector["wals"].as_array().unwrap().iter().map(text).collect();
        let theirs = vector["out"]["error"].is_null();
        let timeline = match &vector["timeline"] {
            Value::Null => None,
            // Text is no timeline; the type says so already.
            Value::Number(it) => {
                // There are 2^32 - 1 timelines; Barman counts on.
                let number = it.as_u64().and_then(|it| u32::try_from(it).ok());
                let Some(timeline) = number.and_then(TimelineId::new) else { continue };
                Some(timeline)
            }
            _ => continue,
        };
        // Barman knows no endings of compressions.
        let compressed =
            |it: &&str| FileName::parse(it).is_none() && FileName::parse_compressed(it).is_some();
        if names.iter().any(|it| is_sloppy(it)) {
            assert!(check_archive_usable(names, timeline).is_err(), "{vector}");
        } else if timeline.is_none() || !names.iter().any(compressed) {
            assert_eq!(check_archive_usable(names, timeline).is_ok(), theirs, "{vector}");
        }
    }
}

#[test]
fn target_timelines_are_read() {
    for vector in group("target_tli") {
        let given = text(&vector["in"]);
        let ours = given.parse::<TargetTimeline>().ok().map(|it| it.to_string());
        let theirs = match &vector["out"]["ok"] {
            Value::Null => None,
            Value::String(it) => Some(it.clone()),
            other => Some(other.to_string()),
        };
        // There are 2^32 - 1 timelines, written in digits; Barman takes 0,
        // nothing, any number, and digits of every script.
        let timeline = !given.is_empty() && given.bytes().all(|it| it.is_ascii_digit());
        let can_be = timeline && given.parse::<u32>().is_ok_and(|it| it > 0);
        let theirs = theirs.filter(|_| can_be || ["current", "latest"].contains(&given));
        assert_eq!(ours, theirs, "{vector}");
    }
}

#[test]
fn files_lie_in_the_directories_of_an_archive() {
    for vector in group("xlogdb") {
        let entry = &vector["out"]["ok"];
        let Some(path) = entry["relpath"]["ok"].as_str() else { continue };
        let name = text(&entry["name"]);
        if is_sloppy(name) {
            assert_eq!(FileName::parse(name), None, "{vector}");
            continue;
        }
        let file = FileName::parse(name).unwrap_or_else(|| panic!("{vector}"));
        let directory = file.directory();
        // We write capitals, as PostgreSQL does; Barman keeps what was there.
        let ours =
            if directory.is_empty() { file.to_string() } else { format!("{directory}/{file}") };
        assert!(ours.eq_ignore_ascii_case(path), "{ours}: {vector}");
    }
}
