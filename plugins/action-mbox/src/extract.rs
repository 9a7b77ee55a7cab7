//! Takes what is new out of a mailbox, byte for byte.

use std::{
    fs::{File, Metadata},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result};

use crate::{
    choice::{self, Before, Counts},
    joined::Joined,
    lock, scan,
    scan::Contents,
};

/// How often a mailbox is read again that was changed meanwhile.
pub(crate) const TRIES: u32 = 3;

/// A mailbox to read.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    /// Where it is.
    pub path: PathBuf,
    /// How long others may have it locked.
    pub patience: Duration,
}

/// What was taken.
#[derive(Debug)]
pub(crate) struct Extract {
    /// The messages that were taken.
    pub taken: Counts,
    /// The other messages.
    pub left: Counts,
    /// Their number.
    pub messages: usize,
    /// Whether it is a mailbox at all; what is none is taken whole.
    pub is_mailbox: bool,
    /// The facts about the file.
    pub metadata: Metadata,
}

/// Writes what is new in a mailbox to `sink`; `Ok(None)` if it was changed
/// meanwhile by a program that does not lock: what was written is worth
/// nothing then. What is added at the end meanwhile is for the next time.
///
/// # Errors
///
/// Those of locking, reading and writing; [`ErrorKind::CANCELLED`].
pub(crate) fn extract<W: Write>(
    host: &Host,
    mailbox: &Mailbox,
    before: &Before,
    sink: &mut Joined<W>,
) -> Result<Option<Extract>> {
    let path = &mailbox.path;
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot back up {}", path.display()));
    let file = lock::open(host, path, mailbox.patience)?;
    let metadata = file.metadata().map_err(failed)?;
    let size = metadata.len();
    let mut reading = Reading { host, path, done: 0, size };
    let found = match before {
        Before::Nothing => whole(&file, &mut reading, sink),
        Before::Since(_) | Before::Known(_) => new(&file, &mut reading, before, sink),
    };
    let (contents, chosen) = match found {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    if !is_unchanged(&file, &metadata, &contents, before).map_err(failed)? {
        return Ok(None);
    }
    let (mut taken, mut left) = (Counts::default(), Counts::default());
    let mut next = chosen.iter().peekable();
    for (number, message) in contents.messages.iter().enumerate() {
        let is_taken = next.next_if(|it| **it == number).is_some();
        if is_taken { &mut taken } else { &mut left }.add(message.digest);
    }
    let is_mailbox = contents.is_mailbox;
    Ok(Some(Extract { taken, left, messages: chosen.len(), is_mailbox, metadata }))
}

/// Fails, and says of which mailbox.
pub(crate) fn never_at_rest(mailbox: &Path) -> Error {
    let message =
        format!("{} was changed each of the {TRIES} times that it was read", mailbox.display());
    Error::new(ErrorKind::TRANSIENT, message)
        .hint("a program changes it without locking it; back it up when that does not run")
}

struct Reading<'a> {
    host: &'a Host,
    path: &'a Path,
    done: u64,
    size: u64,
}

impl Reading<'_> {
    fn seen(&mut self, piece: &[u8]) -> io::Result<()> {
        self.done += piece.len() as u64;
        let what = self.path.to_string_lossy();
        self.host.progress(Progress { what: &what, done: self.done, total: self.size });
        self.host.check_cancelled().map_err(Error::into_io)
    }
}

fn whole<W: Write>(
    file: &File,
    reading: &mut Reading<'_>,
    sink: &mut Joined<W>,
) -> io::Result<(Contents, Vec<usize>)> {
    let contents = scan::scan(file, reading.size, false, |piece| {
        reading.seen(piece)?;
        sink.write_all(piece)
    })?;
    let chosen = (0..contents.messages.len()).collect();
    Ok((contents, chosen))
}

fn new<W: Write>(
    file: &File,
    reading: &mut Reading<'_>,
    before: &Before,
    sink: &mut Joined<W>,
) -> io::Result<(Contents, Vec<usize>)> {
    let dates = matches!(before, Before::Since(_));
    let contents = scan::scan(file, reading.size, dates, |piece| reading.seen(piece))?;
    let chosen = choice::choose(&contents.messages, before);
    let mut end = None;
    for message in chosen.iter().map(|it| &contents.messages[*it]) {
        if end != Some(message.offset) {
            sink.separate()?;
        }
        scan::copy(file, message.offset, message.length, |piece| {
            reading.host.check_cancelled().map_err(Error::into_io)?;
            sink.write_all(piece)
        })?;
        end = Some(message.offset + message.length);
    }
    Ok((contents, chosen))
}

