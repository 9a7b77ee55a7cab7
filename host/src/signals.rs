//! Signals that ask for an end.

use std::{
    fs, io,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::{consts, flag};

/// Sets `wanted` when a signal asks for an end. One that was ignored when the
/// program was started stays ignored, as `nohup` and shells that start
/// something in the background expect.
///
/// # Errors
///
/// If the system refuses.
pub fn listen(wanted: &Arc<AtomicBool>) -> io::Result<()> {
    let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
    for signal in [consts::SIGINT, consts::SIGTERM, consts::SIGHUP] {
        if ignored & (1 << (signal - 1)) == 0 {
            flag::register(signal, Arc::clone(wanted))?;
        }
    }
    Ok(())
}

/// Returns the mask of the ignored signals, see proc(5).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_found() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000000003\nSigCgt:\t0\n"), 3);
        assert_eq!(ignored("Name:\tx\n"), 0);
    }
}
