//! Walks through the records that real servers have written.

use std::fs;

use hayloft_postgres::wal::{Chain, FileName, History, RecordCheck, SegmentHeader};
use hayloft_tests::{chaos::noise, postgres::version};

use super::{
    archiving::load,
    ground::{Ground, PLAIN, archive_all, wait_for},
};

/// The whole segments in the archive, in the order of their names.
fn segments(ground: &Ground) -> Vec<(String, Vec<u8>)> {
    let stored = ground.stored("disk/main/wals");
    let plain = stored.into_iter().filter_map(|it| {
        let name = it.rsplit('/').next().unwrap().to_owned();
        matches!(FileName::parse(&name), Some(FileName::Segment(_)))
            .then(|| (name, fs::read(ground.path("disk/main/wals").join(it)).unwrap()))
    });
    plain.collect()
}

/// Walks through a segment; tells what is wrong.
fn walk(
    name: &str,
    bytes: &[u8],
    history: Option<&History>,
    chain: &mut Chain,
) -> Result<u64, String> {
    let header = SegmentHeader::parse(bytes).map_err(|e| e.to_string())?;
    let name = name.parse().unwrap();
    header.check_name(name).map_err(|e| e.to_string())?;
    let mut check = RecordCheck::new(name, &header, history);
    check.feed(bytes);
    let walked = check.finish().map_err(|e| e.to_string())?;
    chain.follow(&walked).map_err(|e| e.to_string())?;
    walked.ended.map_or(Ok(walked.records), |it| Err(it.to_string()))
}

fn plain() -> String {
    PLAIN.replace("<wal>", "<wal><compress>none</compress>")
}

/// Tells whether a byte is of a record that a crash kept from being finished:
/// a page behind it says so (`XLP_FIRST_IS_OVERWRITE_CONTRECORD`).
fn is_lost(segment: &[u8], byte: usize) -> bool {
    let pages = segment.chunks(8192).skip(byte / 8192 + 1).take(3);
    pages.into_iter().any(|page| page[2] & 8 != 0)
}

/// A server writes everything that makes logs hard to read: records larger
/// than segments, switches, crashes at any moment.
#[test]
fn every_record_of_real_servers_is_walked_and_every_flipped_bit_found() {
    for major in [15, 18] {
        let mut ground = Ground::new(&plain());
        let archiving = ground.archiving().programs(&version(major));
        let mut server = archiving.initdb("--wal-segsize=1").start();
        ground.belong_to(&server);
        server.pgbench("bench", 1);
        for size in [3_000_000, 1_048_576, 900_000] {
            let message =
                format!("SELECT pg_logical_emit_message(false, 'x', repeat('y', {size}))");
            server.sql("postgres", &message);
        }
        for _ in 0..2 {
            let mut load = load(&server, 60);
            let before = segments(&ground).len();
            wait_for("further segments", || segments(&ground).len() > before + 2);
            server.crash();
            load.wait().unwrap();
            server.start_again();
            archive_all(&server);
        }
        archive_all(&server);
        let mut all = segments(&ground);
        let (mut chain, mut records) = (Chain::new(), 0);
        for (name, bytes) in &all {
            let walked = walk(name, bytes, None, &mut chain);
            records += walked.unwrap_or_else(|e| panic!("{name} of version {major}: {e}"));
        }
        assert!(records > 5_000, "{records} records in {} segments", all.len());
        // Bits are flipped in all of them but the first and the last, of which
        // the neighbours are not known.
        let places = noise(600, major);
        let last = all.len() - 1;
        assert!(last > 10, "{last} segments");
        for (round, place) in places.chunks(4).enumerate() {
            let at = 1 + round % (last - 1);
            let place = u32::from_le_bytes(place.try_into().unwrap()) as usize;
            let (byte, bit) = (place / 8 % (1 << 20), place % 8);
            let meaningless = byte % 8192 == 2 && bit == 2 || (24..40).contains(&byte);
            if meaningless || is_lost(&all[at].1, byte) {
                continue;
            }
            all[at].1[byte] ^= 1 << bit;
            let mut chain = Chain::new();
            // A record may go on for four segments, and is known from its
            // beginning on.
            let found = (at.saturating_sub(4)..=(at + 4).min(last))
                .try_for_each(|it| walk(&all[it].0, &all[it].1, None, &mut chain).map(drop));
            assert!(found.is_err(), "bit {bit} of byte {byte} of {}", all[at].0);
            all[at].1[byte] ^= 1 << bit;
        }
    }
}
