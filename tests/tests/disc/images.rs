//! Real images in files, made and read by real programs.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
};

use crate::bench::{Bench, TODAY};

const FILE: &str = "<media_type>dvd+rw</media_type><device_type>dvdwriter</device_type>\
                    <target_device>$SANDBOX/disc.iso</target_device><check_data>Y</check_data>";

/// Stages a day with names and files of all kinds.
fn staged_oddly(bench: &Bench, day: &str) {
    bench.staged(day);
    let directory = bench.sandbox.path(format!("staging/{day}/box"));
    let names: [&[u8]; 6] = [
        b"new\nline.tar",
        b"latin \xe9.tar",
        "caf\u{e9}.tar".as_bytes(),
        b"a=b\\c.tar",
        &[b'x'; 250],
        b"-o",
    ];
    for name in names {
        fs::write(directory.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(directory.join("large"), vec![7; 3 << 20]).unwrap();
    fs::write(directory.join("empty"), "").unwrap();
    fs::create_dir(directory.join("nothing")).unwrap();
    symlink("large", directory.join("link")).unwrap();
}

#[test]
fn a_file_becomes_an_image_that_grows_by_a_day_at_a_time() {
    let mut bench = Bench::real(FILE);
    bench.sandbox.write("disc.iso", "");
    for (day, now) in [("16", "Monday"), ("17", "Tuesday"), ("18", "Wednesday")] {
        let day = format!("2026/11/{day}");
        staged_oddly(&bench, &day);
        bench.at(&format!("{}T02:00:00", day.replace('/', "-")));
        let output = bench.ok(&["store"]);
        let how = if now == "Monday" { "as a new disc" } else { "behind what was" };
        output.says(how).says("checked");
        assert!(bench.is_stored(&day));
    }
    assert_eq!(bench.days_on_image("disc.iso"), ["2026/11/16", "2026/11/17", "2026/11/18"]);
    for day in ["2026/11/16", "2026/11/17", "2026/11/18"] {
        bench.same_on_image("disc.iso", day);
    }
    bench.is_tidy();
    // The next week begins anew.
    bench.at("2026-11-23T02:00:00");
    bench.staged("2026/11/23");
    bench.ok(&["store"]);
    assert_eq!(bench.days_on_image("disc.iso"), ["2026/11/23"]);
    bench.same_on_image("disc.iso", "2026/11/23");
}

#[test]
fn all_kinds_of_discs_can_be_files() {
    for (media, device) in [("cdr-74", "cdwriter"), ("cdrw-80", "cdwriter"), ("dvd+r", "dvdwriter")]
    {
        let bench = Bench::real(&format!(
            "<media_type>{media}</media_type><device_type>{device}</device_type>\
             <target_device>$SANDBOX/disc.iso</target_device>"
        ));
        // It is created, since its name says what it is.
        bench.staged("2026/11/16");
        bench.ok(&["store"]);
        bench.staged(TODAY);
        bench.ok(&["store"]);
        bench.same_on_image("disc.iso", "2026/11/16");
        bench.same_on_image("disc.iso", TODAY);
        let mode = fs::metadata(bench.sandbox.path("disc.iso")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn the_file_keeps_its_mode_and_may_be_behind_a_link() {
    let bench = Bench::real(&FILE.replace("disc.iso", "link"));
    let file = bench.sandbox.write("elsewhere/disc", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("elsewhere/disc", bench.sandbox.path("link")).unwrap();
    bench.staged(TODAY);
    bench.ok(&["store"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(bench.sandbox.path("link").is_symlink());
    bench.same_on_image("elsewhere/disc", TODAY);
    assert_eq!(bench.sandbox.names("elsewhere"), ["disc"]);
}

#[test]
fn initialize_labels_a_file_and_other_labels_are_refused() {
    let bench = Bench::real(&format!("{FILE}<check_media>Y</check_media>"));
    bench.sandbox.write("disc.iso", "");
    bench.staged(TODAY);
    bench.run(&["store"]).exits(1).complains("has not been initialized");
    assert_eq!(bench.sandbox.read("disc.iso"), "");
    bench.ok(&["initialize"]);
    bench.ok(&["store"]);
    bench.same_on_image("disc.iso", TODAY);
    bench.sandbox.write("holidays/photo", "beach");
    let made = std::process::Command::new("genisoimage")
        .args(["-quiet", "-V", "HOLIDAYS", "-o"])
        .args([bench.sandbox.path("disc.iso"), bench.sandbox.path("holidays")])
        .status();
    assert!(made.unwrap().success());
    let before = fs::read(bench.sandbox.path("disc.iso")).unwrap();
    bench.run(&["--full", "store"]).exits(1).complains("its label is \"HOLIDAYS\"");
    assert_eq!(fs::read(bench.sandbox.path("disc.iso")).unwrap(), before);
}

#[test]
fn a_file_that_is_no_image_is_not_written_over() {
    let bench = Bench::real(FILE);
    bench.sandbox.write("disc.iso", "the only copy of my thesis");
    bench.staged(TODAY);
    for arguments in [&["store"][..], &["--full", "store"], &["initialize"], &["rebuild"]] {
        bench.run(arguments).exits(1).complains("neither empty nor an ISO 9660 image");
    }
    assert_eq!(bench.sandbox.read("disc.iso"), "the only copy of my thesis");
    bench.is_tidy();
}

#[test]
fn rebuild_and_capacity_work_on_files() {
    let mut bench = Bench::real(FILE);
    bench.at("2026-11-18T02:00:00");
    for day in ["16", "17", "18"] {
        staged_oddly(&bench, &format!("2026/11/{day}"));
    }
    bench.ok(&["rebuild"]).says("2026/11/16, 2026/11/17, 2026/11/18 written");
    assert_eq!(bench.days_on_image("disc.iso"), ["2026/11/16", "2026/11/17", "2026/11/18"]);
    bench.same_on_image("disc.iso", "2026/11/18");
    let text = bench.sandbox.read("hayloft.xml");
    let limit = "<capacity><max_percentage>0.1</max_percentage></capacity></cb_config>";
    bench.sandbox.write("hayloft.xml", &text.replace("</cb_config>", limit));
    bench.run(&["capacity"]).exits(7).says("of 4.40 GB in use");
}

#[test]
fn xorriso_stands_in_for_everything() {
    let overrides =
        "<override><command>cdrecord</command><abs_path>/usr/bin/xorriso</abs_path></override>
         <override><command>mkisofs</command><abs_path>/usr/bin/xorriso</abs_path></override>";
    let store = "<media_type>cdrw-80</media_type><check_data>Y</check_data><no_eject>Y</no_eject>\
                 <target_device>$SANDBOX/disc.iso</target_device>";
    let mut bench = Bench::new(overrides, store, "");
    bench.sandbox.write("disc.iso", "");
    bench.at("2026-11-16T02:00:00");
    staged_oddly(&bench, "2026/11/16");
    let first = bench.run(&["store"]);
    assert!(bench.is_stored("2026/11/16"), "{first}");
    bench.at("2026-11-17T02:00:00");
    staged_oddly(&bench, TODAY);
    let second = bench.run(&["store"]);
    assert!(bench.is_stored(TODAY), "{second}");
    bench.same_on_image("disc.iso", "2026/11/16");
    bench.same_on_image("disc.iso", TODAY);
    bench.is_tidy();
}

#[test]
fn a_drive_of_storages_takes_all_days_that_are_pending() {
    let storages = "<storages><storage><name>shelf</name><type>dvdwriter</type>\
                    <media_type>dvd+rw</media_type><check_data>Y</check_data>\
                    <target_device>$SANDBOX/disc.iso</target_device></storage>\
                    <storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root>\
                    </storage></storages>";
    let store = "<storage>shelf</storage><storage>disk</storage>";
    let bench = Bench::new("", store, storages);
    bench.sandbox.dir("objects");
    bench.sandbox.write("disc.iso", "");
    let checked = format!("{}", bench.run(&["validate"]));
    assert!(!checked.contains("shelf"), "a drive has no objects to list: {checked}");
    for day in ["2026/11/02", TODAY] {
        bench.staged(day);
    }
    bench.ok(&["store"]).says("2 days in shelf, disk: 2 files stored").says("shelf: 2026/11/02");
    assert_eq!(bench.days_on_image("disc.iso"), ["2026/11/02", TODAY]);
    assert!(bench.is_stored("2026/11/02") && bench.is_stored(TODAY));
    assert!(bench.sandbox.path("objects/2026/11/17/box/etc.tar.gz").exists());

    let text = bench.sandbox.read("hayloft.xml");
    let encrypted = text.replace("</store>", "<compressor>zstd</compressor></store>");
    bench.sandbox.write("hayloft.xml", &encrypted);
    bench.run(&["--full", "store"]).exits(1).complains("<compressor> cannot be used");
}
