//! The structures of the C header, member for member.

use std::{
    ffi::{c_char, c_int, c_void},
    mem::{MaybeUninit, offset_of, size_of},
};

use hayloft_plugin_api::{API_MAJOR, Error, ErrorKind, Result};

use super::{Subject, host::host, text::from_c};
use crate::plugins::problem::Problem;

/// `hayloft_entry`.
pub(in crate::plugins) type Entry = unsafe extern "C" fn() -> *const Table;

/// `hayloft_status`.
pub(super) type Status = c_int;

/// `hayloft_error`.
#[repr(C)]
pub(super) struct CError {
    message: [c_char; 1024],
    hint: [c_char; 512],
}

/// `hayloft_codec_request`.
#[repr(C)]
pub(super) struct CodecRequest {
    pub(super) struct_size: usize,
    pub(super) kind: *const c_char,
    pub(super) name: *const c_char,
    pub(super) config: *const c_char,
    pub(super) decode: c_int,
    pub(super) size_hint: u64,
    pub(super) threads: u32,
    pub(super) level: i32,
}

/// `hayloft_step`.
#[repr(C)]
#[derive(Default)]
pub(super) struct CStep {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    pub(super) done: c_int,
}

/// `hayloft_object`.
#[repr(C)]
pub(super) struct CObject {
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) etag: [c_char; 128],
}

impl Default for CObject {
    fn default() -> Self {
        Self { size: 0, modified_ns: 0, etag: [0; 128] }
    }
}

/// `hayloft_take`.
pub(super) type Take = extern "C" fn(*mut c_void, *const c_char, *const CObject) -> c_int;

type Check =
    unsafe extern "C" fn(*const c_char, *const c_char, *const c_char, *mut CError) -> Status;
type CodecOpen = unsafe extern "C" fn(*const CodecRequest, *mut *mut c_void, *mut CError) -> Status;
type CodecStep = unsafe extern "C" fn(
    *mut c_void,
    *const u8,
    usize,
    *mut u8,
    usize,
    c_int,
    *mut CStep,
    *mut CError,
) -> Status;
type Open =
    unsafe extern "C" fn(*const c_char, *const c_char, *mut *mut c_void, *mut CError) -> Status;
type Close = unsafe extern "C" fn(*mut c_void);
type PutOpen = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    u32,
    u64,
    *mut *mut c_void,
    *mut CError,
) -> Status;
type PutWrite = unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut CError) -> Status;
type PutCommit = unsafe extern "C" fn(*mut c_void, *mut CObject, *mut CError) -> Status;
type PutAbort = unsafe extern "C" fn(*mut c_void, *mut CError) -> Status;
type GetOpen = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    u64,
    u64,
    *mut *mut c_void,
    *mut CError,
) -> Status;
type GetRead = unsafe extern "C" fn(*mut c_void, *mut u8, usize, *mut usize, *mut CError) -> Status;
type Stat = unsafe extern "C" fn(*mut c_void, *const c_char, *mut CObject, *mut CError) -> Status;
type List = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    *const c_char,
    u32,
    Take,
    *mut c_void,
    *mut CError,
) -> Status;
type Delete = unsafe extern "C" fn(*mut c_void, *const c_char, *mut CError) -> Status;
type Guarantees = unsafe extern "C" fn(*mut c_void, *mut u32, *mut CError) -> Status;
type PutReplace = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    *const c_char,
    u64,
    *mut *mut c_void,
    *mut CError,
) -> Status;
type HookEvent =
    unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_char, usize, *mut CError) -> Status;

/// `hayloft_plugin`. A function that the plugin has not got is `None`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::plugins) struct Table {
    struct_size: usize,
    api_major: u32,
    api_minor: u32,
    initialise: Option<unsafe extern "C" fn(*const super::host::Host, *mut CError) -> Status>,
    check: Option<Check>,
    pub(super) codec_open: Option<CodecOpen>,
    pub(super) codec_step: Option<CodecStep>,
    pub(super) codec_close: Option<Close>,
    pub(super) storage_open: Option<Open>,
    pub(super) storage_close: Option<Close>,
    pub(super) put_open: Option<PutOpen>,
    pub(super) put_write: Option<PutWrite>,
    pub(super) put_commit: Option<PutCommit>,
    pub(super) put_abort: Option<PutAbort>,
    pub(super) put_close: Option<Close>,
    pub(super) get_open: Option<GetOpen>,
    pub(super) get_read: Option<GetRead>,
    pub(super) get_close: Option<Close>,
    pub(super) object_stat: Option<Stat>,
    pub(super) object_list: Option<List>,
    pub(super) object_delete: Option<Delete>,
    pub(super) hook_open: Option<Open>,
    pub(super) hook_close: Option<Close>,
    pub(super) hook_event: Option<HookEvent>,
    pub(super) storage_guarantees: Option<Guarantees>,
    pub(super) put_replace: Option<PutReplace>,
}

