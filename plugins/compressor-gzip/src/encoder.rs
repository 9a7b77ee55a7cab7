//! One gzip member for each block.

use std::{num::NonZero, thread};

use hayloft_plugin_api::{Block, Blocks, Codec, Error, Result, StreamOptions, from_blocks};
use libdeflater::{CompressionLvl, Compressor};

use crate::{Config, member};

/// More threads than this only wait for whoever reads and writes.
const MOST_THREADS: usize = 8;

/// Begins a stream. What the options wish goes before what is configured.
pub(crate) fn encoder(config: &Config, options: StreamOptions) -> Result<Box<dyn Codec>> {
    let level = options.level.unwrap_or(config.level).clamp(1, 9);
    let level = CompressionLvl::new(level)
        .map_err(|_| Error::msg(format!("libdeflate does not know level {level}")))?;
    let threads = options.threads.or(config.threads).map(usize::try_from).transpose()?;
    let blocks = Blocks {
        size: usize::try_from(config.block_size.bytes())?,
        threads: threads.unwrap_or_else(cores),
    };
    Ok(from_blocks(blocks, move || {
        let mut compressor = Compressor::new(level);
        move |block: Block<'_>, out: &mut Vec<u8>| compress(&mut compressor, block, out)
    }))
}

fn compress(compressor: &mut Compressor, block: Block<'_>, out: &mut Vec<u8>) -> Result<()> {
    member::write_header(out, !block.last);
    let start = out.len();
    out.resize(start + compressor.deflate_compress_bound(block.bytes.len()), 0);
    let length = compressor.deflate_compress(block.bytes, &mut out[start..])?;
    out.truncate(start + length);
    member::write_trailer(out, block.bytes)?;
    Ok(())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS)
}
