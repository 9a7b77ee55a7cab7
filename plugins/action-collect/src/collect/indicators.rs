//! The empty files that say how far a collect directory is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, Host, LocalTime, Result};

/// The indicators of a collect directory.
#[derive(Debug)]
pub(super) struct Indicators {
    collect: PathBuf,
    stage: PathBuf,
}

impl Indicators {
    pub(super) fn new(collect_dir: &Path) -> Self {
        Self { collect: collect_dir.join("cback.collect"), stage: collect_dir.join("cback.stage") }
    }

    /// Takes the indicators away, and tells whether what was in the directory
    /// has been staged, so that it may be replaced.
    pub(super) fn begin(&self, now: &LocalTime) -> Result<bool> {
        let staged = self.is_staged(now);
        remove(&self.collect)?;
        remove(&self.stage)?;
        Ok(staged)
    }

    fn is_staged(&self, now: &LocalTime) -> bool {
        let (Some(collected), Some(staged)) = (modified(&self.collect), modified(&self.stage))
        else {
            return false;
        };
        let since_midnight =
            u64::from(now.hour) * 3600 + u64::from(now.minute) * 60 + u64::from(now.second);
        let age = |at: SystemTime| {
            let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            now.unix_seconds.cast_unsigned().saturating_sub(at)
        };
        staged >= collected && !would_be_replaced(age(collected), age(staged), since_midnight)
    }

    /// Says that everything is there.
    pub(super) fn finish(&self, host: &Host) -> Result<()> {
        host.touch(&self.collect)
    }
}

/// Tells whether the next staging would put today's archives in the place of
/// the staged ones, because both are filed under the same day. All times are
/// seconds ago.
fn would_be_replaced(collected: u64, staged: u64, since_midnight: u64) -> bool {
    // Collected before midnight and staged after it: an ordinary night if a
    // day has passed since, else a second run on the day of the first's copy.
    const ALMOST_A_DAY: u64 = 20 * 3600;
    staged <= since_midnight && (collected <= since_midnight || collected < ALMOST_A_DAY)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::from(e).context(format!("cannot remove {}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_the_same_day_would_replace_each_other() {
        const HOUR: u64 = 3600;
        let cases = [
            // hours since: collected, staged, midnight; replaced
            (24, 23, 2, false),
            (8, 7, 10, true),
            // Every night at 23:30, staged at 00:30.
            (24, 23, 23, false),
            // Collected at 23:30, staged at 00:30, run again at 10:00.
            (10, 9, 10, true),
            (22, 20, 23, true),
        ];
        for (collected, staged, midnight, expected) in cases {
            let got = would_be_replaced(collected * HOUR, staged * HOUR, midnight * HOUR);
            assert_eq!(got, expected, "{collected} {staged} {midnight}");
        }
    }
}
