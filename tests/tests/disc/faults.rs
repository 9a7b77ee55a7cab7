//! What goes wrong with discs.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::bench::{Bench, TODAY};

const CD: &str = "<media_type>cdrw-80</media_type><target_device>$SANDBOX/drive</target_device>\
                  <check_data>Y</check_data>";
const DVD: &str = "<media_type>dvd+rw</media_type><device_type>dvdwriter</device_type>\
                   <target_device>$SANDBOX/drive</target_device>";
const FILE: &str = "<media_type>dvd+rw</media_type><device_type>dvdwriter</device_type>\
                    <target_device>$SANDBOX/disc.iso</target_device><check_data>Y</check_data>";

fn fails(store: &str, arguments: &[&str], prepare: impl Fn(&Bench), complaint: &str) {
    let bench = Bench::recorded(store);
    bench.staged(TODAY);
    prepare(&bench);
    let output = bench.run(arguments);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    output.complains(complaint);
    assert!(!bench.is_stored(TODAY), "{complaint}");
    bench.is_tidy();
}

#[test]
fn every_step_that_fails_keeps_the_day_pending() {
    let steps = [
        (CD, "cdrecord -prcap", "cannot talk to the drive"),
        (CD, "mkisofs -V CEDAR BACKUP 17-NOV-2026 -print", "cannot work out the size"),
        (CD, "mkisofs -V CEDAR BACKUP 17-NOV-2026 -graft", "cannot make the image"),
        (CD, "cdrecord -v blank", "cannot erase the disc"),
        (CD, "cdrecord -v dev", "cannot write the disc"),
        (CD, "eject -t", "cannot close the tray"),
        (CD, "eject -i", "cannot unlock the tray"),
        (CD, "eject", "cannot unlock the tray"),
        (CD, "mount", "cannot mount"),
        (DVD, "mkisofs", "cannot work out the size"),
        (DVD, "growisofs", "cannot write the disc"),
    ];
    for (store, call, complaint) in steps {
        let broken = |bench: &Bench| bench.tell("fail", &format!("{call}|no medium\n"));
        fails(store, &["--full", "store"], broken, complaint);
        fails(store, &["--full", "store"], broken, "no medium");
    }
}

#[test]
fn nonsense_is_not_taken_for_an_answer() {
    let cases = [
        (CD, "msinfo", "one, two\n", "`cdrecord -msinfo` cannot be understood"),
        (CD, "size", "many\n", "`mkisofs -print-size` cannot be understood"),
        (CD, "size", "", "cannot be understood"),
        (DVD, "seek", "far away", "`growisofs -dry-run` cannot be understood"),
    ];
    for (store, file, answer, complaint) in cases {
        fails(store, &["store"], |it| it.tell(file, answer), complaint);
    }
}

#[test]
fn a_day_that_does_not_fit_is_not_begun() {
    // 358400 - 16544 - 6900 sectors are free on the CD.
    let too_large = |bench: &Bench| bench.tell("size", "334957\n");
    fails(CD, &["store"], too_large, "has too little room: the image takes 654.21 MB");
    fails(DVD, &["store"], |it| it.tell("size", "2305000\n"), "has too little room");
    let words = ":-( /dev/dvd: 894048 blocks are free, 2033746 to be written!";
    let overburn = |bench: &Bench| {
        bench.tell("fail", &format!("growisofs -use-the-force-luke=tty -Z|{words}\n"));
    };
    fails(DVD, &["--full", "store"], overburn, "2033746 sectors are needed, and 894048 are free");

    let bench = Bench::recorded(CD);
    bench.staged(TODAY);
    too_large(&bench);
    bench.run(&["store"]).exits(1);
    assert!(bench.calls().iter().all(|it| !it.contains(" -o ") && !it.contains("-data")));
}

#[test]
fn programs_that_are_missing_are_named() {
    for (store, name) in [(CD, "cdrecord"), (CD, "mkisofs"), (CD, "eject"), (DVD, "growisofs")] {
        let without =
            |bench: &Bench| fs::remove_file(bench.sandbox.path("bin").join(name)).unwrap();
        fails(store, &["--full", "store"], without, &format!("$SANDBOX/bin/{name}"));
    }
}

