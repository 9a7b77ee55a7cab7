//! Whether what compresses and encrypts is there, and works.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write as _},
    sync::mpsc::{self, Receiver},
    thread,
};

use hayloft_plugin_api::{
    DecodeReader, EncodeWriter, Error, ErrorKind, Host, Result, StreamOptions, Transform,
};
use hayloft_postgres::check::CheckLine;

use crate::{
    config::{NONE, Server},
    intake::chain,
    probe::Deadline,
};

/// What is put through each of them.
const SAMPLE: &[u8] = &[0x68; 4096];

/// The two kinds, each a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Compression,
    Encryption,
}

/// Its kind and name, and what opens it.
pub(super) type Opened = (Kind, String, Result<Transform>);

/// Opens what a server's backups and WAL are compressed and encrypted with.
pub(super) fn of(host: &Host, server: &Server) -> Vec<Opened> {
    let mut names = BTreeSet::new();
    let mut note = |kind: Kind, name: String| {
        names.insert((kind, name));
    };
    for it in server.backup_destinations() {
        note(Kind::Compression, it.compress);
        note(Kind::Encryption, it.encrypt);
    }
    for it in server.wal_destinations().into_iter().filter(|it| !it.read_only) {
        note(Kind::Compression, it.compress);
        note(Kind::Encryption, it.encrypt);
    }
    let wanted = names.into_iter().filter(|it| it.1 != NONE);
    let open = |(kind, name): (Kind, String)| {
        let opened = match kind {
            Kind::Compression => host.compressor(&name),
            Kind::Encryption => host.encryptor(&name),
        };
        (kind, name, opened)
    };
    wanted.map(open).collect()
}

/// Those that are being tried.
pub(super) struct Asked {
    names: Vec<(Kind, String)>,
    told: Receiver<(Kind, String, Result<()>)>,
}

/// Tries each, in a thread of its own: an encryptor may be a program, which
/// may hang.
pub(super) fn ask(opened: Vec<Opened>) -> Asked {
    let (tell, told) = mpsc::channel();
    let mut names = Vec::new();
    for (kind, name, opened) in opened {
        names.push((kind, name.clone()));
        let tell = tell.clone();
        let work = move || {
            let tried = opened.and_then(|it| try_out(kind, &it));
            // Nobody waits for it any more if this fails.
            drop(tell.send((kind, name, tried)));
        };
        // Without a thread nothing comes, which is told as silence.
        drop(thread::Builder::new().name("encoding".to_owned()).spawn(work));
    }
    Asked { names, told }
}

impl Asked {
    /// Waits for what is said in time, and returns a line for each kind that
    /// there is.
    pub(super) fn lines(self, deadline: Deadline) -> Vec<CheckLine> {
        let mut said = BTreeMap::new();
        while said.len() < self.names.len() {
            let Ok((kind, name, tried)) = self.told.recv_timeout(deadline.left()) else { break };
            said.insert((kind, name), tried);
        }
        let late = || Err(Error::new(ErrorKind::TIMED_OUT, "it did not end in time"));
        let tried: Vec<(Kind, String, Result<()>)> = self
            .names
            .into_iter()
            .map(|key| {
                let tried = said.remove(&key).unwrap_or_else(late);
                (key.0, key.1, tried)
            })
            .collect();
        let kinds = [Kind::Compression, Kind::Encryption];
        kinds.into_iter().filter_map(|kind| line(kind, &tried)).collect()
    }
}

/// Puts something through it. What is compressed must come back; to decrypt
/// takes a key that may well be elsewhere.
fn try_out(kind: Kind, transform: &Transform) -> Result<()> {
    let encoder = transform.encoder(StreamOptions::default())?;
    let mut writer = EncodeWriter::new(encoder, Vec::new());
    writer.write_all(SAMPLE)?;
    let stored = writer.finish()?;
    if kind == Kind::Encryption {
        return Ok(());
    }
    let mut content = Vec::new();
    DecodeReader::new(transform.decoder()?, &stored[..]).read_to_end(&mut content)?;
    if content == SAMPLE {
        return Ok(());
    }
    Err(Error::new(ErrorKind::CORRUPT, "what it has compressed does not come back"))
}

fn line(kind: Kind, tried: &[(Kind, String, Result<()>)]) -> Option<CheckLine> {
    let mut of_kind = tried.iter().filter(|it| it.0 == kind).peekable();
    of_kind.peek()?;
    let (name, why, usual) = match kind {
        Kind::Compression => (
            "compression_settings",
            "neither backups nor WAL can be stored",
            "`hayloft plugin list` shows the compressors that there are; <compress> names one",
        ),
        Kind::Encryption => (
            "encryption_settings",
            "neither backups nor WAL can be stored, since nothing is stored in clear instead",
            "<encrypt> names an encryptor of <encryptors>, whose key must be usable here",
        ),
    };
    let (mut good, mut bad, mut remedy) = (Vec::new(), Vec::new(), None);
    for (_, name, tried) in of_kind {
        match tried {
            Ok(()) => good.push(name.as_str()),
            Err(error) => {
                bad.push(format!("{name}: {}", chain(error)));
                remedy = remedy.or_else(|| error.remedy());
            }
        }
    }
    Some(if bad.is_empty() {
        CheckLine::ok(name, good.join(", "))
    } else {
        CheckLine::failed(name, bad.join("; "), why, remedy.unwrap_or(usual))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hayloft_postgres::check::Outcome;

    use super::*;

    #[test]
    fn each_kind_is_one_line_that_names_what_is_bad() {
        let bad = || Err(Error::msg("no key").hint("make one"));
        let tried = [
            (Kind::Compression, "zstd".to_owned(), Ok(())),
            (Kind::Compression, "gzip".to_owned(), Ok(())),
            (Kind::Encryption, "team".to_owned(), bad()),
            (Kind::Encryption, "age".to_owned(), Ok(())),
        ];
        assert_eq!(line(Kind::Encryption, &tried[..2]), None);
        let good = line(Kind::Compression, &tried).unwrap();
        assert_eq!((good.outcome, good.found.as_str()), (Outcome::Ok, "zstd, gzip"));
        let bad = line(Kind::Encryption, &tried).unwrap();
        assert_eq!((bad.outcome, bad.found.as_str()), (Outcome::Failed, "team: no key"));
        assert_eq!(bad.remedy.as_deref(), Some("make one"));
    }

    #[test]
    fn one_that_hangs_costs_the_time_of_its_server_and_no_more() {
        let (tell, told) = mpsc::channel();
        let names = [(Kind::Compression, "slow".to_owned()), (Kind::Encryption, "a".to_owned())];
        let asked = Asked { names: names.to_vec(), told };
        tell.send((Kind::Encryption, "a".to_owned(), Ok(()))).unwrap();
        let lines = asked.lines(Deadline::after(Duration::from_millis(50)));
        drop(tell);
        let found: Vec<_> = lines.iter().map(|it| (it.outcome, it.found.as_str())).collect();
        let late = "slow: it did not end in time";
        assert_eq!(found, [(Outcome::Failed, late), (Outcome::Ok, "a")]);
    }
}
