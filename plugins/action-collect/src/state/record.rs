//! What is remembered of a file.

use crate::archive::Time;

/// Everything that shows that a file has changed without reading it.
///
/// The time of the last status change (`ctime`) cannot be set by a program,
/// and moves with every change of content, owner, permissions, attributes and
/// name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The name in its directory.
    pub name: Vec<u8>,
    /// Type and permissions, as `stat` returns them.
    pub mode: u32,
    /// The size in bytes.
    pub size: u64,
    /// When the content changed last.
    pub mtime: Time,
    /// When anything changed last.
    pub ctime: Time,
    /// The number of the file on its file system.
    pub ino: u64,
    /// The number of the file system.
    pub dev: u64,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Which device it is, if it is one.
    pub rdev: u64,
    /// Whether it changed so shortly before it was looked at that another
    /// change may have left the same times. It then counts as changed.
    pub racy: bool,
    /// Whether it has further names (hard links).
    pub has_other_names: bool,
}

impl Record {
    /// Tells whether the file that `now` was taken of is the one that `self`
    /// was taken of, unchanged.
    pub fn is_unchanged(&self, now: &Self) -> bool {
        // `now` may be young: what counts is whether the old one can be trusted.
        !self.racy
            && Self { racy: false, has_other_names: false, name: Vec::new(), ..self.clone() }
                == Self { racy: false, has_other_names: false, name: Vec::new(), ..now.clone() }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        number(out, self.name.len() as u64);
        out.extend_from_slice(&self.name);
        let flags = u64::from(self.has_other_names) << 1 | u64::from(self.racy);
        number(out, u64::from(self.mode) << 2 | flags);
        number(out, self.size);
        for Time { seconds, nanoseconds } in [self.mtime, self.ctime] {
            number(out, (seconds.cast_unsigned() << 1) ^ (seconds >> 63).cast_unsigned());
            number(out, u64::from(nanoseconds));
        }
        for it in [self.ino, self.dev, u64::from(self.uid), u64::from(self.gid), self.rdev] {
            number(out, it);
        }
    }

    pub(super) fn decode(input: &mut dyn FnMut() -> Option<u64>, name: Vec<u8>) -> Option<Self> {
        let mode = input()?;
        let size = input()?;
        let mut time = || {
            let zigzag = input()?;
            let seconds = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            Some(Time { seconds, nanoseconds: u32::try_from(input()?).ok()? })
        };
        Some(Self {
            name,
            mode: u32::try_from(mode >> 2).ok()?,
            racy: mode & 1 != 0,
            has_other_names: mode & 2 != 0,
            size,
            mtime: time()?,
            ctime: time()?,
            ino: input()?,
            dev: input()?,
            uid: u32::try_from(input()?).ok()?,
            gid: u32::try_from(input()?).ok()?,
            rdev: input()?,
        })
    }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen() {
        let old = Record { size: 5, ..Record::default() };
        assert!(old.is_unchanged(&old));
        let changes: [fn(&mut Record); 9] = [
            |it| it.mode = 1,
            |it| it.size = 6,
            |it| it.mtime.nanoseconds = 1,
            |it| it.ctime.seconds = 1,
            |it| it.ino = 1,
            |it| it.dev = 1,
            |it| it.uid = 1,
            |it| it.gid = 1,
            |it| it.rdev = 1,
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut now = old.clone();
            change(&mut now);
            assert!(!old.is_unchanged(&now), "change {n}");
        }
    }

    #[test]
    fn a_file_that_was_young_counts_as_changed_next_time() {
        let young = Record { racy: true, ..Record::default() };
        let settled = Record::default();
        assert!(!young.is_unchanged(&settled));
        assert!(!young.is_unchanged(&young));
        assert!(settled.is_unchanged(&young));
    }
}
