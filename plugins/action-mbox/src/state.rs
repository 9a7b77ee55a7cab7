//! What of each mailbox was backed up since the last full backup.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use hayloft_dump::open_regular;
use hayloft_plugin_api::{Error, Host, OutputOptions, Result};
use thiserror::Error as ThisError;

use crate::{choice::Counts, digest::Digest};

const FIRST: &str = "hayloft mailboxes 1";
const LAST: &str = "end";
/// No line is longer: the longest has a name, of which each byte may take
/// three.
const LONGEST: u64 = 1024;

/// What was backed up of one mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Into earlier files than the last one.
    pub before: Counts,
    /// Into the last one.
    pub today: Counts,
}

/// What was backed up of the mailboxes of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The day of the last backup, as in the names of files.
    pub day: String,
    /// Which file of that day it went into, from 1.
    pub part: u32,
    /// Whether that file is a full backup.
    pub whole: bool,
    /// The mailboxes, by their names without a directory.
    pub mailboxes: BTreeMap<OsString, Known>,
}

/// Why a state file cannot be used.
#[derive(Debug, ThisError)]
pub(crate) enum Unusable {
    #[error("cannot read it")]
    Read(#[from] io::Error),
    #[error("line {0} is not what it must be")]
    Line(usize),
}

impl State {
    /// Reads a state; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is there but damaged.
    pub(crate) fn load(path: &Path) -> std::result::Result<Option<Self>, Unusable> {
        match open_regular(path) {
            Ok(file) => Self::read(BufReader::new(file)).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn read(mut from: impl BufRead) -> std::result::Result<Self, Unusable> {
        let mut state = Self::default();
        let mut current: Option<&mut Known> = None;
        let mut ended = false;
        let mut line = String::new();
        for at in 0.. {
            line.clear();
            if from.by_ref().take(LONGEST).read_line(&mut line)? == 0 {
                break;
            }
            let wrong = || Unusable::Line(at + 1);
            let line = line.strip_suffix('\n').ok_or_else(wrong)?;
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (at, kind) {
                _ if ended => return Err(wrong()),
                (0, _) if line == FIRST => {}
                (0, _) => return Err(wrong()),
                (1, "day") => rest.clone_into(&mut state.day),
                (2, "part") => state.part = rest.parse().map_err(|_| wrong())?,
                (3, "whole" | "new") => state.whole = kind == "whole",
                (_, "mailbox") => {
                    let name = decode(rest).ok_or_else(wrong)?;
                    current = Some(state.mailboxes.entry(name).or_default());
                }
                (_, "before" | "today") => {
                    let known = current.as_mut().ok_or_else(wrong)?;
                    let counts = if kind == "today" { &mut known.today } else { &mut known.before };
                    let (digest, number) = rest.split_once(' ').ok_or_else(wrong)?;
                    let digest = Digest::parse(digest).ok_or_else(wrong)?;
                    counts.add_many(digest, number.parse().map_err(|_| wrong())?);
                }
                (_, LAST) => ended = true,
                _ => return Err(wrong()),
            }
        }
        if ended { Ok(state) } else { Err(Unusable::Line(0)) }
    }

    /// Replaces the state at `path`; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the earlier one is still there then.
    pub(crate) fn save(&self, host: &Host, path: &Path) -> Result<()> {
        let save = || -> Result<()> {
            let mut output = io::BufWriter::new(host.create(path, &OutputOptions::default())?);
            self.write(&mut output)?;
            let output = output.into_inner().map_err(io::IntoInnerError::into_error)?;
            output.commit().map(drop)
        };
        save().map_err(|error: Error| {
            error.context(format!("cannot remember in {} what was backed up", path.display()))
        })
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let kind = if self.whole { "whole" } else { "new" };
        writeln!(to, "{FIRST}\nday {}\npart {}\n{kind}", self.day, self.part)?;
        for (name, known) in &self.mailboxes {
            writeln!(to, "mailbox {}", encode(name))?;
            for (kind, counts) in [("before", &known.before), ("today", &known.today)] {
                for (digest, number) in counts.sorted() {
                    writeln!(to, "{kind} {digest} {number}")?;
                }
            }
        }
        writeln!(to, "{LAST}")
    }
}

fn encode(name: &OsStr) -> String {
    let mut text = String::new();
    for byte in name.as_bytes() {
        if byte.is_ascii_graphic() && *byte != b'%' {
            text.push(char::from(*byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn decode(text: &str) -> Option<OsString> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let digit = |it: &u8| char::from(*it).to_digit(16).and_then(|it| u8::try_from(it).ok());
            bytes.push((digit(rest.next()?)? << 4) | digit(rest.next()?)?);
        } else {
            bytes.push(*byte);
        }
    }
    Some(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::digest;

    fn text(state: &State) -> Vec<u8> {
        let mut text = Vec::new();
        state.write(&mut text).unwrap();
        text
    }

    fn example() -> State {
        let mut known = Known::default();
        known.before.add_many(digest::of(b"a"), 2);
        known.today.add(digest::of(b"b"));
        let name = OsString::from_vec(b"odd name\n%41\xff".to_vec());
        let mailboxes = [(name, known)].into();
        State { day: "20261121".into(), part: 2, whole: true, mailboxes }
    }

    #[test]
    fn a_state_that_is_not_whole_is_not_used() {
        let whole = text(&example());
        for length in 0..whole.len() - 1 {
            assert!(State::read(&whole[..length]).is_err(), "{length}");
        }
        let more = [&whole, b"x\n".as_slice()].concat();
        assert!(State::read(more.as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn every_state_is_read_back(
            mailboxes in prop::collection::btree_map(
                any::<Vec<u8>>(),
                prop::collection::vec((any::<u8>(), 1..3_u32, any::<bool>()), 0..5),
                0..4,
            ),
        ) {
            let mut state = State { day: "20261121".into(), ..State::default() };
            for (name, messages) in mailboxes {
                let known = state.mailboxes.entry(OsString::from_vec(name)).or_default();
                for (message, number, today) in messages {
                    let counts = if today { &mut known.today } else { &mut known.before };
                    counts.add_many(digest::of(&[b'x', message]), number);
                }
            }
            prop_assert_eq!(State::read(text(&state).as_slice()).unwrap(), state);
        }

        #[test]
        fn no_file_makes_it_panic(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            prop_assert!(State::read(bytes.as_slice()).is_err());
            let mut changed = text(&example());
            let index = at.index(changed.len());
            changed[index] = byte;
            let _ = State::read(changed.as_slice());
        }
    }
}
