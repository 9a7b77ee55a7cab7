//! Segments that no server wrote, for what needs none.

use std::{fs, path::PathBuf};

use hayloft_tests::chaos::noise;

use super::ground::Ground;

/// The cluster that the segments are of.
pub(crate) const CLUSTER: u64 = 7_318_349_394_477_056_789;

/// What a segment is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) cluster: u64,
    pub(crate) timeline: u32,
    pub(crate) number: u64,
    pub(crate) size: u32,
    /// What tells its content from that of others.
    pub(crate) seed: u32,
}

impl Segment {
    /// The one of that number, of 1 MiB.
    pub(crate) fn number(number: u64) -> Self {
        let seed = u32::try_from(number).unwrap();
        Self { cluster: CLUSTER, timeline: 1, number, size: 1 << 20, seed }
    }

    pub(crate) fn name(self) -> String {
        let per_log = (1 << 32) / u64::from(self.size);
        let (log, within) = (self.number / per_log, self.number % per_log);
        format!("{:08X}{log:08X}{within:08X}", self.timeline)
    }

    /// Pages with headers of PostgreSQL 15, in each one record that fills it,
    /// with a bit of noise.
    pub(crate) fn bytes(self) -> Vec<u8> {
        const PAGE: usize = 8192;
        let mut bytes = Vec::with_capacity(self.size as usize);
        let start = self.number * u64::from(self.size);
        for page in 0..self.size as usize / PAGE {
            let end = bytes.len() + PAGE;
            let at = start + (page * PAGE) as u64;
            let info: u16 = if page == 0 { 0x0002 } else { 0 };
            bytes.extend(0xd110_u16.to_le_bytes());
            bytes.extend(info.to_le_bytes());
            bytes.extend(self.timeline.to_le_bytes());
            bytes.extend(at.to_le_bytes());
            bytes.extend([0; 8]);
            if page == 0 {
                bytes.extend(self.cluster.to_le_bytes());
                bytes.extend(self.size.to_le_bytes());
                bytes.extend(8192_u32.to_le_bytes());
            }
            // The record before it is on the page before.
            let before = match page {
                1 => at - PAGE as u64 + 40,
                _ => at.saturating_sub(PAGE as u64) + 24,
            };
            let noise = noise(600, self.seed * 1000 + u32::try_from(page).unwrap());
            bytes.extend(record(end - bytes.len(), before, noise));
        }
        bytes
    }

    /// Writes it into `pg_wal` of the place, as a server would.
    pub(crate) fn write(self, ground: &Ground) -> PathBuf {
        let directory = ground.path("pg_wal");
        fs::create_dir_all(directory.join("archive_status")).unwrap();
        let path = directory.join(self.name());
        fs::write(&path, self.bytes()).unwrap();
        path
    }

    /// Writes it, and says that it waits for being archived.
    pub(crate) fn ready(self, ground: &Ground) -> PathBuf {
        let path = self.write(ground);
        let status = format!("pg_wal/archive_status/{}.ready", self.name());
        fs::write(ground.path(status), "").unwrap();
        path
    }
}

/// A record of so many bytes.
fn record(length: usize, before: u64, noise: Vec<u8>) -> Vec<u8> {
    let mut data = noise;
    data.resize(length - 24, 0);
    let mut record = u32::try_from(length).unwrap().to_le_bytes().to_vec();
    record.extend(9_u32.to_le_bytes());
    record.extend(before.to_le_bytes());
    record.extend([0, 10, 0, 0]);
    let mut sum = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    sum.update(&data);
    sum.update(&record);
    record.extend(u32::try_from(sum.finalize()).unwrap().to_le_bytes());
    record.extend(data);
    record
}
