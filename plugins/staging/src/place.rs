//! What people call directories of the staging area.

use std::path::{PathBuf, absolute};

use hayloft_plugin_api::Host;

/// Returns the directory that a word of the command line means: one that is
/// there, or a day of the staging area such as `2026-11-17`.
pub fn directory(host: &Host, word: &str) -> Option<PathBuf> {
    let path = absolute(word).ok()?;
    if path.is_dir() {
        return Some(path);
    }
    let name = day(word)?;
    let staging = host.settings().ok()?.staging_dir?.join(name);
    staging.is_dir().then_some(staging)
}

/// Returns the name of the day's directory.
fn day(word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split(['-', '/']).collect();
    let digits = |it: &&str| it.bytes().all(|it| it.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|it| it.len()).collect();
    (lengths == [4, 2, 2] && parts.iter().all(digits)).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn days_are_found_in_the_staging_area() {
        let test = TestHost::new().unwrap();
        let day = test.directory().join("stage/2026/11/17");
        std::fs::create_dir_all(&day).unwrap();
        let host = test.host();
        for (word, expected) in [
            ("2026-11-17", Some(day.clone())),
            ("2026/11/17", Some(day.clone())),
            ("2026-11-18", None),
            ("2026-11", None),
            ("26-11-17", None),
            ("../2026/11/17", None),
        ] {
            assert_eq!(directory(&host, word), expected, "{word}");
        }
        assert_eq!(directory(&host, day.to_str().unwrap()), Some(day));
    }
}
