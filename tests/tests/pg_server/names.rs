//! Names of segments, as servers compute them.

use hayloft_postgres::wal::{Lsn, SegmentName, SegmentSize, TimelineId};
use hayloft_tests::postgres::{Postgres, Programs, version};

/// Around each boundary that there is, and at both ends.
fn positions(size: SegmentSize) -> Vec<Lsn> {
    let (segment, log) = (size.bytes(), 1 << 32);
    let boundaries = [segment, 2 * segment, log - segment, log, log + segment, 255 * log, 1 << 62];
    let around = boundaries.iter().flat_map(|it| [it - 1, *it, it + 1]);
    around.chain([1, u64::MAX - segment, u64::MAX - 1]).map(Lsn::new).collect()
}

fn compare(programs: &Programs, megabytes: u64) {
    let segsize = format!("--wal-segsize={megabytes}");
    let server = Postgres::options()
        .programs(programs)
        .initdb(&segsize)
        .setting("min_wal_size", &format!("{}MB", 2 * megabytes.max(40)))
        .setting("max_wal_size", &format!("{}MB", 4 * megabytes.max(40)))
        .start();
    let size: SegmentSize = server.sql("postgres", "SHOW wal_segment_size").parse().unwrap();
    assert_eq!(size.bytes(), megabytes << 20);
    for lsn in positions(size) {
        let question = format!(
            "SELECT pg_walfile_name('{lsn}'), (pg_walfile_name_offset('{lsn}')).file_offset"
        );
        let answer = server.sql("postgres", &question);
        let containing = SegmentName::containing(lsn, TimelineId::FIRST, size);
        let ending = SegmentName::ending_at(lsn, TimelineId::FIRST, size);
        // 17 changed what it says of a boundary.
        let ours = if server.major() >= 17 { containing } else { ending };
        assert_eq!(answer, format!("{ours}|{}", lsn.offset(size)), "{lsn} in {megabytes} MiB");
        if server.major() >= 16 {
            let question = format!("SELECT * FROM pg_split_walfile_name('{containing}')");
            let number = containing.number(size).unwrap();
            assert_eq!(server.sql("postgres", &question), format!("{number}|1"), "{containing}");
        }
    }
}

#[test]
fn every_boundary_of_every_size_is_where_the_server_has_it() {
    for (major, megabytes) in [(13, 1), (14, 2), (15, 4), (15, 64), (16, 8), (17, 1), (18, 32)] {
        compare(&version(major), megabytes);
    }
}
