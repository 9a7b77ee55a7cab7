//! Brings a long file to the disk while it is still being written.

use std::{
    fs::File,
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

/// How many bytes may be waiting in memory before the disk is set to work.
const STRIDE: u64 = 32 << 20;

/// Syncs a file in the background every [`STRIDE`] bytes, so that the last
/// sync, which somebody waits for, has little left to do.
///
/// The system reports a failed write to one sync only, so what goes wrong here
/// must be passed on: see [`Writeback::finish`].
#[derive(Debug, Default)]
pub(super) struct Writeback {
    pending: u64,
    thread: Option<Thread>,
}

impl Writeback {
    /// Takes note that so many bytes more were written.
    pub(super) fn wrote(&mut self, file: &File, bytes: u64) {
        self.pending += bytes;
        if self.pending < STRIDE {
            return;
        }
        self.pending = 0;
        if self.thread.is_none() {
            self.thread = start(file).ok();
        }
        if let Some((sender, _)) = &self.thread {
            // A sync that is under way takes these bytes along, or the next.
            let _ = sender.try_send(());
        }
    }

    /// Waits until no sync is under way any more.
    ///
    /// # Errors
    ///
    /// What went wrong with one of them. The file is not good then, whatever
    /// the last sync says.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let Some((sender, thread)) = self.thread.take() else { return Ok(()) };
        drop(sender);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the background sync panicked")))
    }
}

type Thread = (SyncSender<()>, JoinHandle<io::Result<()>>);

fn start(file: &File) -> io::Result<Thread> {
    let file = file.try_clone()?;
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new().name("writeback".to_owned()).spawn(move || {
        while receiver.recv().is_ok() {
            file.sync_data()?;
        }
        Ok(())
    })?;
    Ok((sender, thread))
}
