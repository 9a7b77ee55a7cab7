//! One bzip2 stream for each piece.

use std::{num::NonZero, thread};

use bzip2::{Action, Compress, Compression, Status};
use hayloft_plugin_api::{Block, Blocks, Codec, Result, StreamOptions, from_blocks};

use crate::Config;

/// More threads than this only wait for whoever reads and writes.
const MOST_THREADS: usize = 8;
/// What bzip2 itself takes if it is not told: when to give the fast way of
/// sorting up.
const WORK_FACTOR: u32 = 30;
/// The most that a block grows by: bzip2's manual says 1 % and 600 bytes.
const GROWTH: (usize, usize) = (100, 600);

/// Begins a stream. What the options wish goes before what is configured.
pub(crate) fn encoder(config: &Config, options: StreamOptions) -> Result<Box<dyn Codec>> {
    let level = u32::try_from(options.level.unwrap_or(config.level).clamp(1, 9))?;
    let threads = options.threads.or(config.threads).map(usize::try_from).transpose()?;
    let blocks = Blocks {
        // A piece of this size is one block for nearly all data.
        size: usize::try_from(level)? * 100_000,
        threads: threads.unwrap_or_else(cores),
    };
    Ok(from_blocks(blocks, move || {
        move |block: Block<'_>, out: &mut Vec<u8>| compress(level, block.bytes, out)
    }))
}

fn compress(level: u32, input: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut stream = Compress::new(Compression::new(level), WORK_FACTOR);
    out.reserve(input.len() + input.len() / GROWTH.0 + GROWTH.1);
    loop {
        let taken = usize::try_from(stream.total_in())?;
        match stream.compress_vec(&input[taken..], out, Action::Finish)? {
            Status::StreamEnd => return Ok(()),
            _ => out.reserve(GROWTH.1),
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS)
}
