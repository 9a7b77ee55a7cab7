//! The compressor and the encryptor `none`: a plugin as every other, that is
//! always there.

use hayloft_plugin_api::{
    Codec, Compressor, Encryptor, NoConfig, Op, Result, Step, StreamOptions, export_plugin,
};

/// Leaves everything as it is.
#[derive(Debug)]
pub struct Unchanged;

impl Codec for Unchanged {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let n = input.len().min(output.len());
        output[..n].copy_from_slice(&input[..n]);
        Ok(Step { consumed: n, produced: n, done: op != Op::RUN && n == input.len() })
    }
}

impl Compressor for Unchanged {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }
}

impl Encryptor for Unchanged {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }
}

export_plugin! {
    id: "none",
    description: "Leaves everything as it is",
    compressors: [Unchanged as "none" { suffix: "", magic: "" }],
    encryptors: [Unchanged as "none" { suffix: "", magic: "" }],
}
