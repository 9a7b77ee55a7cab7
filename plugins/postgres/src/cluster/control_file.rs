//! `global/pg_control`: what a cluster knows of itself while nobody asks it.

use std::{io, path::Path};

use crc::{CRC_32_ISCSI, Crc};

use super::small_file;

/// The sum is CRC-32C.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// The file has 8 kB since ever; what is used are some 300 bytes.
const SIZE: usize = 8192;
/// Between which offsets the sum can lie, in any version.
const SUM_AT: std::ops::Range<usize> = 200..512;

/// What the file says a cluster was doing when it was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterState {
    /// Just made.
    StartingUp,
    /// Stopped in order.
    ShutDown,
    /// Stopped in order, as a standby.
    ShutDownInRecovery,
    /// Stopping.
    ShuttingDown,
    /// Replaying after a crash.
    InCrashRecovery,
    /// Replaying an archive or following a primary.
    InArchiveRecovery,
    /// Open for reading and writing; if no server runs, it crashed.
    InProduction,
}

impl ClusterState {
    fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::StartingUp,
            1 => Self::ShutDown,
            2 => Self::ShutDownInRecovery,
            3 => Self::ShuttingDown,
            4 => Self::InCrashRecovery,
            5 => Self::InArchiveRecovery,
            6 => Self::InProduction,
            _ => return None,
        })
    }

    /// Tells whether a server that stopped left everything on the disk.
    pub fn is_clean(self) -> bool {
        matches!(self, Self::ShutDown | Self::ShutDownInRecovery)
    }

    /// Returns the words that `pg_controldata` has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartingUp => "starting up",
            Self::ShutDown => "shut down",
            Self::ShutDownInRecovery => "shut down in recovery",
            Self::ShuttingDown => "shutting down",
            Self::InCrashRecovery => "in crash recovery",
            Self::InArchiveRecovery => "in archive recovery",
            Self::InProduction => "in production",
        }
    }
}

/// The content of `pg_control`, as far as it is the same in all versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Which cluster it is: the same for a primary, its standbys and backups.
    pub system_identifier: u64,
    /// The version of the file's layout, such as 1300.
    pub control_version: u32,
    /// The version of the system catalogues, part of the names of directories
    /// in tablespaces.
    pub catalogue_version: u32,
    /// What the cluster did last.
    pub state: ClusterState,
    /// When the file was written last, in seconds since 1970.
    pub written: i64,
    /// The timeline of the last checkpoint.
    pub timeline: u32,
    /// Bytes in a WAL segment; none if the layout is unknown.
    pub wal_segment_size: Option<u32>,
}

/// Why the file is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlFileError {
    /// Too little, or the sum is wrong.
    #[error("its checksum is wrong")]
    Damaged,
    /// Written on a machine of the other byte order.
    #[error("it was written by a machine with another byte order")]
    ByteOrder,
    /// A state that nobody knows.
    #[error("it says the unknown state {0}")]
    UnknownState(u32),
}

impl ControlFile {
    /// Reads the content of the file.
    ///
    /// The sum lies where the used part ends, which differs by version: it is
    /// looked for, and nothing but zeros may follow it.
    ///
    /// # Errors
    ///
    /// [`ControlFileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlFileError> {
        let bytes = &bytes[..bytes.len().min(SIZE)];
        let sum_at = find_sum(bytes).ok_or(ControlFileError::Damaged)?;
        let control_version = word(bytes, 8);
        if control_version.is_multiple_of(65_536) && control_version != 0 {
            return Err(ControlFileError::ByteOrder);
        }
        let state = word(bytes, 16);
        Ok(Self {
            system_identifier: long(bytes, 0),
            control_version,
            catalogue_version: word(bytes, 12),
            state: ClusterState::from_number(state).ok_or(ControlFileError::UnknownState(state))?,
            written: long(bytes, 24).cast_signed(),
            timeline: word(bytes, 48),
            wal_segment_size: segment_size(bytes, sum_at),
        })
    }

    /// Reads the file of a data directory. A running server may be writing it
    /// at the moment, so it is read again if the sum is wrong.
    ///
    /// # Errors
    ///
    /// Of reading; a damaged file is [`io::ErrorKind::InvalidData`].
    pub fn read(data: &Path) -> io::Result<Self> {
        let path = data.join("global/pg_control");
        let mut last = ControlFileError::Damaged;
        for _ in 0..4 {
            match Self::parse(&small_file::read(&path)?) {
                Ok(it) => return Ok(it),
                Err(error) => last = error,
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, last))
    }
}

fn find_sum(bytes: &[u8]) -> Option<usize> {
    let candidates = SUM_AT.step_by(4).filter(|at| at + 4 <= bytes.len());
    candidates.into_iter().find(|at| {
        bytes[at + 4..].iter().all(|it| *it == 0) && CRC.checksum(&bytes[..*at]) == word(bytes, *at)
    })
}

/// The sizes lie before the random bytes that end the used part; 18 put one
/// more field between. Two constants beside it tell which it is.
fn segment_size(bytes: &[u8], sum_at: usize) -> Option<u32> {
    [60, 64].into_iter().find_map(|before| {
        let at = sum_at.checked_sub(before)?;
        let size = word(bytes, at);
        let names = word(bytes, at + 4);
        let is_size = size.is_power_of_two() && (1 << 20..=1 << 30).contains(&size);
        (is_size && names == 64).then_some(size)
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(found) = bytes.get(at..at + 4) {
        word.copy_from_slice(found);
    }
    u32::from_ne_bytes(word)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let mut long = [0; 8];
    if let Some(found) = bytes.get(at..at + 8) {
        long.copy_from_slice(found);
    }
    u64::from_ne_bytes(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as version 15 writes it.
    fn file(sum_at: usize) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        bytes[..8].copy_from_slice(&7_300_000_000_000_000_001_u64.to_ne_bytes());
        bytes[8..12].copy_from_slice(&1300_u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&202_209_061_u32.to_ne_bytes());
        bytes[16..20].copy_from_slice(&6_u32.to_ne_bytes());
        bytes[48..52].copy_from_slice(&3_u32.to_ne_bytes());
        bytes[sum_at - 60..sum_at - 56].copy_from_slice(&(16_u32 << 20).to_ne_bytes());
        bytes[sum_at - 56..sum_at - 52].copy_from_slice(&64_u32.to_ne_bytes());
        let sum = CRC.checksum(&bytes[..sum_at]);
        bytes[sum_at..sum_at + 4].copy_from_slice(&sum.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_good_file_is_read() {
        for sum_at in [288, 292, 296] {
            let it = ControlFile::parse(&file(sum_at)).unwrap();
            assert_eq!(it.system_identifier, 7_300_000_000_000_000_001);
            assert_eq!(it.state, ClusterState::InProduction);
            assert_eq!((it.timeline, it.catalogue_version), (3, 202_209_061));
            assert_eq!(it.wal_segment_size, Some(16 << 20));
        }
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let good = file(288);
        for at in 0..292 {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(ControlFile::parse(&bad), Err(ControlFileError::Damaged), "byte {at}");
        }
        for length in [0, 1, 199, 287, 291] {
            assert_eq!(ControlFile::parse(&good[..length]), Err(ControlFileError::Damaged));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = ControlFile::parse(&bytes);
        }
    }
}
