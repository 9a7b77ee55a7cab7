use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn header() -> Header {
    Header {
        format: FORMAT,
        id: "20260102T030405".to_owned(),
        server: "main".to_owned(),
        system_identifier: 7_000_000_000_000_000_001,
        version: 150_020,
        checksums: true,
        segment_size: 16 << 20,
        method: "local".to_owned(),
        data: "/srv/data".into(),
        owner: Some(Owner { uid: 26, gid: 26 }),
        frame: FRAME,
        parent: None,
        databases: vec![Database { oid: 5, name: "a \"b\"".to_owned() }],
        subscriptions: vec!["s".to_owned()],
        resumed: false,
        parts: 0,
    }
}

fn part(number: u32) -> Part {
    Part {
        backup: "20260102T030405".to_owned(),
        name: format!("{number:06}"),
        size: 1 << 28,
        blake3: "00".repeat(32),
        compressed: ".zst".to_owned(),
        encrypted: String::new(),
    }
}

fn frames() -> impl Strategy<Value = Frame> {
    let stored = (any::<[u8; 32]>(), 0..3_u32, any::<u64>(), any::<u32>()).prop_map(
        |(hash, part, offset, stored)| Frame::Stored {
            hash: hash.into(),
            place: Place { part, offset, stored },
        },
    );
    prop_oneof![Just(Frame::Zeros), stored]
}

fn patched() -> impl Strategy<Value = Frame> {
    let place = || {
        (0..3_u32, any::<u64>(), any::<u32>()).prop_map(|(part, offset, stored)| Place {
            part,
            offset,
            stored,
        })
    };
    (any::<[u8; 32]>(), any::<[u8; 32]>(), place(), place(), any::<u64>()).prop_map(
        |(hash, own, base, place, blocks)| Frame::Patched {
            hash: hash.into(),
            patch: Patch { base, place, hash: own.into(), blocks },
        },
    )
}

fn entries() -> impl Strategy<Value = Entry> {
    let path = || "[a-z%é]{1,5}(/[a-z0-9_]{1,5}){0,3}".prop_map(Name::from);
    let directory =
        (path(), any::<u32>()).prop_map(|(path, mode)| Entry::Directory(Directory { path, mode }));
    let tablespace = (any::<u32>(), "[a-z]{0,4}", path()).prop_map(|(oid, name, path)| {
        Entry::Tablespace(Tablespace { oid, name, path, mode: 0o700 })
    });
    let all = (prop::collection::vec(patched(), 0..2), prop::collection::vec(frames(), 0..4));
    let file = (path(), any::<i64>(), 0..=FRAME, all, any::<bool>()).prop_map(
        |(path, modified, last, (mut frames, stored), known)| {
            // The last one may be shorter, and has no blocks then.
            let last = if stored.is_empty() { FRAME } else { last };
            frames.extend(stored);
            let count = frames.len() as u64;
            let size = if count == 0 { 0 } else { (count - 1) * FRAME + last.max(1) };
            let mut blocks = Blocks::default();
            for at in 0..if known { size / FRAME } else { 0 } {
                blocks.add(&[at.to_le_bytes(); BLOCKS]);
            }
            Entry::File(File {
                path,
                kind: Kind::Data,
                mode: 0o600,
                modified,
                size,
                frames,
                blocks,
                damaged: vec![],
            })
        },
    );
    prop_oneof![directory, tablespace, file]
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut spool = Spool::new(tempfile::tempfile().unwrap());
    for entry in entries {
        spool.add(entry.clone()).unwrap();
    }
    let mut text = Vec::new();
    spool.finish(header(), &[part(0), part(1), part(2)], &mut text).unwrap();
    text
}

fn read(text: Vec<u8>) -> hayloft_plugin_api::Result<Vec<Entry>> {
    let mut reader = Reader::open(Box::new(Cursor::new(text)))?;
    let mut found = Vec::new();
    while let Some(entry) = reader.next()? {
        found.push(entry);
    }
    Ok(found)
}

#[test]
fn what_leads_out_of_the_data_directory_is_refused() {
    for path in ["/etc/passwd", "../x", "base/../../x"] {
        let entry = Entry::Directory(Directory { path: path.into(), mode: 0o700 });
        assert!(read(written(&[entry])).is_err(), "{path}");
    }
}

#[test]
fn a_manifest_of_a_later_release_is_told_from_a_damaged_one() {
    use hayloft_plugin_api::ErrorKind;
    let text = String::from_utf8(written(&[])).unwrap();
    let later = text.replace("\"format\":2", "\"format\":3");
    assert_eq!(read(later.into_bytes()).unwrap_err().kind(), ErrorKind::UNSUPPORTED);
    assert_eq!(read(b"junk\n".to_vec()).unwrap_err().kind(), ErrorKind::CORRUPT);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(entries(), 0..20)) {
        prop_assert_eq!(read(written(&entries)).unwrap(), entries);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found(
        entries in prop::collection::vec(entries(), 0..6), at: usize, bit in 0..8,
    ) {
        let good = written(&entries);
        let mut flipped = good.clone();
        flipped[at % good.len()] ^= 1_u8 << bit;
        prop_assert!(read(flipped).is_err());
        prop_assert!(read(good[..at % good.len()].to_vec()).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Reader::open(Box::new(Cursor::new(bytes)));
    }
}