#[test]
fn devices_that_cannot_be_used_are_named() {
    let missing = |bench: &Bench| fs::remove_file(bench.sandbox.path("drive")).unwrap();
    fails(CD, &["store"], missing, "there is no device $SANDBOX/drive");
    let directory = |bench: &Bench| {
        missing(bench);
        bench.sandbox.dir("drive");
    };
    fails(CD, &["store"], directory, "is neither a device nor a file");
    // Something that is surely mounted; nothing is done to it.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let device = mounts.lines().filter_map(|it| it.split(' ').next()).find(|it| {
        let known = fs::metadata(it);
        known.is_ok_and(|it| !it.is_dir()) && it.starts_with("/dev/")
    });
    if let Some(device) = device {
        let mounted = |bench: &Bench| {
            missing(bench);
            symlink(device, bench.sandbox.path("drive")).unwrap();
        };
        let root = rustix::process::geteuid().is_root();
        let complaint = if root { "is mounted at" } else { "cannot write to the device" };
        fails(CD, &["store"], mounted, complaint);
    }
    let none = "<media_type>cdrw-80</media_type><target_device>/dev/no-such</target_device>";
    fails(none, &["store"], |_| {}, "there is no device /dev/no-such");
}

#[test]
fn the_configuration_must_make_sense() {
    let cases = [
        ("<target_device>$SANDBOX/drive</target_device>", "<media_type> is missing"),
        (
            "<media_type>cdrw-80</media_type><device_type>dvdwriter</device_type>\
             <target_device>$SANDBOX/drive</target_device>",
            "media",
        ),
        (
            "<media_type>cdrw-80</media_type><target_device>$SANDBOX/drive</target_device>\
             <blank_behavior><mode>daily</mode></blank_behavior>",
            "it needs both a <mode> and a <factor>",
        ),
        (
            "<media_type>cdrw-80</media_type><target_device>$SANDBOX/drive</target_device>\
             <encryptor>gpg</encryptor>",
            "<encryptor> cannot be used",
        ),
    ];
    for (store, complaint) in cases {
        fails(store, &["store"], |_| {}, complaint);
    }
}

#[test]
fn half_a_rule_for_new_discs_is_found_before_the_night() {
    let rules = [
        "<blank_behavior><mode>weekly</mode></blank_behavior>",
        "<blank_behavior><factor>1.3</factor></blank_behavior>",
    ];
    for rule in rules {
        let bench = Bench::recorded(&format!("{CD}{rule}"));
        let whole = "it needs both a <mode> and a <factor> (store/blank_behavior)";
        let check = bench.sandbox.run(&["--config", "hayloft.xml", "config", "check"]).exits(4);
        check.complains("it needs both a <mode> and a <factor>");
        let cback3 = ["cback3", "-c", "hayloft.xml", "-l", "log"];
        bench.sandbox.run(&[&cback3[..], &["validate"]].concat()).exits(4).says(whole);
        bench.staged(TODAY);
        let output = bench.sandbox.run(&[&cback3[..], &["store"]].concat()).exits(6);
        output.says("Error executing backup: hayloft.xml:").says(whole);
        assert_eq!(bench.calls(), [""; 0]);
    }
}

#[test]
fn days_are_chosen_around_midnight_and_older_ones_are_not_forgotten() {
    let bench = Bench::recorded(&CD.replace("<check_data>Y</check_data>", ""));
    bench.run(&["store"]).exits(1).complains("is staged and pending");
    bench.run(&["rebuild"]).exits(1).complains("no day of this week");
    for day in ["2026/11/10", "2026/11/12", "2026/11/16"] {
        bench.staged(day);
    }
    bench.sandbox.write("staging/2026/11/12/cback.store", "");
    let output = bench.run(&["store"]).exits(7);
    assert!(bench.is_stored("2026/11/16") && !bench.is_stored("2026/11/10"));
    let told = format!("{output}");
    assert!(told.contains("on no disc and will not be stored: 2026/11/10;"), "{told}");
    assert!(!told.contains("is not today's day"), "nobody asked for that: {told}");

    let warn = CD.replace("<check_data>Y</check_data>", "<warn_midnite>Y</warn_midnite>");
    let bench = Bench::recorded(&warn);
    bench.staged("2026/11/18");
    let told = format!("{}", bench.run(&["store"]).exits(7));
    assert!(told.contains("2026/11/18 is not today's day"), "{told}");
    assert!(bench.is_stored("2026/11/18"));
}

