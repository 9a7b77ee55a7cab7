//! What is found, however it got there.

use std::{fs, path::Path, process::Command};

use super::{
    ground::{Ground, PLAIN, wait_for},
    segments::Segment,
};

/// Compresses with a program of the system.
fn compress(program: &str, path: &Path) -> Vec<u8> {
    let output = Command::new(program).arg("-c").stdin(fs::File::open(path).unwrap()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

#[test]
fn a_segment_is_found_whatever_others_have_made_of_it() {
    let ground = Ground::new(PLAIN);
    let directory = ground.path("disk/main/wals/0000000100000000");
    fs::create_dir_all(&directory).unwrap();
    // As objects are called, and as Barman calls files.
    let cases = [
        ("gzip", ".gz"),
        ("bzip2", ".bz2"),
        ("xz", ".xz"),
        ("zstd", ".zst"),
        ("lz4", ".lz4"),
        ("gzip", ""),
        ("bzip2", ""),
        ("xz", ""),
        ("zstd", ""),
        ("lz4", ""),
        ("cat", ""),
    ];
    for (number, (program, suffix)) in (1..).zip(cases) {
        let segment = Segment::number(number);
        let path = segment.write(&ground);
        let bytes = match program {
            "cat" => segment.bytes(),
            program => compress(program, &path),
        };
        fs::write(directory.join(segment.name() + suffix), bytes).unwrap();
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{program} {suffix}");
        // Which is the same content, so it can be pushed once more.
        ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), usize::try_from(number).unwrap());
    }
}

#[test]
fn what_is_not_there_is_told_apart_from_what_is_wrong() {
    let ground = Ground::new(PLAIN);
    let segment = Segment::number(1);
    ground.wal(&["push", "main", segment.write(&ground).to_str().unwrap()]).exits(0);
    let get = |name: &str| ground.wal(&["get", "main", name, "target"]);
    get("000000010000000000000009").exits(1);
    get("00000002.history").exits(1);
    // V-18: nothing appears for what is not there.
    assert!(!ground.path("target").exists());
    let object = ground.path(format!("disk/main/wals/0000000100000000/{}.zst", segment.name()));
    let good = fs::read(&object).unwrap();
    let damaged = |bytes: &[u8], complaint: &str| {
        fs::write(&object, bytes).unwrap();
        get(&segment.name()).exits(201).complains(complaint);
        assert!(!ground.path("target").exists());
    };
    damaged(&good[..good.len() / 2], "cannot fetch");
    damaged(b"", "cannot fetch");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    damaged(&flipped, "cannot fetch");
    damaged(&Segment::number(2).bytes(), "begins at");
    damaged(&segment.bytes()[..1000], "has 1000 bytes");
    fs::rename(ground.path("disk"), ground.path("gone")).unwrap();
    ground.configure(&PLAIN.replace("<create>Y</create>", ""));
    get(&segment.name()).exits(201).complains("does not exist");
    get("000000010000000000000009").exits(201).complains("does not exist");
    get("junk").exits(201).complains("no name of a file of WAL");
}

#[test]
fn another_storage_helps_out() {
    let two = PLAIN
        .replace("</storages>", "<storage><name>other</name><type>local</type><root>$DIR/other</root><create>Y</create></storage></storages>")
        .replace("<storage>disk</storage>", "<storage>disk</storage><storage>other</storage>");
    let ground = Ground::new(&two);
    let segment = Segment::number(1);
    ground.wal(&["push", "main", segment.write(&ground).to_str().unwrap()]).exits(0);
    let object = ground.path(format!("disk/main/wals/0000000100000000/{}.zst", segment.name()));
    let whole = fs::read(&object).unwrap();
    for content in [&whole[..100], b"junk"] {
        fs::write(&object, content).unwrap();
        assert!(ground.fetch(&segment.name()) == segment.bytes());
    }
    fs::remove_file(&object).unwrap();
    assert!(ground.fetch(&segment.name()) == segment.bytes());
    // One that is only read still helps, and gets nothing.
    let old = two.replace(
        "<wal>",
        "<wal><storage><name>disk</name></storage>\
         <storage><name>other</name><read_only>Y</read_only></storage>",
    );
    ground.configure(&old);
    ground.wal(&["push", "main", Segment::number(2).write(&ground).to_str().unwrap()]).exits(0);
    assert!(ground.fetch(&segment.name()) == segment.bytes());
    assert_eq!(ground.stored("other").len(), 2);
}

