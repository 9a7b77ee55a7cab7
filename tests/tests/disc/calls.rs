//! Which programs are called, how, and in which order.

use crate::bench::{Bench, TODAY};

const CD: &str = "<media_type>cdrw-80</media_type><target_device>$SANDBOX/drive</target_device>";
const DVD: &str = "<media_type>dvd+rw</media_type><device_type>dvdwriter</device_type>\
                   <target_device>$SANDBOX/drive</target_device>";

const TRAY: [&str; 3] = ["eject drive", "eject -t drive", "eject -i off drive"];
const GRAFT: &str = "2026/11/17/=staging/2026/11/17";
const LABEL: &str = "-V CEDAR BACKUP 17-NOV-2026";

/// The calls for a CD, with what is after `dev=`.
fn cd(device: &str, append: bool, blank: bool) -> Vec<String> {
    let onto = if append { "-C 0,16544 -M drive " } else { "" };
    let mut calls = vec![format!("cdrecord -prcap dev={device}")];
    if append {
        calls.push(format!("cdrecord -msinfo dev={device}"));
    }
    calls.push(format!("mkisofs {LABEL} -print-size -graft-points -r {onto}{GRAFT}"));
    calls.push(format!("mkisofs {LABEL} -graft-points -r -o working/IMAGE {onto}{GRAFT}"));
    if blank {
        calls.push(format!("cdrecord -v blank=fast dev={device}"));
        calls.extend(TRAY.map(str::to_owned));
    }
    calls.push(format!("cdrecord -v dev={device} -multi -data working/IMAGE"));
    calls.extend(TRAY.map(str::to_owned));
    calls
}

fn check(store: &str, arguments: &[&str], prepare: impl Fn(&mut Bench), expected: &[String]) {
    let mut bench = Bench::recorded(store);
    bench.staged(TODAY);
    prepare(&mut bench);
    bench.ok(arguments);
    assert_eq!(bench.calls(), expected, "{store} {arguments:?}");
    assert!(bench.is_stored(TODAY));
    bench.is_tidy();
}

#[test]
fn a_cd_is_appended_to_during_the_week_and_begun_anew_with_the_week_or_full() {
    check(CD, &["store"], |_| {}, &cd("drive", true, false));
    check(CD, &["--full", "store"], |_| {}, &cd("drive", false, true));
    let monday = |bench: &mut Bench| {
        // Monday's run stores what Tuesday, in another time zone, has staged.
        bench.at("2026-11-16T02:00:00");
    };
    let sunday = cd("drive", false, true);
    let labelled: Vec<String> = sunday.iter().map(|it| it.replace("17-NOV", "16-NOV")).collect();
    check(CD, &["store"], monday, &labelled);
    let once = CD.replace("cdrw-80", "cdr-74");
    check(&once, &["--full", "store"], |_| {}, &cd("drive", false, false));
}

#[test]
fn a_scsi_address_a_speed_and_a_drive_without_sessions_change_the_words() {
    let scsi = format!("{CD}<target_scsi_id>ATA:1,0,0</target_scsi_id>");
    check(&scsi, &["store"], |_| {}, &cd("ATA:1,0,0", true, false));
    let fast = format!("{CD}<drive_speed>4</drive_speed>");
    let at_speed = |it: &String| it.replace("cdrecord -v dev", "cdrecord -v speed=4 dev");
    let expected: Vec<String> = cd("drive", true, false).iter().map(at_speed).collect();
    check(&fast, &["store"], |_| {}, &expected);
    let simple = cd("drive", false, false);
    let expected: Vec<String> = simple
        .iter()
        .filter(|it| **it != TRAY[0] && **it != TRAY[1])
        .map(|it| it.replace(" -multi", ""))
        .collect();
    check(CD, &["store"], |it| it.tell("prcap", "Device type : CD-ROM\n"), &expected);
}

#[test]
fn a_disc_without_sessions_is_written_from_its_beginning() {
    let blank = |bench: &mut Bench| bench.tell("blank", "");
    let mut expected = cd("drive", false, false);
    expected.insert(1, "cdrecord -msinfo dev=drive".to_owned());
    check(CD, &["store"], blank, &expected);
    let nothing = |bench: &mut Bench| bench.tell("msinfo", "");
    check(CD, &["store"], nothing, &expected);
}

