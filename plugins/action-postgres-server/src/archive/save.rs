//! Storing a file in every storage of a server.

use std::path::Path;

use hayloft_plugin_api::{Error, ErrorKind, ObjectMeta, Result};
use hayloft_postgres::wal::FileName;

use super::{
    Archive, Receipt, Stored, compare, digest,
    events::{About, Events},
    identity::Identity,
    joined, read, retry,
    source::Source,
    target::Target,
    write,
};

/// An object that is in a storage now.
#[derive(Debug)]
struct Outcome {
    object: ObjectMeta,
    new: bool,
}

/// What came of it in one storage.
type Attempt = Result<Outcome>;

impl Archive<'_> {
    /// Stores a file in every storage of the server. See the module for what
    /// is guaranteed. What may work in a moment is tried three times.
    ///
    /// # Errors
    ///
    /// As described there; every storage's error is in the message.
    pub(crate) fn save(&self, name: FileName, path: &Path) -> Result<Receipt> {
        self.save_known(name, path, false)
    }

    /// The same. If `known`, the receipt tells by what the file can be known
    /// again: the hash of its content, unless it has a stamp.
    ///
    /// # Errors
    ///
    /// As [`Archive::save`].
    pub(crate) fn save_known(&self, name: FileName, path: &Path, known: bool) -> Result<Receipt> {
        let source = Source::open(name, path)?;
        let hashed = known && source.stamp.is_none();
        let targets: Vec<&Target> = self.written().collect();
        if targets.is_empty() {
            let message =
                format!("server {} has no storage that WAL is written to", self.server.name);
            return Err(Error::new(ErrorKind::CONFIGURATION, message)
                .hint("one <storage> of <wal> must be without <read_only>"));
        }
        let events = Events { host: self.host, server: &self.server.name };
        let about = about(&source, &targets);
        self.one_at_a_time(|| events.before("archive", &about))?;
        let saved = self.store(&source, &targets, hashed);
        let after = saved.as_ref().ok().and_then(|it| About::stored(self.host, &it.copies));
        let error = saved.as_ref().err();
        self.one_at_a_time(|| events.after("archive", after.as_ref().unwrap_or(&about), error));
        saved
    }

    fn store(&self, source: &Source, targets: &[&Target], hashed: bool) -> Result<Receipt> {
        let mut content = None;
        let mut done: Vec<Option<Attempt>> = targets.iter().map(|_| None).collect();
        for number in 1..=retry::TRIES {
            let waiting: Vec<usize> = (0..targets.len())
                .filter(|at| match &done[*at] {
                    None => true,
                    Some(Err(error)) => retry::is_worth(error),
                    Some(Ok(_)) => false,
                })
                .collect();
            if waiting.is_empty() {
                break;
            }
            if number > 1 {
                retry::pause(number - 1);
            }
            let still: Vec<&Target> = waiting.iter().map(|at| targets[*at]).collect();
            let (attempts, hash) = self.attempt(source, &still, hashed)?;
            content = content.or(hash);
            for (at, attempt) in waiting.into_iter().zip(attempts) {
                if let Err(error) = &attempt {
                    tracing::info!("{error}");
                }
                done[at] = Some(attempt.map_err(|e| numbered(e, number)));
            }
        }
        let stamp = source.stamp.clone();
        Ok(Receipt { content, stamp, ..self.receipt(source, targets, done)? })
    }

    /// Stores the file where it is not yet; one answer for each storage, and
    /// the hash of the content if it was computed.
    fn attempt(
        &self,
        source: &Source,
        targets: &[&Target],
        hashed: bool,
    ) -> Result<(Vec<Attempt>, Option<String>)> {
        let mut content = None;
        let mut done: Vec<Option<Attempt>> =
            targets.iter().map(|target| self.present(source, target).transpose()).collect();
        let missing: Vec<usize> = (0..targets.len()).filter(|at| done[*at].is_none()).collect();
        if !missing.is_empty() {
            let wanting: Vec<&Target> = missing.iter().map(|at| targets[*at]).collect();
            let manner = write::Manner {
                host: self.host,
                server: &self.server.name,
                threads: self.threads,
                hashed,
                rooms: self.rooms.as_ref(),
            };
            let (put, hash) = write::store(&manner, source, &wanting)?;
            content = hash;
            for (at, result) in missing.into_iter().zip(put) {
                let target = targets[at];
                done[at] = Some(match result {
                    Ok(object) => Ok(Outcome { object, new: true }),
                    // Somebody else was quicker, or our own answer got lost.
                    Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => {
                        self.present(source, target).and_then(|it| it.ok_or(error))
                    }
                    Err(error) => Err(target.failed("write to", error)),
                });
            }
        }
        let silent = || Err(Error::msg("a storage gave no answer"));
        Ok((done.into_iter().map(|it| it.unwrap_or_else(silent)).collect(), content))
    }

    /// Tells whether a storage has the file already, with the same content.
    fn present(&self, source: &Source, target: &Target) -> Result<Option<Outcome>> {
        if let Some(header) = &source.header {
            self.claim(target, &Identity::of(header), source.name)?;
        }
        let forms = self.forms(target, source.name)?;
        for form in &forms {
            if !self.same(source, target, form)? {
                let key = &form.object.key;
                let message = format!("{key} in storage {} has other content", target.name());
                return Err(Error::new(ErrorKind::ALREADY_EXISTS, message)
                    .hint("two servers may archive under one name; nothing was overwritten"));
            }
        }
        let last = forms.into_iter().next_back();
        Ok(last.map(|it| Outcome { object: it.object, new: false }))
    }

    /// Compares the content; what cannot be decrypted here, by what was noted
    /// of it.
    fn same(&self, source: &Source, target: &Target, form: &Stored) -> Result<bool> {
        let storage = target.storage(self.host)?;
        let key = &form.object.key;
        let opened =
            read::open(self.host, storage, key).and_then(|mut it| compare::same(source, &mut it));
        let error = match opened {
            Ok(same) => return Ok(same),
            Err(error) => error,
        };
        let failed = |e: Error| {
            let e = e.context(format!("cannot compare it with {key}"));
            target.failed("look into", e)
        };
        // Not there any more, or no key for it.
        if error.kind() == ErrorKind::NOT_FOUND && storage.stat(key).map_err(failed)?.is_some() {
            let content = source.hash()?;
            let noted = digest::same(storage, &self.server.name, source.name, key, &content);
            if let Some(same) = noted.map_err(failed)? {
                return Ok(same);
            }
        }
        Err(failed(error))
    }

    fn receipt(
        &self,
        source: &Source,
        targets: &[&Target],
        done: Vec<Option<Attempt>>,
    ) -> Result<Receipt> {
        let mut receipt = Receipt { copies: Vec::new(), new: false, content: None, stamp: None };
        let mut failures = Vec::new();
        for (target, attempt) in targets.iter().zip(done) {
            match attempt {
                Some(Ok(Outcome { object, new })) => {
                    receipt.new |= new;
                    receipt.copies.extend(self.stored(target, object));
                }
                Some(Err(error)) => failures.push(error),
                None => failures.push(Error::msg("a storage was not asked")),
            }
        }
        if failures.is_empty() {
            return Ok(receipt);
        }
        let stored: Vec<&str> = receipt.copies.iter().map(|it| it.storage.as_str()).collect();
        Err(joined(failures, &format!("{} is not archived", source.name), &stored))
    }
}

fn numbered(error: Error, number: u32) -> Error {
    if number > 1 { retry::counted(error, number) } else { error }
}

fn about(source: &Source, targets: &[&Target]) -> About {
    About {
        name: source.name,
        file: source.path.clone(),
        storages: targets.iter().map(|it| it.name().to_owned()).collect(),
        size: source.size,
        modified: source.modified,
        compression: String::new(),
    }
}
