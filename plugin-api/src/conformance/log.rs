//! The host's end of the log, for a host that shows nothing.

use std::sync::OnceLock;

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    std_types::{ROption, RSlice},
};

use crate::abi::{CallsiteDescription, HostLog, HostLog_Ref, RField, Registered};

/// Returns functions that drop what they are given.
pub(super) fn silent() -> HostLog_Ref {
    static LOG: OnceLock<HostLog_Ref> = OnceLock::new();
    *LOG.get_or_init(|| {
        HostLog {
            max_level,
            register,
            enabled,
            event,
            new_span,
            record,
            enter: ignore,
            exit: ignore,
            clone_span,
            try_close,
        }
        .leak_into_prefix()
    })
}

/// Everything is wanted, so that what a plugin logs is put together.
extern "C" fn max_level() -> u8 {
    5
}
extern "C" fn register(_: &CallsiteDescription<'_>) -> Registered {
    Registered { handle: 1, interest: 2 }
}
extern "C" fn enabled(_: u64) -> bool {
    true
}
extern "C" fn event(_: u64, _: ROption<u64>, _: RSlice<'_, RField<'_>>) {}
extern "C" fn new_span(_: u64, _: ROption<u64>, _: RSlice<'_, RField<'_>>) -> u64 {
    1
}
extern "C" fn record(_: u64, _: u64, _: RSlice<'_, RField<'_>>) {}
extern "C" fn ignore(_: u64) {}
extern "C" fn clone_span(id: u64) -> u64 {
    id
}
extern "C" fn try_close(_: u64) -> bool {
    true
}
