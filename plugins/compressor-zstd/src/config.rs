//! The plugin's own elements in `<compressor>`.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::Deserialize;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The level: 1 (fast) to 22 (small), or negative (very fast, down to
    /// -100); 3 if it is not given, as for zstd itself.
    pub level: i32,
    /// The number of threads, up to 64; as many as there are processors, but
    /// at most 8, if it is not given.
    pub threads: Option<u32>,
    /// Looks for repetitions as far back as 2 to this power bytes, 10 to 31:
    /// what `zstd --long` does. Above 27, `zstd -d` must be given `--long`
    /// too, and both sides need that much memory.
    pub long: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: 3, threads: None, long: None }
    }
}

impl Config {
    /// Refuses values that cannot be used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] with the values that are allowed.
    pub(crate) fn check(&self) -> Result<()> {
        let problem = if !(-100..=22).contains(&self.level) {
            format!("level {} is outside -100 to 22", self.level)
        } else if self.threads.is_some_and(|n| !(1..=64).contains(&n)) {
            "threads is outside 1 to 64".to_owned()
        } else if self.long.is_some_and(|n| !(10..=31).contains(&n)) {
            "long is outside 10 to 31".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::CONFIGURATION, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_be_used_are_refused() {
        let good = Config::default();
        let cases = [
            (good.clone(), None),
            (Config { level: -7, long: Some(31), ..good.clone() }, None),
            (Config { level: 23, ..good.clone() }, Some("level 23 is outside -100 to 22")),
            (Config { threads: Some(65), ..good.clone() }, Some("threads is outside 1 to 64")),
            (Config { long: Some(32), ..good }, Some("long is outside 10 to 31")),
        ];
        for (config, expected) in cases {
            let found = config.check().err().map(|e| (e.kind(), e.to_string()));
            let expected = expected.map(|it| (ErrorKind::CONFIGURATION, it.to_owned()));
            assert_eq!(found, expected);
        }
    }
}