/// Copies as much of the plugin's table as both sides know of.
///
/// # Errors
///
/// If there is none, or it is not one.
#[expect(unsafe_code, reason = "the table is behind a C function")]
pub(super) fn read_table(entry: Entry) -> Result<Table, Problem> {
    const SMALLEST: usize = offset_of!(Table, initialise);
    const LARGEST: usize = 1 << 20;
    let bad = |what: &str| Problem::Initialise(format!("its entry returns {what}"));
    // SAFETY: the entry takes nothing; see `load::start` for its type.
    let theirs = unsafe { entry() };
    if theirs.is_null() {
        return Err(bad("no table"));
    }
    // SAFETY: a table begins with its size, whatever its version.
    let size = unsafe { theirs.cast::<usize>().read_unaligned() };
    if !(SMALLEST..LARGEST).contains(&size) {
        return Err(bad(&format!("a table of {size} bytes")));
    }
    let mut ours = MaybeUninit::<Table>::zeroed();
    // SAFETY: `size` bytes are there, and room for as many of them; zeros are
    // a valid table, in which every function is `None`.
    let table = unsafe {
        let count = size.min(size_of::<Table>());
        theirs.cast::<u8>().copy_to_nonoverlapping(ours.as_mut_ptr().cast(), count);
        ours.assume_init()
    };
    if table.api_major != API_MAJOR {
        return Err(Problem::OtherApi { major: table.api_major, minor: table.api_minor });
    }
    Ok(table)
}

impl Table {
    /// Returns a function that offering `kind` takes and that is not there.
    pub(super) fn missing_for(&self, kind: &str) -> Option<&'static str> {
        let has: &[(&'static str, bool)] = match kind {
            "compressor" | "encryptor" => &[
                ("codec_open", self.codec_open.is_some()),
                ("codec_step", self.codec_step.is_some()),
                ("codec_close", self.codec_close.is_some()),
            ],
            "storage" => &[
                ("storage_open", self.storage_open.is_some()),
                ("storage_close", self.storage_close.is_some()),
                ("put_open", self.put_open.is_some()),
                ("put_write", self.put_write.is_some()),
                ("put_commit", self.put_commit.is_some()),
                ("put_abort", self.put_abort.is_some()),
                ("put_close", self.put_close.is_some()),
                ("get_open", self.get_open.is_some()),
                ("get_read", self.get_read.is_some()),
                ("get_close", self.get_close.is_some()),
                ("object_stat", self.object_stat.is_some()),
                ("object_list", self.object_list.is_some()),
                ("object_delete", self.object_delete.is_some()),
            ],
            "hook" => &[
                ("hook_open", self.hook_open.is_some()),
                ("hook_close", self.hook_close.is_some()),
                ("hook_event", self.hook_event.is_some()),
            ],
            _ => &[],
        };
        has.iter().find(|(_, there)| !there).map(|(name, _)| *name)
    }

    /// Calls `initialise`, if there is one.
    pub(super) fn initialise(&self) -> Result<()> {
        let Some(initialise) = self.initialise else { return Ok(()) };
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: both pointers are valid; the first stays so.
        called(|error| unsafe { initialise(host(), error) })
    }

    /// Calls `check`, if there is one.
    pub(super) fn check(&self, it: &Subject) -> Result<()> {
        let Some(check) = self.check else { return Ok(()) };
        let (kind, name, config) = (it.kind.as_ptr(), it.name.as_ptr(), it.config.as_ptr());
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: the strings end with a NUL and live long enough.
        called(|error| unsafe { check(kind, name, config, error) })
    }
}

/// Calls a function of the plugin and makes an error of what it reports.
///
/// # Errors
///
/// The plugin's.
pub(super) fn called(call: impl FnOnce(*mut CError) -> Status) -> Result<()> {
    let mut error = CError { message: [0; 1024], hint: [0; 512] };
    let status = call(&raw mut error);
    if status == 0 {
        return Ok(());
    }
    let (message, hint) = (from_c(&error.message), from_c(&error.hint));
    let message =
        if message.is_empty() { format!("the plugin reports status {status}") } else { message };
    let error = Error::new(kind_of(status), message);
    Err(if hint.is_empty() { error } else { error.hint(hint) })
}

fn kind_of(status: Status) -> ErrorKind {
    match u32::try_from(status) {
        Ok(known @ (1..=8 | 10 | 11 | 14)) => ErrorKind(known),
        _ => ErrorKind::OTHER,
    }
}

/// The error for a function that is not there; see [`Table::missing_for`].
pub(super) fn absent() -> Error {
    Error::new(ErrorKind::UNSUPPORTED, "the plugin does not offer this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_header_has_its_kind() {
        let cases = [
            (1, ErrorKind::NOT_FOUND),
            (2, ErrorKind::ALREADY_EXISTS),
            (3, ErrorKind::PERMISSION),
            (4, ErrorKind::CONFIGURATION),
            (5, ErrorKind::CORRUPT),
            (6, ErrorKind::UNSUPPORTED),
            (7, ErrorKind::TRANSIENT),
            (8, ErrorKind::CANCELLED),
            (10, ErrorKind::FULL),
            (11, ErrorKind::TIMED_OUT),
            (14, ErrorKind::CHANGED),
            (9, ErrorKind::OTHER),
            (100, ErrorKind::OTHER),
            (-1, ErrorKind::OTHER),
        ];
        for (status, kind) in cases {
            let error = called(|_| status).unwrap_err();
            assert_eq!(error.kind(), kind, "{status}");
        }
        assert!(called(|_| 0).is_ok());
    }
}
