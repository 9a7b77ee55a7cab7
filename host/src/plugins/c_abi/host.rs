//! What the host offers to plugins in C: its log.

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int},
    mem::size_of,
    sync::{LazyLock, PoisonError, RwLock},
};

use abi_stable::std_types::{ROption, RSlice, RStr};
use hayloft_plugin_api::{
    API_MAJOR, API_MINOR,
    abi::{CallsiteDescription, RField, Registered},
};

use crate::plugins::log_bridge;

/// `hayloft_host`.
#[repr(C)]
pub(in crate::plugins) struct Host {
    struct_size: usize,
    api_major: u32,
    api_minor: u32,
    log: extern "C" fn(c_int, *const c_char, *const c_char),
    log_enabled: extern "C" fn(c_int, *const c_char) -> c_int,
}

/// Returns the only one that there is.
pub(super) fn host() -> &'static Host {
    static HOST: Host = Host {
        struct_size: size_of::<Host>(),
        api_major: API_MAJOR,
        api_minor: API_MINOR,
        log,
        log_enabled,
    };
    &HOST
}

extern "C" fn log(level: c_int, target: *const c_char, message: *const c_char) {
    let callsite = callsite(level, &text(target));
    if !log_bridge::enabled(callsite) {
        return;
    }
    let message = text(message);
    // 6 is text as `Debug` gives it: printed without quotes.
    let fields = [RField { tag: 6, bits: 0, text: RStr::from_str(&message) }];
    log_bridge::event(callsite, ROption::RNone, RSlice::from_slice(&fields));
}

extern "C" fn log_enabled(level: c_int, target: *const c_char) -> c_int {
    c_int::from(log_bridge::enabled(callsite(level, &text(target))))
}

#[expect(unsafe_code, reason = "the text comes from C")]
fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the header demands a string that ends with a NUL.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Returns the callsite for a level and target, of which a plugin has a few.
fn callsite(level: c_int, target: &str) -> u64 {
    static KNOWN: LazyLock<RwLock<HashMap<(u8, String), u64>>> = LazyLock::new(RwLock::default);
    let level = u8::try_from(level.clamp(1, 5)).unwrap_or(5);
    let key = (level, target.to_owned());
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return *known;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    *known.entry(key).or_insert_with(|| {
        let Registered { handle, .. } = log_bridge::register(&CallsiteDescription {
            level,
            is_span: false,
            line: 0,
            name: "event".into(),
            target: target.into(),
            file: "".into(),
            module: "".into(),
            fields: RSlice::from_slice(&["message".into()]),
        });
        handle
    })
}