/// Tells whether what was read is what is there, but for what was added.
fn is_unchanged(file: &File, before: &Metadata, read: &Contents, how: &Before) -> io::Result<bool> {
    let facts = |it: &Metadata| (it.len(), it.mtime(), it.mtime_nsec());
    let after = file.metadata()?;
    if facts(&after) == facts(before) {
        return Ok(true);
    }
    if after.len() < before.len() {
        return Ok(false);
    }
    let dates = matches!(how, Before::Since(_));
    match scan::scan(file, before.len(), dates, |_| Ok(())) {
        Ok(again) => Ok(again == *read),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    fn message(name: &str) -> String {
        format!("From {name} Sat Jan  3 01:05:34 2026\nSubject: {name}\n\nbody of {name}\n\n")
    }

    fn taken(host: &TestHost, text: &str, before: &Before) -> (String, Extract) {
        let path = host.directory().join("mailbox");
        fs::write(&path, text).unwrap();
        let mailbox = Mailbox { path, patience: Duration::from_secs(1) };
        let mut sink = Joined::new(Vec::new());
        let extract = extract(&host.host(), &mailbox, before, &mut sink).unwrap().unwrap();
        (String::from_utf8(sink.into_inner()).unwrap(), extract)
    }

    #[test]
    fn everything_is_taken_byte_for_byte_and_then_what_is_new() {
        let host = TestHost::new().unwrap();
        let (a, b, c) = (message("a"), message("b"), message("c"));
        let odd = format!("\n\n{a}{}", b.trim_end());
        let (out, full) = taken(&host, &odd, &Before::Nothing);
        assert_eq!(out, odd);
        assert_eq!((full.messages, full.is_mailbox), (2, true));

        let known = Before::Known(full.taken);
        assert_eq!(taken(&host, &odd, &known).0, "");
        let later = format!("{c}{b}{a}{a}");
        assert_eq!(taken(&host, &later, &known).0, format!("{c}{a}"));
    }

    #[test]
    fn what_is_no_mailbox_is_taken_whole() {
        let host = TestHost::new().unwrap();
        let (out, extract) = taken(&host, "no mailbox\n", &Before::Nothing);
        assert_eq!(out, "no mailbox\n");
        assert!(!extract.is_mailbox);
        let known = Before::Known(extract.taken);
        assert_eq!(taken(&host, "no mailbox\n", &known).0, "");
        assert_eq!(taken(&host, "another\n", &known).0, "another\n");
        assert_eq!(taken(&host, "", &known).0, "");
    }

    /// Changes the mailbox as soon as something is read of it.
    struct Meddler<'a> {
        path: &'a Path,
        change: Option<&'a dyn Fn(&Path)>,
    }

    impl Write for Meddler<'_> {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            if let Some(change) = self.change.take() {
                change(self.path);
            }
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_change_meanwhile_is_seen_and_growth_does_no_harm() {
        let text = message("a").repeat(3);
        let replaced = text.replace("body", "BODY");
        let shorter = message("a");
        let more = format!("{text}{}", message("b"));
        let cases: [(&str, bool); 4] =
            [(&more, true), (&text, true), (&replaced, false), (&shorter, false)];
        for before in [Before::Nothing, Before::Known(Counts::default())] {
            for (after, good) in cases {
                let host = TestHost::new().unwrap();
                let path = host.directory().join("mailbox");
                fs::write(&path, &text).unwrap();
                let change = |path: &Path| fs::write(path, after).unwrap();
                let mut sink = Joined::new(Meddler { path: &path, change: Some(&change) });
                let mailbox = Mailbox { path: path.clone(), patience: Duration::from_secs(1) };
                let found = extract(&host.host(), &mailbox, &before, &mut sink).unwrap();
                assert_eq!(found.is_some(), good, "{after}");
            }
        }
    }
}
