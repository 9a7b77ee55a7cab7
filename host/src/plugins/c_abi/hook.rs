//! Hooks written in C.

use std::{
    ffi::{c_char, c_void},
    ptr,
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RResult, RStr, RString},
};
use hayloft_plugin_api::{
    Result,
    abi::{Fallible, HookBox, RawHook, RawHook_TO},
};

use super::{
    Subject, c_name,
    table::{Table, absent, called},
    text::from_c,
};

/// How much a plugin can say about a verdict.
const LONGEST_VERDICT: usize = 4096;
/// What an empty answer means.
const CONTINUE: &str = r#"{"verdict":"continue"}"#;

struct CHook {
    table: &'static Table,
    handle: *mut c_void,
}

#[expect(unsafe_code, reason = "the compiler cannot know what a handle stands for")]
// SAFETY: the header demands that any thread may use a hook.
unsafe impl Send for CHook {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: the header demands that several may, at once.
unsafe impl Sync for CHook {}

/// Opens a hook.
///
/// # Errors
///
/// The plugin's own.
pub(super) fn open(table: &'static Table, it: &Subject) -> Result<HookBox> {
    let open = table.hook_open.ok_or_else(absent)?;
    let mut handle = ptr::null_mut();
    #[expect(unsafe_code, reason = "it is a C function")]
    // SAFETY: the strings end with a NUL and live long enough.
    called(|error| unsafe { open(it.name.as_ptr(), it.config.as_ptr(), &raw mut handle, error) })?;
    Ok(RawHook_TO::from_value(CHook { table, handle }, TD_Opaque))
}

impl CHook {
    fn call(&self, event: &str) -> Result<String> {
        let call = self.table.hook_event.ok_or_else(absent)?;
        let event = c_name(event)?;
        let mut verdict: Vec<c_char> = vec![0; LONGEST_VERDICT];
        #[expect(unsafe_code, reason = "it is a C function")]
        // SAFETY: the buffer is as large as it is told.
        called(|error| unsafe {
            call(self.handle, event.as_ptr(), verdict.as_mut_ptr(), verdict.len(), error)
        })?;
        let verdict = from_c(&verdict);
        Ok(if verdict.is_empty() { CONTINUE.to_owned() } else { verdict })
    }
}

impl RawHook for CHook {
    fn on_event(&self, event: RStr<'_>) -> Fallible<RString> {
        match self.call(event.as_str()) {
            Ok(verdict) => RResult::ROk(verdict.into()),
            Err(error) => RResult::RErr(error.into()),
        }
    }
}

impl Drop for CHook {
    #[expect(unsafe_code, reason = "it is a C function")]
    fn drop(&mut self) {
        if let Some(close) = self.table.hook_close {
            // SAFETY: the handle is open, and nobody uses it afterwards.
            unsafe { close(self.handle) };
        }
    }
}
