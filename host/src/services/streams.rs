//! The program's standard input and output, for a command.

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::{Arc, atomic::Ordering},
};

use hayloft_plugin_api::{Error, ErrorKind, ObjectMeta, PutStream, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::worker::Channel;

/// How often somebody who waits for input looks whether the work is to end.
const PULSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Reads the standard input; ends with an error when the work is to end.
#[derive(Debug)]
pub(super) struct Input {
    file: File,
    channel: Arc<Channel>,
}

impl Input {
    pub(super) fn open(channel: &Arc<Channel>) -> Result<Self> {
        let file = channel.standard_input()?;
        Ok(Self { file, channel: Arc::clone(channel) })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.channel.cancelled().load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::CANCELLED, "interrupted").into_io());
            }
            // Whoever sits at a terminal may take for ever.
            let waiting = &mut [PollFd::new(&self.file, PollFlags::IN)];
            match poll(waiting, Some(&PULSE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Writes to the standard output.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    written: u64,
}

impl Output {
    pub(super) fn open(channel: &Channel) -> Result<Self> {
        Ok(Self { file: channel.standard_output()?, written: 0 })
    }
}

impl PutStream for Output {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        match self.file.write_all(data) {
            Ok(()) => {
                self.written += data.len() as u64;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                Err(Error::new(ErrorKind::CANCELLED, "nobody reads the output any more"))
            }
            Err(e) => Err(Error::from(e).context("cannot write the output")),
        }
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let key = "standard output".to_owned();
        Ok(ObjectMeta { key, size: self.written, modified_ns: 0, etag: String::new() })
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
