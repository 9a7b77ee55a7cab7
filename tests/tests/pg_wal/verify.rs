//! `hayloft pg wal verify`.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    gaps::{TWO, backup, object, push, push_text},
    ground::{Ended, Ground, PLAIN},
    segments::Segment,
};

fn verify(ground: &Ground, words: &[&str]) -> Ended {
    ground.wal(&[&["verify", "main"], words].concat())
}

fn plain(configuration: &str) -> String {
    configuration.replace("<wal>", "<wal><compress>none</compress>")
}

fn flip(path: &std::path::Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_found_and_named_with_its_storage() {
    for compressed in [false, true] {
        let ground = Ground::new(&if compressed { TWO.to_owned() } else { plain(TWO) });
        let segments: Vec<Segment> = (1..=4).map(Segment::number).collect();
        push(&ground, segments.iter().copied());
        verify(&ground, &[]).exits(0).says("4 good segments").says("8 copies").says("all is good");
        let path = object(&ground, "shelf", segments[2]);
        let whole = fs::read(&path).unwrap();
        for byte in [60, whole.len() / 2, whole.len() - 1] {
            flip(&path, byte);
            let ended = verify(&ground, &[]).exits(1);
            ended.says("damaged: 000000010000000000000003 in main/wals/0000000100000000/");
            ended.says("of storage shelf");
            assert_eq!(ended.stdout.matches("damaged").count(), 1, "{}", ended.stdout);
            verify(&ground, &["--storage", "disk"]).exits(0);
            // Nobody is given it.
            if byte == whole.len() / 2 {
                let alone = TWO.replace("<storage>disk</storage>", "");
                ground.configure(&if compressed { alone } else { plain(&alone) });
                let name = segments[2].name();
                ground.wal(&["get", "main", &name, "x"]).exits(201).complains("cannot fetch");
                ground.configure(&if compressed { TWO.to_owned() } else { plain(TWO) });
            }
            fs::write(&path, &whole).unwrap();
        }
        verify(&ground, &[]).exits(0);
    }
}

#[test]
fn a_stretch_can_be_chosen() {
    let ground = Ground::new(PLAIN);
    push(&ground, (1..=9).map(Segment::number));
    fs::remove_file(object(&ground, "disk", Segment::number(3))).unwrap();
    let good = |words: &[&str], count: u32| {
        verify(&ground, words).exits(0).says(&format!("{count} good segments"));
    };
    verify(&ground, &[]).exits(1).says("missing: 000000010000000000000003\n");
    good(&["--from", "0/400028"], 6);
    good(&["--from", "000000010000000000000004", "--to", "0/600000"], 3);
    good(&["--to", "000000010000000000000002"], 2);
    backup(&ground, "20260102T000000", 1, "0/500028", "DONE");
    backup(&ground, "20260101T000000", 1, "0/200028", "DONE");
    verify(&ground, &[]).exits(1);
    verify(&ground, &["--from", "oldest"]).exits(1);
    good(&["--from", "latest"], 5);
    good(&["--from", "20260102T000000"], 5);
    verify(&ground, &["--from", "20260103T000000"]).exits(1).complains("20260101T000000");
    verify(&ground, &["--from", "20260102T000000", "--to", "x"]).exits(1).complains("--to");
    verify(&ground, &["--timeline", "7"]).exits(1).complains("00000007.history is in no storage");
    verify(&ground, &["--rate-limit", "lots"]).exits(1).complains("--rate-limit");
    let document = verify(&ground, &["--json"]).exits(1).json();
    assert_eq!(document["findings"][0]["kind"], "missing");
    assert_eq!(document["findings"][0]["first"], "000000010000000000000003");
    assert_eq!(document["good_segments"], 7);
    assert_eq!(document["from"], "0/200028");
}

#[test]
fn a_new_timeline_is_followed_and_what_does_not_fit_is_found() {
    let ground = Ground::new(PLAIN);
    push(&ground, (1..=4).map(Segment::number));
    // The first timeline was left at the end of segment 4.
    let second = |number| Segment { timeline: 2, ..Segment::number(number) };
    push_text(&ground, "00000002.history", "1\t0/500000\tno recovery target specified\n");
    push(&ground, [5, 6].map(second));
    verify(&ground, &[]).exits(0).says("6 good segments").says("on timeline 2");
    verify(&ground, &["--timeline", "1"]).exits(0).says("4 good segments");
    // One of the wrong timeline under the right name.
    let path = object(&ground, "disk", second(6));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, Segment::number(6).bytes()).unwrap();
    verify(&ground, &[]).exits(1).says("damaged: 000000020000000000000006");
    // One of another server's history, with right checksums.
    let size = 1 << 20;
    let mut other = second(6).bytes();
    let stranger = Segment { timeline: 2, ..Segment::number(7) }.bytes();
    other[size / 2..].copy_from_slice(&stranger[size / 2..]);
    fs::write(&path, &other).unwrap();
    verify(&ground, &[]).exits(1).says("damaged: 000000020000000000000006");
    fs::write(&path, &whole).unwrap();
    fs::remove_file(ground.path("disk/main/wals/00000002.history")).unwrap();
    verify(&ground, &[]).exits(1).says("missing: 00000002.history").says("4 good segments");
    let ended = verify(&ground, &["--timeline", "2"]).exits(1);
    ended.complains("00000002.history is in no storage");
}

