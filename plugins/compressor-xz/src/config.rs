//! The plugin's own elements in `<compressor>`.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::Deserialize;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The preset, from 0 (fast) to 9 (small); 6 if it is not given, as for
    /// xz itself.
    pub level: i32,
    /// The number of threads, up to 64; as many as there are processors, but
    /// at most 4, if it is not given. At level 6 each takes 170 MB.
    pub threads: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: 6, threads: None }
    }
}

impl Config {
    /// Refuses values that cannot be used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] with the values that are allowed.
    pub(crate) fn check(&self) -> Result<()> {
        let problem = if !(0..=9).contains(&self.level) {
            format!("level {} is outside 0 to 9", self.level)
        } else if self.threads.is_some_and(|n| !(1..=64).contains(&n)) {
            "threads is outside 1 to 64".to_owned()
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
            (Config { level: 10, ..good.clone() }, Some("level 10 is outside 0 to 9")),
            (Config { threads: Some(0), ..good }, Some("threads is outside 1 to 64")),
        ];
        for (config, expected) in cases {
            let found = config.check().err().map(|e| (e.kind(), e.to_string()));
            let expected = expected.map(|it| (ErrorKind::CONFIGURATION, it.to_owned()));
            assert_eq!(found, expected);
        }
    }
}