#[test]
fn segments_are_fetched_ahead_while_they_are_asked_for_in_order() {
    let ground = Ground::new(PLAIN);
    let segments: Vec<Segment> = (1..=9).map(Segment::number).collect();
    for segment in &segments {
        ground.wal(&["push", "main", segment.write(&ground).to_str().unwrap()]).exits(0);
    }
    let target = ground.path("RECOVERYXLOG");
    let places = || -> Vec<String> {
        let entries = fs::read_dir(ground.path("spool")).unwrap().flatten();
        let names = entries.map(|it| it.file_name().into_string().unwrap());
        names.filter(|it| it.starts_with("get-")).collect()
    };
    for (at, segment) in segments.iter().enumerate() {
        ground.wal(&["get", "main", &segment.name(), target.to_str().unwrap()]).exits(0);
        assert!(fs::read(&target).unwrap() == segment.bytes());
        if at == 1 {
            // From now on the next ones come by themselves.
            let place = ground.path("spool").join(&places()[0]);
            wait_for("the rest", || segments[2..].iter().all(|it| place.join(it.name()).exists()));
            fs::rename(ground.path("disk/main/wals"), ground.path("hidden")).unwrap();
        }
    }
    ground.wal(&["get", "main", "00000001000000000000000A", "x"]).exits(1);
    // It ends by itself, and leaves nothing behind.
    wait_for("the end of it", || places().is_empty());
}

#[test]
fn a_segment_that_was_fetched_ahead_and_damaged_is_fetched_once_more() {
    let ground = Ground::new(PLAIN);
    let segments: Vec<Segment> = (1..=6).map(Segment::number).collect();
    for segment in &segments {
        ground.wal(&["push", "main", segment.write(&ground).to_str().unwrap()]).exits(0);
    }
    let target = ground.path("RECOVERYXLOG");
    let get = |segment: &Segment| {
        ground.wal(&["get", "main", &segment.name(), target.to_str().unwrap()]).exits(0);
        assert!(fs::read(&target).unwrap() == segment.bytes());
    };
    get(&segments[0]);
    get(&segments[1]);
    let spool = fs::read_dir(ground.path("spool")).unwrap().flatten();
    let place = spool.map(|it| it.path()).find(|it| it.to_string_lossy().contains("get-")).unwrap();
    wait_for("the rest", || segments[2..].iter().all(|it| place.join(it.name()).exists()));
    fs::write(place.join(segments[2].name()), "short").unwrap();
    fs::write(place.join(segments[3].name()), segments[4].bytes()).unwrap();
    segments[2..].iter().for_each(get);
}

#[test]
fn who_has_the_secret_key_reads_and_who_has_not_can_still_archive() {
    let ground = Ground::new(PLAIN);
    let (old, new) = (ground.age_key("old.key"), ground.age_key("new.key"));
    let with = |encryptor: &str| {
        let encryptors = format!(
            "<encryptors><encryptor><name>team</name><type>age</type>{encryptor}</encryptor></encryptors>"
        );
        let text = PLAIN.replace("<wal>", "<wal><encrypt>team</encrypt>");
        ground.configure(&format!("{encryptors}{text}"));
    };
    let push = |segment: Segment| {
        let path = segment.write(&ground);
        ground.wal(&["push", "main", path.to_str().unwrap()])
    };
    let (first, second) = (Segment::number(1), Segment::number(2));
    with(&format!("<recipient>{old}</recipient>"));
    push(first).exits(0);
    let object = format!("main/wals/0000000100000000/{}.zst.age", first.name());
    assert!(ground.stored("disk").contains(&object), "{:?}", ground.stored("disk"));
    // Barman takes this for other content.
    push(first).exits(0);
    push(Segment { seed: 77, ..first }).exits(1).complains("has other content");
    // The keys were changed.
    with(&format!("<recipient>{new}</recipient>"));
    push(second).exits(0);
    push(first).exits(0);
    let get = |segment: Segment| ground.wal(&["get", "main", &segment.name(), "target"]);
    get(first).exits(201).complains("no identity");
    let identity = |name: &str| format!("<identity_file>$DIR/{name}</identity_file>");
    let recipient = format!("<recipient>{new}</recipient>");
    with(&format!("{recipient}{}", ground.expand(&identity("new.key"))));
    get(second).exits(0);
    get(first).exits(201);
    let both = format!("{recipient}{}{}", identity("old.key"), identity("new.key"));
    with(&ground.expand(&both));
    for segment in [first, second] {
        assert!(ground.fetch(&segment.name()) == segment.bytes());
    }
    // What is damaged is not what cannot be decrypted.
    let path = ground.path("disk").join(&object);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ended = get(first).exits(201);
    assert!(!ended.stderr.contains("no identity"), "{}", ended.stderr);
}
