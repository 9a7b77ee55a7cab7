//! Buffers that go round between the thread that fills and the one that
//! writes.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    time::Duration,
};

use super::PackError;

const SIZE: usize = 512 << 10;
const COUNT: usize = 6;

/// A piece of an archive.
#[derive(Debug)]
pub(super) struct Buffer {
    data: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { data: vec![0; SIZE].into(), filled: 0 }
    }

    pub(super) fn filled(&self) -> &[u8] {
        &self.data[..self.filled]
    }
}

/// The end that fills.
#[derive(Debug)]
pub(super) struct Buffers {
    current: Buffer,
    full: SyncSender<Buffer>,
    empty: Receiver<Buffer>,
    made: usize,
}

/// The end that writes.
#[derive(Debug)]
pub(super) struct Filled {
    full: Receiver<Buffer>,
    empty: Sender<Buffer>,
}

impl Buffers {
    pub(super) fn new() -> (Self, Filled) {
        let (full, filled) = sync_channel(COUNT);
        let (back, empty) = channel();
        let buffers = Self { current: Buffer::new(), full, empty, made: 1 };
        (buffers, Filled { full: filled, empty: back })
    }

    /// Returns room to put data into, at least one byte of it.
    pub(super) fn room(&mut self) -> Result<&mut [u8], PackError> {
        if self.current.filled == SIZE {
            self.pass_on()?;
        }
        Ok(&mut self.current.data[self.current.filled..])
    }

    /// Says that so many bytes of the room have been filled.
    pub(super) fn advance(&mut self, filled: usize) {
        self.current.filled += filled;
    }

    pub(super) fn put(&mut self, mut data: &[u8]) -> Result<(), PackError> {
        while !data.is_empty() {
            let room = self.room()?;
            let length = room.len().min(data.len());
            room[..length].copy_from_slice(&data[..length]);
            self.advance(length);
            data = &data[length..];
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, mut count: u64) -> Result<(), PackError> {
        while count > 0 {
            let room = self.room()?;
            let length = usize::try_from(count).unwrap_or(usize::MAX).min(room.len());
            room[..length].fill(0);
            self.advance(length);
            count -= length as u64;
        }
        Ok(())
    }

    fn pass_on(&mut self) -> Result<(), PackError> {
        let next = if self.made < COUNT {
            self.made += 1;
            Buffer::new()
        } else {
            self.empty.recv().map_err(|_| PackError::Cancelled)?
        };
        let full = std::mem::replace(&mut self.current, next);
        self.current.filled = 0;
        // The other end is gone only if it failed, and says why itself.
        self.full.send(full).map_err(|_| PackError::Cancelled)
    }

    pub(super) fn finish(mut self) -> Result<(), PackError> {
        self.pass_on()
    }
}

impl Filled {
    pub(super) fn next(&self, patience: Duration) -> Result<Buffer, RecvTimeoutError> {
        self.full.recv_timeout(patience)
    }

    pub(super) fn give_back(&self, buffer: Buffer) {
        // The other end is gone only when it needs none any more.
        let _ = self.empty.send(buffer);
    }
}
