//! Trying again what may work in a moment.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};

/// How often something is tried in all. PostgreSQL, too, asks again.
pub(super) const TRIES: u32 = 3;
/// How long to wait before the second try, in milliseconds; before the third
/// one four times as long.
const FIRST_PAUSE: u64 = 250;

/// Tells whether it may work in a moment.
pub(super) fn is_worth(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TRANSIENT | ErrorKind::TIMED_OUT)
}

/// Does something, and does it again if that may help.
///
/// # Errors
///
/// That of the last try, which says how many there were.
pub(crate) fn patiently<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for number in 1.. {
        match work() {
            Err(error) if is_worth(&error) && number < TRIES => {
                tracing::info!("{error}; trying again");
                pause(number);
            }
            Err(error) if number > 1 => return Err(counted(error, number)),
            other => return other,
        }
    }
    Err(Error::msg("it was not tried"))
}

/// Says how often something was tried.
pub(super) fn counted(error: Error, tries: u32) -> Error {
    let kind = error.kind();
    error.context(format!("tried {tries} times")).with_kind(kind)
}

/// Waits before the try after that one; not every process as long as the
/// others.
pub(super) fn pause(number: u32) {
    let whole = FIRST_PAUSE << (2 * number.saturating_sub(1)).min(8);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let jitter = u64::from(now.subsec_nanos()) % whole;
    thread::sleep(Duration::from_millis(whole / 2 + jitter / 2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_help_is_tried_again_and_not_for_ever() {
        let cases = [
            (ErrorKind::TRANSIENT, 9, 3, false),
            (ErrorKind::TRANSIENT, 2, 3, true),
            (ErrorKind::TIMED_OUT, 1, 2, true),
            (ErrorKind::FULL, 9, 1, false),
            (ErrorKind::ALREADY_EXISTS, 9, 1, false),
        ];
        for (kind, failures, expected, good) in cases {
            let mut tries = 0;
            let outcome = patiently(|| {
                tries += 1;
                if tries <= failures { Err(Error::new(kind, "no")) } else { Ok(()) }
            });
            assert_eq!((tries, outcome.is_ok()), (expected, good), "{kind:?}");
            if let Err(error) = outcome {
                assert_eq!(error.kind(), kind);
                let told = error.to_string().contains(&format!("tried {tries} times"));
                assert_eq!(told, tries > 1, "{error}");
            }
        }
    }
}
