//! Servers that are kept from every network.

use std::{io, os::unix::process::CommandExt, process::Command, thread};

/// Gives a program a network namespace of its own, in which there is nothing;
/// see `network_namespaces(7)`.
#[expect(unsafe_code, reason = "there is no other way to act in the new process")]
pub(super) fn leave(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made.
    unsafe { command.pre_exec(unshare) };
}

/// Tells whether programs of ours can be kept from every network: root may do
/// that, unless it is root of a container that may not. It is tried.
pub fn can_leave_networks() -> bool {
    // Only the thread that asks is concerned, and it ends.
    thread::spawn(|| unshare().is_ok()).join().unwrap_or(false)
}

#[expect(unsafe_code, reason = "rustix has no safe way either")]
fn unshare() -> io::Result<()> {
    // SAFETY: it takes no pointer.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
