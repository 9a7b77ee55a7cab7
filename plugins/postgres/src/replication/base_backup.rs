//! Base backups.

mod events;
mod options;

#[cfg(test)]
mod tests;

use std::{io::Read, iter::FusedIterator};

use bytes::Bytes;
use postgres_protocol::message::frontend;

use self::events::Follower;
pub use self::{
    events::{BackupEvent, Tablespace},
    options::{BaseBackupOptions, Compression, CompressionMethod, ManifestChecksums},
};
use super::{
    error::{About, ReplicationError},
    protocol::Message,
    session::ReplicationConnection,
    wire::Patience,
};
use crate::connection::ServerMessage;

/// How much of a manifest is sent at once, in bytes.
const PIECE: usize = 64 << 10;

/// A base backup under way: an iterator over what happens.
///
/// It is complete when the iterator has ended without an error; the last event
/// before is [`BackupEvent::End`]. A server that found damaged pages says so
/// behind it ([`ReplicationError::Damaged`]). After an error there is nothing
/// more. The bytes are those that the server sent, not
/// copied: whoever keeps a piece keeps up to 256 KiB of memory.
///
/// Dropped before its end, it leaves a connection that cannot be used any
/// more; drop that too, and the server stops.
#[derive(Debug)]
pub struct BaseBackup<'a> {
    connection: &'a mut ReplicationConnection,
    follower: Follower,
    options: BaseBackupOptions,
    over: bool,
}

impl ReplicationConnection {
    /// Begins a base backup (`BASE_BACKUP`).
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Version`] and [`ReplicationError::Invalid`] before
    /// anything is sent. What the server says comes with the events.
    pub fn base_backup(
        &mut self,
        options: &BaseBackupOptions,
    ) -> Result<BaseBackup<'_>, ReplicationError> {
        self.usable()?;
        let command = options.command(self.version())?;
        self.wire.put_query(&command)?;
        let patience = self.for_answers();
        self.runtime.block_on(self.wire.send(patience))?;
        self.occupied = true;
        let follower = Follower::new(self.version().major());
        Ok(BaseBackup { connection: self, follower, options: options.clone(), over: false })
    }

    /// Sends the manifest of the backup that the next one is to be based on
    /// (`UPLOAD_MANIFEST`, 17 and later); then ask for a backup that is
    /// [incremental](BaseBackupOptions::incremental) on this connection.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Source`] if it cannot be read;
    /// [`ReplicationError::Server`] if it is no manifest, or one of another
    /// cluster.
    pub fn upload_manifest(&mut self, manifest: &mut dyn Read) -> Result<(), ReplicationError> {
        self.usable()?;
        self.needs(17, "UPLOAD_MANIFEST", "17 or later")?;
        let patience = self.for_answers();
        self.wire.put_query("UPLOAD_MANIFEST")?;
        self.runtime.block_on(self.wire.send(patience))?;
        self.occupied = true;
        let refusal = loop {
            match self.runtime.block_on(self.wire.message(patience))? {
                Message::CopyIn => break None,
                Message::Error(error) => break Some(error),
                Message::Description | Message::Complete => {}
                _ => return Err(self.wire.unexpected("leave to send a manifest")),
            }
        };
        let source = if refusal.is_none() { self.send_copy(manifest, patience)? } else { None };
        let said = self.end_of_command(refusal)?;
        self.occupied = false;
        match (source, said) {
            (Some(error), _) => Err(ReplicationError::Source(error)),
            (None, Some(error)) => Err(ReplicationError::refused(error, About::Command)),
            (None, None) => Ok(()),
        }
    }

    /// Sends what can be read; returns why it cannot be.
    fn send_copy(
        &mut self,
        from: &mut dyn Read,
        patience: Patience,
    ) -> Result<Option<std::io::Error>, ReplicationError> {
        let mut piece = vec![0; PIECE];
        let unreadable = loop {
            let read = match from.read(&mut piece) {
                Ok(0) => break None,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => break Some(error),
            };
            let data = frontend::CopyData::new(Bytes::copy_from_slice(&piece[..read]));
            data.map_err(ReplicationError::Source)?.write(&mut self.wire.output);
            self.runtime.block_on(self.wire.send(patience))?;
        };
        if unreadable.is_none() {
            frontend::copy_done(&mut self.wire.output);
        } else {
            let put = frontend::copy_fail("it cannot be read", &mut self.wire.output);
            put.map_err(ReplicationError::Source)?;
        }
        self.runtime.block_on(self.wire.send(patience))?;
        Ok(unreadable)
    }

    /// Waits until the server waits for a command, and returns what it
    /// refused, if it did.
    pub(super) fn end_of_command(
        &mut self,
        mut refusal: Option<ServerMessage>,
    ) -> Result<Option<ServerMessage>, ReplicationError> {
        let patience = self.for_answers();
        loop {
            if let Some(error) = &refusal
                && self.wire.is_last(error)
            {
                return Ok(refusal);
            }
            match self.runtime.block_on(self.wire.message(patience))? {
                Message::Ready => return Ok(refusal),
                Message::Error(error) => refusal = Some(error),
                _ => {}
            }
        }
    }
}

impl BaseBackup<'_> {
    /// Returns the connection's means to stop it from another thread.
    pub fn canceller(&self) -> super::Canceller {
        self.connection.canceller()
    }

    /// Takes what the server said on the side: that it waits for the archive,
    /// or which files are damaged.
    pub fn take_notices(&mut self) -> Vec<ServerMessage> {
        self.connection.take_notices()
    }

    fn step(&mut self) -> Result<Option<BackupEvent>, ReplicationError> {
        loop {
            if let Some(event) = self.follower.events.pop_front() {
                return Ok(Some(event));
            }
            let message = if let Some(message) = self.connection.wire.ready()? {
                message
            } else {
                let patience = self.patience();
                let wire = &mut self.connection.wire;
                self.connection.runtime.block_on(wire.message(patience))?
            };
            match message {
                Message::Error(error) => return Err(self.refused(error)),
                Message::Ready if self.follower.is_done() => {
                    self.connection.occupied = false;
                    return Ok(None);
                }
                message => {
                    let taken = self.follower.take(message);
                    taken.map_err(|e| self.connection.wire.breaks(e.into()))?;
                }
            }
        }
    }

    fn patience(&self) -> Patience {
        if self.follower.flows() {
            Patience { limit: self.options.patience, during: "it was to send data" }
        } else {
            let limit = self.options.start_and_end_patience;
            Patience { limit, during: "it was to begin or end a base backup" }
        }
    }

    /// The server may still be used after most refusals.
    fn refused(&mut self, error: ServerMessage) -> ReplicationError {
        match self.connection.end_of_command(Some(error.clone())) {
            Ok(_) => self.connection.occupied = false,
            Err(other) => return other,
        }
        // Told at the very end, when all has been sent.
        if error.code == "XX001" && self.follower.is_done() {
            let notices = self.connection.wire.notices.iter();
            let warnings = notices.filter(|it| it.severity == "WARNING");
            let files = warnings.map(|it| it.message.clone()).collect();
            return ReplicationError::Damaged { message: Box::new(error), files };
        }
        ReplicationError::refused(error, About::Command)
    }
}

impl Iterator for BaseBackup<'_> {
    type Item = Result<BackupEvent, ReplicationError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step();
        self.over = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl FusedIterator for BaseBackup<'_> {}