#[test]
fn no_eject_leaves_the_tray_closed_but_unlocks_it() {
    let store = format!("{CD}<no_eject>Y</no_eject>");
    let calls = cd("drive", true, false);
    let expected: Vec<String> =
        calls.into_iter().filter(|it| *it != TRAY[0] && *it != TRAY[1]).collect();
    check(&store, &["store"], |_| {}, &expected);
}

#[test]
fn a_tray_that_does_not_open_is_unlocked_once() {
    let mut expected = cd("drive", true, false);
    let at = expected.len() - TRAY.len() + 1;
    expected.insert(at, TRAY[2].to_owned());
    expected.insert(at + 1, TRAY[0].to_owned());
    check(CD, &["store"], |it| it.tell("once", "eject $SANDBOX/drive\n"), &expected);
}

#[test]
fn a_dvd_is_written_by_growisofs_alone() {
    let size = format!("mkisofs -print-size -graft-points -r {GRAFT}");
    let grow = "growisofs -use-the-force-luke=tty";
    let appended = [
        size.clone(),
        format!("{grow} -dry-run -M drive -r -graft-points working/TREE"),
        format!("{grow} -M drive {LABEL} -r -graft-points {GRAFT}"),
    ];
    let anew = [size, format!("{grow} -Z drive {LABEL} -r -graft-points {GRAFT}")];
    let with_tray = |calls: &[String]| {
        let tray = TRAY.iter().map(ToString::to_string);
        calls.iter().cloned().chain(tray).collect::<Vec<_>>()
    };
    check(DVD, &["store"], |_| {}, &with_tray(&appended));
    check(DVD, &["store"], |it| it.tell("blank", ""), &with_tray(&appended));
    check(DVD, &["--full", "store"], |_| {}, &with_tray(&anew));
    let once = DVD.replace("dvd+rw", "dvd+r");
    check(&once, &["--full", "store"], |_| {}, &with_tray(&anew));
    let fast = format!(
        "{DVD}<drive_speed>8</drive_speed><no_eject>Y</no_eject>\
         <target_scsi_id>0,0,0</target_scsi_id>"
    );
    let mut expected: Vec<String> =
        anew.iter().map(|it| it.replace(" -Z", " -speed=8 -Z")).collect();
    expected.push(TRAY[2].to_owned());
    check(&fast, &["--full", "store"], |_| {}, &expected);
}

#[test]
fn blanking_by_factor_asks_for_room_and_size_first() {
    let blank = |mode: &str, factor: &str| {
        format!("{CD}<blank_behavior><mode>{mode}</mode><factor>{factor}</factor></blank_behavior>")
    };
    let asked = [
        "cdrecord -prcap dev=drive".to_owned(),
        "cdrecord -msinfo dev=drive".to_owned(),
        format!("mkisofs -print-size -graft-points -r {GRAFT}"),
    ];
    let with = |rest: Vec<String>| {
        asked.iter().cloned().chain(rest.into_iter().skip(1)).collect::<Vec<_>>()
    };
    // (358400 - 16544 - 6900) sectors are free for 1000: 334.9 times as many.
    let tight = blank("daily", "335");
    check(&tight, &["store"], |_| {}, &with(cd("drive", false, true)));
    let roomy = blank("daily", "334");
    check(&roomy, &["store"], |_| {}, &with(cd("drive", true, false)));
    // Not the first day of the week.
    check(&blank("weekly", "335"), &["store"], |_| {}, &cd("drive", true, false));
    check(&blank("daily", "0"), &["--full", "store"], |_| {}, &cd("drive", false, true));
}

#[test]
fn the_label_is_read_before_anything_is_written() {
    let store = format!("{CD}<check_media>Y</check_media>");
    let mut expected = cd("drive", true, false);
    expected.insert(0, "volname drive".to_owned());
    let label = |bench: &mut Bench| bench.tell("label", "CEDAR BACKUP 10-NOV-2026        \n");
    check(&store, &["store"], label, &expected);
    let bench = Bench::recorded(&store);
    bench.staged(TODAY);
    bench.tell("label", "HOLIDAYS\n");
    bench.run(&["store"]).exits(1).complains("its label is \"HOLIDAYS\"");
    assert_eq!(bench.calls(), ["volname drive"]);
    assert!(!bench.is_stored(TODAY));
}