#[test]
fn what_no_key_opens_is_told_apart_from_what_is_damaged() {
    let ground = Ground::new(PLAIN);
    let keys = ["one", "two"].map(|name| {
        let path = ground.path(name);
        let made = Command::new("age-keygen").arg("-o").arg(&path).output().unwrap();
        assert!(made.status.success());
        let text = fs::read_to_string(&path).unwrap();
        let public = text.lines().find_map(|it| it.strip_prefix("# public key: "));
        (path, public.unwrap().to_owned())
    });
    let configure = |recipient: usize, identities: &[usize]| {
        let file = |it: &usize| format!("<identity_file>{}</identity_file>", keys[*it].0.display());
        let files = identities.iter().map(file).collect::<Vec<_>>().concat();
        let encryptors = format!(
            "<encryptors><encryptor><name>team</name><type>age</type><recipient>{}</recipient>\
             {files}</encryptor></encryptors>",
            keys[recipient].1
        );
        let with = PLAIN.replace("<wal>", "<wal><encrypt>team</encrypt>");
        ground.configure(&(encryptors + &with));
    };
    configure(0, &[]);
    push(&ground, [1, 2].map(Segment::number));
    // The keys change.
    configure(1, &[]);
    push(&ground, [3, 4].map(Segment::number));
    configure(1, &[0, 1]);
    verify(&ground, &[]).exits(0).says("4 good segments");
    configure(1, &[1]);
    let ended = verify(&ground, &[]).exits(7);
    ended.says("no key: 000000010000000000000002");
    ended.says("its bytes are those that were written");
    assert_eq!(ended.stdout.matches("no key").count(), 2, "{}", ended.stdout);
    // Damaged where age itself cannot tell, and where it can.
    flip(&object(&ground, "disk", Segment::number(1)), 60);
    flip(&object(&ground, "disk", Segment::number(4)), 3000);
    let ended = verify(&ground, &[]).exits(1);
    ended.says("damaged: 000000010000000000000001");
    ended.says("no key: 000000010000000000000002");
    ended.says("damaged: 000000010000000000000004");
    let document = verify(&ground, &["--json"]).exits(1).json();
    let kinds: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["damaged", "no_key", "damaged"]);
}

#[test]
fn reading_can_be_slowed_down() {
    let ground = Ground::new(&plain(PLAIN));
    push(&ground, (1..=3).map(Segment::number));
    let began = Instant::now();
    verify(&ground, &["--rate-limit", "2MB"]).exits(0);
    assert!(began.elapsed() > Duration::from_millis(1300), "{:?}", began.elapsed());
}

#[test]
fn how_far_it_is_is_shown_on_a_terminal_and_nowhere_else() {
    let ground = Ground::new(PLAIN);
    push(&ground, (1..=4).map(Segment::number));
    let ended = verify(&ground, &[]).exits(0);
    assert!(![ended.stdout, ended.stderr].concat().contains("iB/s"));
    // Slowly, so that there is something to be seen.
    let line = ground.line("verify main --rate-limit 200kB");
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("all is good"), "{shown}");
    assert!(shown.contains("iB/s"), "{shown}");
}

#[test]
fn a_storage_that_fails_is_no_damage() {
    let ground = Ground::new(PLAIN);
    push(&ground, [1, 2].map(Segment::number));
    verify(&ground, &[]).exits(0);
    fs::rename(ground.path("disk"), ground.path("gone")).unwrap();
    ground.configure(&PLAIN.replace("<create>Y</create>", ""));
    for command in ["verify", "gaps", "list"] {
        ground.wal(&[command, "main"]).exits(1).complains("does not exist");
    }
    let empty = Ground::new(PLAIN);
    verify(&empty, &[]).exits(1).complains("no segment");
}