#[test]
fn a_check_that_fails_leaves_the_file_as_it_was() {
    // An mkisofs that loses a file: it is told to leave archives out.
    let overrides = "<override><command>mkisofs</command>\
                     <abs_path>$SANDBOX/forgetful</abs_path></override>";
    let bench = Bench::new(overrides, FILE, "");
    bench.sandbox.script("forgetful", "#!/bin/sh\nexec genisoimage -m '*.gz' \"$@\"\n");
    bench.staged(TODAY);
    bench.run(&["store"]).exits(1).complains("box/etc.tar.gz is not on the disc");
    assert!(!bench.sandbox.path("disc.iso").exists() && !bench.is_stored(TODAY));
    bench.is_tidy();
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let bench = Bench::real(FILE);
    bench.staged("2026/11/16");
    bench.ok(&["store"]);
    let before = fs::read(bench.sandbox.path("disc.iso")).unwrap();
    bench.sandbox.write("staging/2026/11/17/box/large", &"hay ".repeat(1 << 20));
    bench.staged(TODAY);
    // Files may not grow beyond a megabyte.
    let mut command = Command::new("sh");
    command.current_dir(bench.sandbox.path("")).args(["-c", "ulimit -f 1024; exec \"$@\"", "sh"]);
    let run = bench.sandbox.command(&["--config", "hayloft.xml", "run", "store"]);
    command.arg(run.get_program()).args(run.get_args());
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert_eq!(fs::read(bench.sandbox.path("disc.iso")).unwrap(), before);
    assert!(!bench.is_stored(TODAY));
    bench.is_tidy();
}

/// Waits until the recorder hangs.
fn hanging(bench: &Bench) -> String {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        if let Ok(process) = fs::read_to_string(bench.sandbox.path("bin/hanging"))
            && process.ends_with('\n')
        {
            return process.trim().to_owned();
        }
        assert!(Instant::now() < until, "it never came to that");
        thread::sleep(Duration::from_millis(20));
    }
}

fn begun(bench: &Bench, call: &str) -> (Child, String) {
    bench.staged(TODAY);
    bench.tell("hang", &format!("{call}\n"));
    let child = bench.sandbox.spawn(&["--config", "hayloft.xml", "run", "store"]);
    (child, hanging(bench))
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

#[test]
fn an_interrupted_burn_leaves_nothing_behind() {
    for call in ["cdrecord -v dev", "mkisofs -V CEDAR BACKUP 17-NOV-2026 -graft", "eject -t"] {
        let bench = Bench::recorded(CD);
        let (child, burning) = begun(&bench, call);
        signal("-INT", &child.id().to_string());
        bench.sandbox.wait(child).exits(5);
        assert!(!bench.is_stored(TODAY));
        bench.is_tidy();
        assert!(!std::path::Path::new(&format!("/proc/{burning}")).exists(), "{call} goes on");
    }
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next_one() {
    let bench = Bench::recorded(&CD.replace("<check_data>Y</check_data>", ""));
    let (mut child, burning) = begun(&bench, "cdrecord -v dev");
    let worker = fs::read_to_string(format!("/proc/{burning}/stat")).unwrap();
    let worker = worker.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().to_owned();
    signal("-KILL", &worker);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(Command::new("kill").args(["-KILL", &burning]).status());
    let until = Instant::now() + Duration::from_mins(1);
    let stat = format!("/proc/{worker}/stat");
    while fs::read_to_string(&stat).is_ok_and(|it| !it.contains(") Z ")) {
        assert!(Instant::now() < until, "the worker lives on");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(bench.sandbox.names("working").iter().any(|it| it.starts_with(".hayloft-disc-image")));
    assert!(!bench.is_stored(TODAY));
    fs::remove_file(bench.sandbox.path("bin/hang")).unwrap();
    bench.ok(&["store"]);
    assert!(bench.is_stored(TODAY));
    bench.is_tidy();
}
