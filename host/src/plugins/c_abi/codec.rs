//! Compressors and encryptors written in C.

use std::{ffi::c_void, mem::size_of, ptr};

use abi_stable::{sabi_trait::TD_Opaque, std_types::RResult};
use hayloft_plugin_api::{
    Codec, Error, ErrorKind, Op, Result, Step, StreamOptions,
    abi::{CodecBox, Fallible, RStreamOptions, RawTransform, RawTransform_TO, TransformBox},
    shim::server,
};

use super::{
    Subject,
    table::{CStep, CodecRequest, Table, absent, called},
};

struct CTransform {
    table: &'static Table,
    subject: Subject,
}

/// Wraps a compressor or encryptor.
pub(super) fn transform(table: &'static Table, subject: Subject) -> TransformBox {
    RawTransform_TO::from_value(CTransform { table, subject }, TD_Opaque)
}

impl RawTransform for CTransform {
    fn encoder(&self, options: RStreamOptions) -> Fallible<CodecBox> {
        self.open(options, false)
    }

    fn decoder(&self) -> Fallible<CodecBox> {
        self.open(StreamOptions::default().into(), true)
    }
}

impl CTransform {
    fn open(&self, options: RStreamOptions, decode: bool) -> Fallible<CodecBox> {
        match self.try_open(options, decode) {
            Ok(codec) => RResult::ROk(server::codec(Box::new(codec))),
            Err(error) => RResult::RErr(error.into()),
        }
    }

    fn try_open(&self, options: RStreamOptions, decode: bool) -> Result<CCodec> {
        let open = self.table.codec_open.ok_or_else(absent)?;
        let request = CodecRequest {
            struct_size: size_of::<CodecRequest>(),
            kind: self.subject.kind.as_ptr(),
            name: self.subject.name.as_ptr(),
            config: self.subject.config.as_ptr(),
            decode: i32::from(decode),
            size_hint: options.size_hint,
            threads: options.threads,
            level: options.level,
        };
        let mut handle = ptr::null_mut();
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: the request and its strings live until the call returns.
        called(|error| unsafe { open(&raw const request, &raw mut handle, error) })?;
        Ok(CCodec { table: self.table, handle })
    }
}

struct CCodec {
    table: &'static Table,
    handle: *mut c_void,
}

#[expect(unsafe_code, reason = "the compiler cannot know what a handle stands for")]
// SAFETY: the header demands that any thread may use a codec, one at a time.
unsafe impl Send for CCodec {}

impl Codec for CCodec {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let call = self.table.codec_step.ok_or_else(absent)?;
        let mut step = CStep::default();
        let op = i32::try_from(op.0).map_err(Error::from)?;
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: the buffers are as large as it is told.
        called(|error| unsafe {
            let (from, to) = (input.as_ptr(), output.as_mut_ptr());
            call(self.handle, from, input.len(), to, output.len(), op, &raw mut step, error)
        })?;
        if step.consumed > input.len() || step.produced > output.len() {
            return Err(impossible_counts());
        }
        Ok(Step { consumed: step.consumed, produced: step.produced, done: step.done != 0 })
    }
}

/// The error for a plugin that claims more than the buffers hold.
pub(super) fn impossible_counts() -> Error {
    Error::new(ErrorKind::PANIC, "the plugin reported impossible counts")
}

impl Drop for CCodec {
    #[expect(unsafe_code, reason = "it is a C function")]
    fn drop(&mut self) {
        if let Some(close) = self.table.codec_close {
            // SAFETY: the handle is open, and nobody uses it afterwards.
            unsafe { close(self.handle) };
        }
    }
}
