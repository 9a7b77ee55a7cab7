//! What is written is read again, and nothing makes the reader panic.

use proptest::{collection::vec, option, prelude::*};

use super::{super::*, *};

fn name() -> impl Strategy<Value = Vec<u8>> {
    let part = vec(any::<u8>().prop_filter("part", |b| *b != b'/' && *b != 0), 1..120)
        .prop_filter("dots", |it| it != b"." && it != b"..");
    vec(part, 1..5).prop_map(|it| it.join(&b'/'))
}

fn kind() -> impl Strategy<Value = Kind> {
    let text = vec(any::<u8>().prop_filter("no NUL", |b| *b != 0), 1..300);
    let device = (0u32..4096, 0u32..1 << 20).prop_map(|(major, minor)| Device { major, minor });
    prop_oneof![
        Just(Kind::File),
        Just(Kind::Directory),
        text.prop_map(Kind::Symlink),
        name().prop_map(Kind::HardLink),
        Just(Kind::Fifo),
        device.clone().prop_map(Kind::Character),
        device.prop_map(Kind::Block),
    ]
}

fn listing() -> impl Strategy<Value = Listing> {
    let presence = prop_oneof![
        Just(Presence::Stored),
        Just(Presence::Unchanged),
        Just(Presence::Directory),
        Just(Presence::LeftOut),
    ];
    let names = proptest::collection::btree_map("[^/\0.]{1,20}", presence, 0..5);
    names.prop_map(|it| Listing {
        names: it.into_iter().map(|(n, p)| (n.into_bytes(), p)).collect(),
    })
}

prop_compose! {
    fn entry()(
        path in name(),
        kind in kind(),
        content in vec(any::<u8>(), 0..2000),
        holes in option::of(vec((0u64..1 << 40, 1u64..600), 0..4)),
        (mode, uid, gid) in (0u32..0o10000, any::<u32>(), any::<u32>()),
        user in vec(1u8..255, 0..40),
        (seconds, nanoseconds) in (-1i64 << 40..1i64 << 40, 0u32..1_000_000_000),
        xattrs in proptest::collection::btree_map("[a-z%=.]{1,20}", vec(any::<u8>(), 0..50), 0..3),
        listing in option::of(listing()),
    ) -> (Entry, Vec<u8>) {
        let mut entry = Entry {
            path, kind, mode, uid, gid,
            group: user.clone(),
            user,
            mtime: Time { seconds, nanoseconds },
            xattrs: xattrs.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect(),
            ..Entry::default()
        };
        let mut content = content;
        match (&entry.kind, holes) {
            (Kind::File, Some(holes)) => {
                let mut end = 0;
                let mut segments = Vec::new();
                for (gap, length) in holes {
                    segments.push(Segment { offset: end + gap, length });
                    end += gap + length;
                }
                let data: u64 = segments.iter().map(|it| it.length).sum();
                content = (0..data).map(|it| it.to_le_bytes()[0]).collect();
                entry.size = end + 5;
                entry.segments = Some(segments);
            }
            (Kind::File, None) => entry.size = content.len() as u64,
            (Kind::Directory, _) => { entry.listing = listing; content.clear(); }
            _ => content.clear(),
        }
        (entry, content)
    }
}

fn archive(entries: &[(Entry, Vec<u8>)], facts: &Facts) -> Vec<u8> {
    let mut out = facts.header();
    for (entry, content) in entries {
        let follows = header(entry, &mut out);
        assert_eq!(follows, content.len() as u64);
        out.extend_from_slice(content);
        out.resize(out.len() + padding(follows), 0);
    }
    out.extend_from_slice(&END);
    out
}

fn facts() -> Facts {
    Facts {
        id: "an id".into(),
        mode: Coverage::Incr,
        full: "another".into(),
        previous: Some("a third".into()),
        root: "/srv/%E4".into(),
        date: "2026-11-17T02:00:00Z".into(),
    }
}

/// Reads an archive as far as it goes; the fuzz target does the same.
fn read_all(bytes: &[u8], contents: bool) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        if contents {
            reader.content(|_, piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
        }
        all.push((entry, content));
    }
    Ok(all)
}

proptest! {
    #[test]
    fn entries_survive(entries in vec(entry(), 0..5)) {
        let bytes = archive(&entries, &facts());
        prop_assert_eq!(bytes.len() % BLOCK, 0);
        prop_assert_eq!(read_all(&bytes, true).unwrap(), entries.clone());
        prop_assert_eq!(read_all(&bytes, false).unwrap().len(), entries.len());
    }

    #[test]
    fn a_cut_archive_is_noticed(entries in vec(entry(), 0..3), cut in any::<prop::sample::Index>()) {
        let bytes = archive(&entries, &facts());
        let cut = cut.index(bytes.len());
        prop_assert!(read_all(&bytes[..cut], true).is_err());
    }

    #[test]
    fn any_bytes_are_an_archive_or_not(data in vec(any::<u8>(), 0..3000)) {
        let _ = read_all(&data, true);
        let _ = is_tar(&data);
    }

    #[test]
    fn a_flipped_byte_is_noticed_or_harmless(
        entries in vec(entry(), 1..3),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = archive(&entries, &facts());
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = read_all(&bytes, true);
    }
}

#[test]
fn an_archive_says_what_it_is() {
    let bytes = archive(&[], &facts());
    let mut reader = Reader::new(bytes.as_slice());
    assert!(reader.next_entry().unwrap().is_none());
    assert_eq!(reader.facts(), Some(&facts()));
    assert!(is_tar(&bytes));
}

#[test]
fn names_that_lead_out_are_refused() {
    for path in ["../x", "a/../../x"] {
        let entry = Entry { path: path.into(), ..Entry::default() };
        let bytes = archive(&[(entry, vec![])], &facts());
        let error = read_all(&bytes, true).unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }
}

#[test]
fn an_ordinary_file_needs_one_extra_block_pair_at_most() {
    let mut entry = Entry { path: b"srv/file".to_vec(), mode: 0o644, ..Entry::default() };
    let mut out = Vec::new();
    header(&entry, &mut out);
    assert_eq!(out.len(), BLOCK);
    entry.mtime = Time { seconds: 1_700_000_000, nanoseconds: 5 };
    out.clear();
    header(&entry, &mut out);
    assert_eq!(out.len(), 3 * BLOCK);
}

#[test]
fn large_numbers_survive() {
    let entry = Entry {
        path: b"big".to_vec(),
        size: 20 << 40,
        uid: 3_000_000,
        gid: u32::MAX - 1,
        ..Entry::default()
    };
    let mut bytes = Vec::new();
    assert_eq!(header(&entry, &mut bytes), 20 << 40);
    let mut reader = Reader::new(bytes.as_slice());
    assert_eq!(reader.next_entry().unwrap().unwrap(), entry);
    assert!(matches!(reader.next_entry(), Err(ArchiveError::Truncated)));
}
