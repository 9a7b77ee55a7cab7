//! A tree of files like that of a small server: many small files, a few large
//! ones, and contents that compress about as well as such files do.

use std::{fs, io::Write, path::Path};

/// A source of numbers that are the same in every run (xorshift64*).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Creates a source; the same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

const WORDS: [&str; 24] = [
    "backup",
    "server",
    "config",
    "value",
    "user",
    "file",
    "the",
    "and",
    "error",
    "return",
    "index",
    "table",
    "select",
    "where",
    "update",
    "name",
    "true",
    "false",
    "public",
    "static",
    "0x00ff",
    "2026-11-21",
    "localhost",
    "timeout",
];

/// Makes one block of text of `size` bytes with some numbers in it.
pub fn block(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 32);
    while text.len() < size {
        let word = WORDS[usize::try_from(numbers.below(24)).unwrap_or(0)];
        text.extend_from_slice(word.as_bytes());
        match numbers.below(8) {
            0 => text.extend_from_slice(format!(" {}\n", numbers.below(1 << 40)).as_bytes()),
            1 => text.extend_from_slice(b"=\""),
            _ => text.push(b' '),
        }
    }
    text.truncate(size);
    text
}

/// Writes a tree of `files` files and about `bytes` bytes below `root`.
/// Returns how many bytes that were.
///
/// # Panics
///
/// If the disk is full, for one.
pub fn write(root: &Path, files: u64, bytes: u64) -> u64 {
    let mut numbers = Numbers::new(42);
    let blocks: Vec<Vec<u8>> = (0..64).map(|_| block(&mut numbers, 1 << 20)).collect();
    let mean = bytes / files;
    let mut written = 0;
    for number in 0..files {
        let directory = root.join(format!("d{:03}", number % 199)).join(format!("e{}", number % 7));
        fs::create_dir_all(&directory).unwrap();
        // Nine small files, then one that makes up for them.
        let size = match number % 10 {
            0 => mean * 7 + numbers.below(mean),
            _ => mean / 6 + numbers.below(mean / 6 + 1),
        };
        let mut file = fs::File::create(directory.join(format!("f{number}.txt"))).unwrap();
        let mut left = usize::try_from(size).unwrap();
        while left > 0 {
            let block = &blocks[usize::try_from(numbers.below(64)).unwrap()];
            let offset = usize::try_from(numbers.below(1 << 18)).unwrap();
            let part = &block[offset..];
            let part = &part[..part.len().min(left)];
            file.write_all(part).unwrap();
            left -= part.len();
        }
        written += size;
    }
    written
}
