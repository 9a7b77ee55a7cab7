use hayloft_postgres::wal::SegmentSize;
use proptest::prelude::*;

use super::*;

#[test]
fn files_of_barmans_are_read_and_written_as_barman_does() {
    for case in crate::catalogue::tests::vectors("backup_info") {
        let text = case["in"].as_str().unwrap();
        let info = BackupInfo::parse(text);
        let expected = &case["out"]["ok"];
        if expected.is_null() {
            assert_eq!(info.unwrap_err().kind(), ErrorKind::CORRUPT, "{text}");
            continue;
        }
        let info = info.unwrap();
        assert_eq!(info.to_string(), expected["saved"].as_str().unwrap(), "{text}");
        assert_eq!(info.kind().name(), expected["type"].as_str().unwrap(), "{text}");
        let major = info.version.map(ServerVersion::major_text);
        assert_eq!(major.as_deref(), expected["major"].as_str(), "{text}");
    }
}

#[test]
fn what_others_have_written_stays() {
    // Barman cannot read a file with a key that it does not know.
    let text = "status=DONE\nzone_of_the_future=[1, 2\nafter=\nparent_backup_id=None\n";
    let info = BackupInfo::parse(text).unwrap();
    assert_eq!(info.status, Status::Done);
    let again = info.to_string();
    assert!(again.contains("\nzone_of_the_future=[1, 2\n"), "{again}");
    assert!(again.starts_with("after=\n"), "{again}");
    assert_eq!(BackupInfo::parse(&again).unwrap(), info);
}

#[test]
fn what_makes_no_sense_is_named_with_its_line() {
    let cases = [
        ("status=DONE\nsize=many\n", "line 2 makes no sense: size: `many` is no number"),
        ("status=MAYBE\n", "line 1 makes no sense: status: `MAYBE` is no status of a backup"),
        ("\n# x\nbegin_xlog=5\n", "line 3 makes no sense: begin_xlog: `5` is no position"),
        ("tablespaces=[(1, 2)]\n", "`[(1, 2)]` is no list of tablespaces"),
        ("backup_label=a\n", "`a` is no value of Python's"),
        ("timeline=0\n", "`0` is no timeline"),
        ("xlog_segment_size=5\n", "line 1"),
        ("begin_time=yesterday\n", "`yesterday` is no time"),
        ("children_backup_ids=20260101T000000,x\n", "`x` is no id of a backup"),
        ("x", "line 1 makes no sense: there is no `=` in it"),
    ];
    for (text, expected) in cases {
        let error = BackupInfo::parse(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.kind(), ErrorKind::CORRUPT);
    }
}

#[test]
fn a_message_of_several_lines_takes_one() {
    let info = BackupInfo {
        error: Some("it\nfailed = so".to_owned()),
        backup_label: Some("START\nEND\n".to_owned()),
        ..BackupInfo::default()
    };
    let again = BackupInfo::parse(&info.to_string()).unwrap();
    assert_eq!(again.error.as_deref(), Some("it failed = so"));
    assert_eq!(again.backup_label, info.backup_label);
}

#[test]
fn the_mode_tells_the_kind() {
    let parent = "20260101T000000".parse().ok();
    let cases = [
        (None, None, "full"),
        (Some("postgres"), None, "full"),
        (Some("postgres"), parent, "incremental"),
        (Some("local-to-cloud-concurrent"), None, "full"),
        (Some("rsync-exclusive"), None, "rsync"),
        (Some("local-rsync-concurrent"), None, "rsync"),
        (Some("snapshot-concurrent"), parent, "snapshot"),
    ];
    for (mode, parent_backup_id, expected) in cases {
        let mode = mode.map(ToOwned::to_owned);
        let info = BackupInfo { mode, parent_backup_id, ..BackupInfo::default() };
        assert_eq!(info.kind().name(), expected);
    }
}

prop_compose! {
    fn infos()(
        label in proptest::option::of(any::<String>()),
        name in proptest::option::of("[a-z]{1,9}"),
        begin in proptest::option::of(any::<u64>()),
        size in proptest::option::of(any::<u64>()),
        oid: u32, location: String, files in proptest::option::of(prop::collection::vec(any::<String>(), 0..3)),
        exponent in 20_u32..=30, status in 0..Status::ALL.len(), timeline: u32, version in 90_000_u32..190_000,
        error in proptest::option::of("[ -~]{1,20}[!-~]".prop_map(|it| format!("!{it}"))),
    ) -> BackupInfo {
        BackupInfo {
            backup_label: label,
            backup_name: name,
            begin_xlog: begin.map(Lsn::new),
            size,
            tablespaces: Some(vec![Tablespace { name: location.clone(), oid, location }]),
            included_files: files,
            xlog_segment_size: SegmentSize::new(1 << exponent).unwrap(),
            status: Status::ALL[status],
            timeline: TimelineId::new(timeline),
            version: Some(ServerVersion::from_number(version)),
            error,
            ..BackupInfo::default()
        }
    }
}

proptest! {
    #[test]
    fn every_file_comes_back(info in infos()) {
        let text = info.to_string();
        prop_assert_eq!(BackupInfo::parse(&text).unwrap(), info);
        let mut lines: Vec<&str> = text.lines().collect();
        let written = lines.clone();
        lines.sort_unstable();
        prop_assert_eq!(lines, written);
    }

    #[test]
    fn no_file_does_harm(text in "((begin_time|tablespaces|size|version|timeline|x)=.{0,20}\n){0,5}|.{0,50}") {
        if let Ok(info) = BackupInfo::parse(&text) {
            prop_assert_eq!(BackupInfo::parse(&info.to_string()).unwrap(), info);
        }
    }
}
