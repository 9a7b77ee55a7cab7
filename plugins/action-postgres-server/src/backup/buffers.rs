//! Buffers that are used again: the kernel need not clear new memory for each
//! frame.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use crate::manifest::{BLOCK, BLOCKS};

/// Bytes of a buffer: a frame, and what a compressor may make of one that it
/// cannot make smaller.
const SIZE: usize = BLOCK * BLOCKS + BLOCK * BLOCKS / 128 + 4096;

/// Buffers that nobody uses at the moment.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Some bytes; the memory goes back when it is dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Option<Buffers>,
}

/// Memory that begins where a page does, as a disk wants it that is written to
/// past the kernel's cache.
#[derive(Default)]
pub(crate) struct Aligned(Vec<u8>);

impl Aligned {
    /// A multiple of what any disk asks for, in bytes.
    pub(crate) const PAGE: usize = 4096;

    /// Returns so many bytes; what is in them is not said.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        if self.0.len() < length + Self::PAGE {
            self.0.resize(length + Self::PAGE, 0);
        }
        let start = self.0.as_ptr().align_offset(Self::PAGE).min(Self::PAGE);
        &mut self.0[start..start + length]
    }
}

impl fmt::Debug for Aligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aligned").field("length", &self.0.len()).finish_non_exhaustive()
    }
}

impl Buffers {
    /// Returns a buffer of so many bytes, at least as many as a frame has if
    /// it is shorter than that; what is in it is not said.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = waiting.unwrap_or_else(|| vec![0; SIZE]);
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Buffer { bytes, length, home: Some(self.clone()) }
    }
}

impl Buffer {
    /// Makes one of bytes that came from elsewhere.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len(), bytes, home: None }
    }

    /// Gives all the room that there is.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Says how many bytes are used.
    pub(crate) fn set_length(&mut self, length: usize) {
        self.length = length.min(self.bytes.len());
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let bytes = std::mem::take(&mut self.bytes);
            home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("length", &self.length).finish_non_exhaustive()
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_begins_where_a_page_does_and_stays_there() {
        let mut memory = Aligned::default();
        for length in [0, 1, 4096, 5000, 1 << 20, 17] {
            let room = memory.room(length);
            assert_eq!((room.len(), room.as_ptr() as usize % Aligned::PAGE), (length, 0));
        }
    }
}
