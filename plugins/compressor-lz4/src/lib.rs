//! Compresses with LZ4: the least work for the processor.
//!
//! One frame with a checksum of its content. There are no settings: LZ4 as
//! it is done here has no levels.

mod decoder;
mod frame;

use hayloft_plugin_api::{
    Codec, Compressor, NoConfig, Result, StreamOptions, export_plugin, from_writer,
};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::decoder::Lz4Decoder;

/// The compressor `lz4`.
#[derive(Debug)]
pub struct Lz4;

impl Compressor for Lz4 {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        let info = FrameInfo::new()
            .block_size(BlockSize::Max1MB)
            .block_mode(BlockMode::Linked)
            .content_checksum(true);
        let encoder = FrameEncoder::with_frame_info(info, Vec::new());
        Ok(from_writer(encoder, FrameEncoder::get_mut, |encoder| Ok(encoder.finish()?)))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Lz4Decoder::new()))
    }
}

export_plugin! {
    id: "lz4",
    description: "Compresses with LZ4: the least work for the processor",
    compressors: [Lz4 as "lz4" { suffix: ".lz4", magic: "04224d18" }],
}
