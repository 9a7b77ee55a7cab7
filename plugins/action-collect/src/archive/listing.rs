//! What a directory had in it when it was collected.
//!
//! It is kept as GNU tar keeps it in incremental archives (the pax record
//! `GNU.dumpdir`), so that `tar --listed-incremental=/dev/null -x` honours
//! deletions too. Names that are there but do not belong to the backup must
//! be in that record, or GNU tar would delete them; which ones those are is
//! said in a `comment` record, which GNU tar passes over.

/// How much of a name is in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The file is a member of this archive.
    Stored,
    /// The file is unchanged, and in an earlier archive.
    Unchanged,
    /// It is a directory, and a member of this archive.
    Directory,
    /// It is there, but was left out: excluded, a socket, or the business of
    /// another archive.
    LeftOut,
}

/// The names in a directory, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Each name without its directory, and where to find it.
    pub names: Vec<(Vec<u8>, Presence)>,
}

/// How a `comment` that lists what was left out begins.
const LEFT_OUT: &[u8] = b"left out";

impl Listing {
    /// Returns the value of the `GNU.dumpdir` record.
    pub(super) fn dumpdir(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.names.iter().map(|(n, _)| n.len() + 2).sum());
        for (name, presence) in &self.names {
            out.push(match presence {
                Presence::Stored => b'Y',
                Presence::Directory => b'D',
                Presence::Unchanged | Presence::LeftOut => b'N',
            });
            out.extend_from_slice(name);
            out.push(0);
        }
        out.push(0);
        out
    }

    /// Returns the value of the `comment` record, or `None` if none is needed.
    pub(super) fn comment(&self) -> Option<Vec<u8>> {
        let mut out = LEFT_OUT.to_vec();
        for (name, _) in self.names.iter().filter(|(_, it)| *it == Presence::LeftOut) {
            out.push(0);
            out.extend_from_slice(name);
        }
        (out.len() > LEFT_OUT.len()).then_some(out)
    }

    /// Puts the two records together again. Letters that nobody writes any
    /// more are passed over.
    pub(super) fn parse(dumpdir: &[u8], comment: Option<&[u8]>) -> Self {
        let mut left_out: Vec<&[u8]> = comment
            .and_then(|it| it.strip_prefix(LEFT_OUT))
            .map(|it| it.split(|&b| b == 0).skip(1).collect())
            .unwrap_or_default();
        left_out.sort_unstable();
        let names = dumpdir
            .split(|&b| b == 0)
            .filter_map(|it| {
                let (letter, name) = it.split_first()?;
                let presence = match letter {
                    b'Y' => Presence::Stored,
                    b'D' => Presence::Directory,
                    b'N' if left_out.binary_search(&name).is_ok() => Presence::LeftOut,
                    b'N' => Presence::Unchanged,
                    _ => return None,
                };
                let usable = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
                usable.then(|| (name.to_vec(), presence))
            })
            .collect();
        Self { names }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn it_looks_as_gnu_tar_writes_it() {
        let listing = Listing {
            names: vec![
                (b"a".to_vec(), Presence::Stored),
                (b"b".to_vec(), Presence::Directory),
                (b"c".to_vec(), Presence::Unchanged),
                (b"d".to_vec(), Presence::LeftOut),
            ],
        };
        assert_eq!(listing.dumpdir(), b"Ya\0Db\0Nc\0Nd\0\0");
        assert_eq!(listing.comment().unwrap(), b"left out\0d");
        let back = Listing::parse(&listing.dumpdir(), listing.comment().as_deref());
        assert_eq!(back, listing);
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_taken() {
        assert_eq!(Listing::parse(b"Y..\0Da/b\0N.\0Y\0\0", None), Listing::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_listing(a in vec(any::<u8>(), 0..60), b in vec(any::<u8>(), 0..60)) {
            let _ = Listing::parse(&a, Some(&b));
        }
    }
}