#[test]
fn what_was_written_is_mounted_and_compared() {
    let store = format!("{CD}<check_data>Y</check_data>");
    let good = |bench: &Bench| {
        bench.sandbox.write("bin/disc/2026/11/17/box/etc.tar.gz", "files of 2026/11/17");
        bench.sandbox.write("bin/disc/2026/11/17/cback.stage", "");
    };
    let mut expected = cd("drive", true, false);
    expected.push("mount -t iso9660 drive working/MOUNT".to_owned());
    check(&store, &["store"], |it| good(it), &expected);
    let bench = Bench::recorded(&store);
    bench.staged(TODAY);
    good(&bench);
    bench.sandbox.write("bin/disc/2026/11/17/box/etc.tar.gz", "other");
    bench
        .run(&["store"])
        .exits(1)
        .complains("2026/11/17/box/etc.tar.gz has other content on the disc");
    assert!(!bench.is_stored(TODAY));
    bench.is_tidy();
}

#[test]
fn initialize_erases_and_labels_an_empty_disc() {
    let bench = Bench::recorded(CD);
    bench.ok(&["initialize"]).says("labelled CEDAR BACKUP 17-NOV-2026");
    let graft = "CedarBackup/=working/TREE";
    let size = format!("mkisofs {LABEL} -print-size -graft-points -r {graft}");
    let image = format!("mkisofs {LABEL} -graft-points -r -o working/IMAGE {graft}");
    let expected = [
        &["cdrecord -prcap dev=drive"][..],
        &TRAY,
        &[&size, &image, "cdrecord -v blank=fast dev=drive"],
        &TRAY,
        &["cdrecord -v dev=drive -multi -data working/IMAGE"],
        &TRAY,
    ]
    .concat();
    assert_eq!(bench.calls(), expected);
    bench.is_tidy();
    let once = Bench::recorded(&CD.replace("cdrw", "cdr"));
    once.run(&["initialize"]).exits(1).complains("a disc of the kind cdr-80 cannot be");
    assert_eq!(once.calls(), [""; 0]);
}

#[test]
fn rebuild_writes_the_week_so_far_as_one_new_disc() {
    let mut bench = Bench::recorded(CD);
    bench.at("2026-11-19T02:00:00");
    for day in ["2026/11/15", "2026/11/16", "2026/11/17", "2026/11/19"] {
        bench.staged(day);
    }
    bench.sandbox.write("staging/2026/11/18/box/a", "not staged well");
    bench.sandbox.write("staging/2026/11/16/cback.store", "");
    bench.ok(&["rebuild"]);
    let calls = bench.calls();
    let days = ["16", "17", "19"].map(|it| format!("2026/11/{it}/=staging/2026/11/{it}"));
    let label = "-V CEDAR BACKUP 19-NOV-2026";
    assert_eq!(
        calls[1],
        format!("mkisofs {label} -print-size -graft-points -r {}", days.join(" "))
    );
    assert!(calls.contains(&"cdrecord -v blank=fast dev=drive".to_owned()));
    for (day, stored) in [("15", false), ("16", true), ("17", true), ("18", false), ("19", true)] {
        assert_eq!(bench.is_stored(&format!("2026/11/{day}")), stored, "{day}");
    }
}

#[test]
fn capacity_warns_when_the_disc_is_nearly_full() {
    let with = |limit: &str| {
        let more = format!("<capacity>{limit}</capacity>");
        let bench = Bench::recorded(CD);
        let text = bench.sandbox.read("hayloft.xml");
        bench.sandbox.write("hayloft.xml", &text.replace("</cb_config>", &(more + "</cb_config>")));
        bench
    };
    let cases = [
        ("<max_percentage>4.70</max_percentage>", 7),
        ("<max_percentage>4.71</max_percentage>", 0),
        ("<min_bytes>700 MB</min_bytes>", 7),
        ("<min_bytes>600 MB</min_bytes>", 0),
    ];
    for (limit, code) in cases {
        let bench = with(limit);
        let output = bench.run(&["capacity"]).exits(code);
        assert_eq!(
            bench.calls(),
            ["cdrecord -prcap dev=drive", "cdrecord -msinfo dev=drive"],
            "{limit}"
        );
        output.says("32.31 MB of 686.52 MB in use (4.71 %)");
    }
}

#[test]
fn a_dry_run_calls_nothing() {
    for arguments in
        [&["--dry-run", "store"][..], &["--dry-run", "rebuild"], &["--dry-run", "initialize"]]
    {
        let bench = Bench::recorded(CD);
        bench.staged(TODAY);
        bench.ok(arguments).says("would");
        assert_eq!(bench.calls(), [""; 0]);
        assert!(!bench.is_stored(TODAY));
    }
}
