//! Days are spread over several discs.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
};

use hayloft_tests::Output;

use crate::bench::{Bench, TODAY};

const CD: &str = "<media_type>cdr-74</media_type><target_device>$SANDBOX/drive</target_device>";
const FILE: &str = "<media_type>cdr-74</media_type><target_device>$SANDBOX/disc.iso\
                    </target_device><check_data>Y</check_data>";
/// Leaves 681,574 bytes of a disc.
const CUSHION: &str = "99.9";

/// Runs the command with lines typed at the keyboard, then the input ends.
fn span(bench: &Bench, arguments: &[&str], lines: &[&str]) -> Output {
    let mut command = bench.sandbox.command(arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text: String = lines.iter().flat_map(|it| [*it, "\n"]).collect();
    // It may end before it has read everything.
    drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
    bench.sandbox.wait(child)
}

fn asked(bench: &Bench, lines: &[&str]) -> Output {
    span(bench, &["--config", "hayloft.xml", "span"], lines)
}

/// Stages days with files of 300,000 bytes, three of them each.
fn staged(bench: &Bench, days: &[&str]) {
    for (at, day) in (0_u8..).zip(days) {
        bench.staged(day);
        for n in 0..3 {
            let path = bench.sandbox.path(format!("staging/{day}/box/part{n}"));
            fs::write(path, vec![at * 3 + n; 300_000]).unwrap();
        }
    }
}

/// The answers up to the first disc.
const TALK: [&str; 7] = ["", "y", "Y", CUSHION, "", "first", ""];

#[test]
fn the_questions_come_in_their_order_and_every_disc_is_labelled() {
    let bench = Bench::recorded(CD);
    staged(&bench, &[TODAY]);
    let answers = [&TALK[..6], &["n", "best", "y", "", ""]].concat();
    let output = asked(&bench, &answers);
    let questions = [
        "Continue? [Y/n]:",
        "Is this OK? [Y/n]:",
        "Continue? [Y/n]:",
        "What cushion percentage? [4.50]:",
        "At least 2 disc(s) are needed for 878.92 kB",
        "Continue? [Y/n]:",
        "Which algorithm? [worst]:",
        "Accept this solution? [Y/n]:",
        "Which algorithm? [worst]:",
        "The best-fit algorithm needs 2 discs:",
        "disc 1: 4 files, 585.96 kB, 88.03 %",
        "disc 2: 1 file, 292.97 kB, 44.02 %",
        "Accept this solution? [Y/n]:",
        "first disc into the drive.",
        "replace the disc in the drive.",
        "All discs are written.",
    ];
    let told = format!("{}{}", output.stdout, output.stderr);
    let mut rest = told.as_str();
    for question in questions {
        let at = rest.find(question).unwrap_or_else(|| panic!("{question} is not in:\n{rest}"));
        rest = &rest[at + question.len()..];
    }
    output.exits(0);
    assert!(bench.is_stored(TODAY));
    let calls = bench.calls();
    let label = "-V CEDAR BACKUP 17-NOV-2026";
    let day = "2026/11/17";
    let graft = |name: &str| format!("{day}/box/=staging/{day}/box/{name}");
    let stage = format!("{day}/=staging/{day}/cback.stage");
    let first = [graft("part0"), graft("part1"), graft("etc.tar.gz"), stage].join(" ");
    assert_eq!(calls[0], "cdrecord -prcap dev=drive");
    assert_eq!(calls[1], format!("mkisofs {label} -print-size -graft-points -r {first}"));
    assert_eq!(calls[3], "cdrecord -v dev=drive -multi -data working/IMAGE");
    let second = graft("part2");
    let size = calls.iter().filter(|it| it.contains("-print-size")).nth(1).unwrap();
    assert_eq!(*size, format!("mkisofs {label} -print-size -graft-points -r {second}"));
    bench.is_tidy();
}

#[test]
fn whoever_says_no_or_goes_away_has_nothing_written() {
    for (answers, code) in [
        (&["n"][..], 0),
        (&["y", "n"], 0),
        (&["y", "y", "n"], 0),
        (&["y", "y", "y", "", "n"], 0),
        (&["y", "y", "y", CUSHION], 1),
        (&[], 1),
    ] {
        let bench = Bench::recorded(CD);
        staged(&bench, &[TODAY]);
        let output = asked(&bench, answers).exits(code);
        if code == 1 {
            output.complains("the input has ended at the question");
        }
        assert!(!bench.is_stored(TODAY));
        assert!(bench.calls().iter().all(|it| it == "cdrecord -prcap dev=drive"));
    }
    let bench = Bench::recorded(CD);
    staged(&bench, &[TODAY]);
    let config = bench.sandbox.path("hayloft.xml");
    let log = bench.sandbox.path("log");
    let (config, log) = (config.to_str().unwrap(), log.to_str().unwrap());
    span(&bench, &["cback3-span", "-c", config, "-l", log], &[]).exits(6);
    span(&bench, &["cback3-span", "-c", config, "-l", log], &["n"]).exits(0);
}

#[test]
fn a_step_that_fails_can_be_tried_again_or_given_up() {
    let cases = [
        ("mkisofs -V CEDAR BACKUP 17-NOV-2026 -graft", &["y", ""][..], true),
        ("cdrecord -v dev", &["", "", ""], true),
        ("cdrecord -v dev", &["n"], false),
        ("cdrecord -v dev", &[], false),
    ];
    for (call, more, good) in cases {
        let bench = Bench::recorded(CD);
        bench.staged(TODAY);
        bench.tell("once", &format!("{call}\n"));
        let answers = [&["", "", "", "", "", "", "", ""], more].concat();
        let output = asked(&bench, &answers);
        assert_eq!(output.code == Some(0), good, "{call}: {output}");
        assert!(format!("{output}").contains("not this time"), "{output}");
        assert_eq!(bench.is_stored(TODAY), good, "{call}");
        bench.is_tidy();
    }
}

/// Reads an image with a real tool: every file with its content.
fn files_on(image: &Path, scratch: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let read = Command::new("xorriso")
        .args(["-indev", &format!("stdio:{}", image.display()), "-osirrox", "on", "-extract", "/"])
        .arg(scratch)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    files_below(scratch, &[])
}

fn files_below(top: &Path, more: &[&str]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut find = Command::new("find");
    find.args([".", "-type", "f"]).args(more).arg("-print0").current_dir(top);
    let found = find.output().unwrap().stdout;
    let names = found.split(|it| *it == 0).filter(|it| !it.is_empty());
    names.map(|it| (it.to_vec(), fs::read(top.join(OsStr::from_bytes(it))).unwrap())).collect()
}

#[test]
fn files_get_images_of_their_own_and_nothing_is_lost() {
    let bench = Bench::real(FILE);
    staged(&bench, &["2026/10/01", TODAY]);
    let odd = bench.sandbox.path("staging/2026/11/17/box").join(OsStr::from_bytes(b"\xe9\n=\\x"));
    fs::write(odd, "odd").unwrap();
    let arguments = ["--config", "hayloft.xml", "span", "--yes", "--cushion", CUSHION];
    let output = bench.sandbox.run(&arguments).exits(0);
    output.says("The worst-fit algorithm needs 3 discs");
    assert!(bench.is_stored("2026/10/01") && bench.is_stored(TODAY));
    bench.is_tidy();
    let mut all = BTreeMap::new();
    for n in 1..=3 {
        let image = bench.sandbox.path(format!("disc-{n}.iso"));
        assert!(fs::metadata(&image).unwrap().len() < 1_200_000);
        for (name, content) in files_on(&image, &bench.sandbox.dir(&format!("out{n}"))) {
            assert_eq!(all.insert(name, content), None, "it is on two discs");
        }
    }
    let expected = files_below(&bench.sandbox.path("staging"), &["!", "-name", "cback.store"]);
    assert_eq!(all.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(all == expected, "contents differ");
    assert!(!bench.sandbox.path("disc.iso").exists());
    // Those images have the only copy on discs.
    bench.staged("2026/11/18");
    fs::write(bench.sandbox.path("staging/2026/11/18/box/x"), vec![1; 400_000]).unwrap();
    fs::write(bench.sandbox.path("staging/2026/11/18/box/y"), vec![1; 400_000]).unwrap();
    bench.sandbox.run(&arguments).exits(1).complains("disc-1.iso is there already");
}

#[test]
fn without_questions_only_what_needs_none_is_written() {
    let bench = Bench::recorded(CD);
    let run = |more: &[&str]| {
        bench.sandbox.run(&[&["--config", "hayloft.xml", "span", "--yes"], more].concat())
    };
    run(&[]).exits(0).says("is stored already");
    staged(&bench, &[TODAY]);
    bench.sandbox.write("staging/2026/11/16/box/half", "not staged well");
    run(&["--cushion", CUSHION]).exits(1).complains("nobody is asked to change them");
    run(&["--cushion", "100"]).exits(1).complains("--cushion 100 is no number");
    run(&["--cushion", "99.99"]).exits(1).complains("does not fit on a disc of 66.56 kB");
    run(&["--algorithm", "clever"]).exits(2);
    run(&["--dry-run", "--cushion", CUSHION]).exits(0).says("needs 2 discs");
    assert!(!bench.is_stored(TODAY));
    run(&[]).exits(0);
    assert!(bench.is_stored(TODAY) && !bench.is_stored("2026/11/16"));
}
