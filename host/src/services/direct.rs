//! Brings a long file to the disk past the page cache, while more of it comes.

use std::{
    fs::File,
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstatfs};

/// How much is written at a time.
const BLOCK: usize = 1 << 20;
/// How many blocks may be waiting for the disk.
const BLOCKS: usize = 4;
/// What places in memory and in the file must be multiples of. No disk has
/// larger sectors.
pub(super) const ALIGNMENT: usize = 4096;

/// File systems on which this is known to be faster, ext4 and XFS. Others
/// compress, or go through a network, and are better left to themselves.
const FILE_SYSTEMS: [u32; 2] = [0xef53, 0x5846_5342];

/// The end of a file that is being written. Blocks go to the disk as they are:
/// nothing is copied into the page cache, and the sync at the end finds nothing
/// to do.
#[derive(Debug)]
pub(super) struct Direct {
    filling: Block,
    full: SyncSender<Block>,
    empty: Receiver<Block>,
    thread: JoinHandle<io::Result<()>>,
}

impl Direct {
    /// Begins where the file ends, which must be at a multiple of
    /// [`ALIGNMENT`]. `None` if its file system is not made for that.
    pub(super) fn begin(file: &File) -> Option<Self> {
        let magic = u32::try_from(fstatfs(file).ok()?.f_type).ok()?;
        FILE_SYSTEMS.contains(&magic).then_some(())?;
        set_direct(file, true).ok()?;
        let started = start(file);
        if started.is_err() {
            let _ = set_direct(file, false);
        }
        started.ok()
    }

    pub(super) fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            data = self.filling.fill(data);
            if self.filling.filled < BLOCK {
                continue;
            }
            // Both fail only if the thread has ended, and it says why later.
            let Ok(empty) = self.empty.recv() else { return Err(ended()) };
            let full = std::mem::replace(&mut self.filling, empty);
            if self.full.send(full).is_err() {
                return Err(ended());
            }
        }
        Ok(())
    }

    /// Waits until everything is written. It is not synced.
    ///
    /// # Errors
    ///
    /// What went wrong with any of it.
    pub(super) fn finish(self, file: &mut File) -> io::Result<()> {
        drop(self.full);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))?;
        // The last block has any length.
        set_direct(file, false)?;
        file.write_all(self.filling.content())
    }

    /// Returns why the thread has ended, if `error` is that it did.
    pub(super) fn cause(self, error: io::Error) -> io::Error {
        drop(self.full);
        match self.thread.join() {
            Ok(Err(cause)) => cause,
            _ => error,
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the writer has ended")
}

fn set_direct(file: &File, on: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(fcntl_setfl(file, flags)?)
}

fn start(file: &File) -> io::Result<Direct> {
    let mut file = file.try_clone()?;
    let (full, to_write) = sync_channel::<Block>(BLOCKS);
    let (written, empty) = channel();
    for _ in 0..BLOCKS {
        // The receiver is here.
        let _ = written.send(Block::new());
    }
    let thread = thread::Builder::new().name("direct".to_owned()).spawn(move || {
        for mut block in to_write {
            write_block(&mut file, block.content())?;
            block.filled = 0;
            // Nobody needs it any more at the end.
            let _ = written.send(block);
        }
        Ok(())
    })?;
    Ok(Direct { filling: Block::new(), full, empty, thread })
}

fn write_block(file: &mut File, content: &[u8]) -> io::Result<()> {
    let mut rest = content;
    let mut direct = true;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            // A disk that is nearly full takes a part; what is left may not
            // begin where it would have to.
            Ok(written) => rest = &rest[written..],
            // The file system, or what is below it, does not do it after all.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && direct => {
                set_direct(file, false)?;
                direct = false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Memory that a disk can read itself.
#[derive(Debug)]
struct Block {
    /// More than is used, so that some of it begins at the right place.
    memory: Vec<u8>,
    begin: usize,
    filled: usize,
}

impl Block {
    fn new() -> Self {
        let memory = vec![0; BLOCK + ALIGNMENT];
        let begin = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, begin, filled: 0 }
    }

    /// Takes what there is room for, and returns the rest.
    fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let (now, rest) = data.split_at(data.len().min(BLOCK - self.filled));
        let at = self.begin + self.filled;
        self.memory[at..at + now.len()].copy_from_slice(now);
        self.filled += now.len();
        rest
    }

    fn content(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + self.filled]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_does_not_take_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // A file that cannot be written is as good as a disk that is full.
        let mut file = File::open(file.path()).unwrap();
        let block = vec![7; BLOCK];
        let mut direct = start(&file).unwrap();
        let failed = (0..10 * BLOCKS).find_map(|_| direct.write(&block).err()).unwrap();
        let told = direct.cause(failed);
        assert_eq!(told.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
        let mut direct = start(&file).unwrap();
        direct.write(&block).unwrap();
        let told = direct.finish(&mut file).unwrap_err();
        assert_eq!(told.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
    }

    #[test]
    fn what_cannot_go_past_the_cache_goes_through_it() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let mut file = named.reopen().unwrap();
        // No block after this is where a disk could take it.
        file.write_all(b"odd").unwrap();
        set_direct(&file, true).unwrap();
        let mut direct = start(&file).unwrap();
        let content = vec![5; 2 * BLOCK + 7];
        direct.write(&content).unwrap();
        direct.finish(&mut file).unwrap();
        assert!(std::fs::read(named.path()).unwrap() == [b"odd", &content[..]].concat());
    }

    #[test]
    fn blocks_begin_where_a_disk_can_read_them() {
        let mut block = Block::new();
        assert_eq!(block.fill(&[1, 2, 3]), [0; 0]);
        assert_eq!(block.content(), [1, 2, 3]);
        assert!(block.content().as_ptr().addr().is_multiple_of(ALIGNMENT));
        assert_eq!(block.fill(&vec![0; BLOCK]).len(), 3);
        assert_eq!(block.content().len(), BLOCK);
    }
}
