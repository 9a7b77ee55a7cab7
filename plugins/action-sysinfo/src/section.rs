//! The `<sysinfo>` section; without one, everything is saved.

use std::{fmt, time::Duration};

use hayloft_plugin_api::{cedar::Pattern, config};
use serde::{Deserialize, Deserializer, de};

use crate::parts::{PARTS, Part};

/// How long a program may take if nobody says.
const TIMEOUT: Duration = Duration::from_mins(10);
/// How long the listing of files may take if nobody says.
const LISTING_TIMEOUT: Duration = Duration::from_hours(2);

/// What is saved, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The parts to save; all if there are none.
    part: Vec<PartName>,
    /// Parts to leave out.
    exclude_part: Vec<PartName>,
    /// The compressor's name; bzip2 if absent.
    compress_mode: Option<String>,
    /// How long each program may take; 10 minutes if absent.
    timeout: Option<config::Duration>,
    /// How long the listing of files may take; 2 hours if absent.
    listing_timeout: Option<config::Duration>,
    /// The directories that are listed; `/` if there are none.
    list_dir: Vec<AbsolutePath>,
    /// Whether file systems of other machines are listed too.
    network: bool,
    /// What the listing leaves out.
    exclude: Exclude,
}

/// What the listing leaves out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Exclude {
    abs_path: Vec<AbsolutePath>,
    pattern: Vec<Exclusion>,
}

impl Config {
    /// Returns the parts to save, each with whether it must be: it is asked
    /// for by name, or Cedar Backup fails without it.
    pub(crate) fn parts(&self) -> Vec<(&'static Part, bool)> {
        let named = |list: &[PartName], it: &Part| list.iter().any(|name| name.0.name == it.name);
        let wanted = PARTS.iter().filter(|it| {
            (self.part.is_empty() || named(&self.part, it)) && !named(&self.exclude_part, it)
        });
        wanted.map(|it| (it, it.cedar || named(&self.part, it))).collect()
    }

    /// Returns the compressor's name.
    pub(crate) fn compress_mode(&self) -> &str {
        self.compress_mode.as_deref().unwrap_or("bzip2")
    }

    /// Returns how long a program may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, config::Duration::get)
    }

    /// Returns how long the listing may take.
    pub(crate) fn listing_timeout(&self) -> Duration {
        self.listing_timeout.map_or(LISTING_TIMEOUT, config::Duration::get)
    }

    /// Returns the directories to list.
    pub(crate) fn list_dirs(&self) -> Vec<String> {
        if self.list_dir.is_empty() {
            return vec!["/".to_owned()];
        }
        self.list_dir.iter().map(|it| it.0.clone()).collect()
    }

    /// Tells whether file systems of other machines are listed.
    pub(crate) fn lists_network(&self) -> bool {
        self.network
    }

    /// Returns the paths that the listing leaves out.
    pub(crate) fn excluded_paths(&self) -> impl Iterator<Item = &str> {
        self.exclude.abs_path.iter().map(|it| it.0.as_str())
    }

    /// Returns the patterns of whole paths that the listing leaves out.
    pub(crate) fn excluded_patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.exclude.pattern.iter().map(|it| &it.0)
    }
}

/// The name of a part.
#[derive(Clone)]
struct PartName(&'static Part);

impl fmt::Debug for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.name.fmt(f)
    }
}

impl<'de> Deserialize<'de> for PartName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        PARTS.iter().find(|it| it.name == name).map(Self).ok_or_else(|| {
            let names: Vec<_> = PARTS.iter().map(|it| it.name).collect();
            de::Error::custom(format!("there is no part `{name}`, only {}", names.join(", ")))
        })
    }
}

/// A path that begins with `/`.
#[derive(Debug, Clone)]
struct AbsolutePath(String);

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        if !path.starts_with('/') {
            return Err(de::Error::custom(format!("`{path}` is not an absolute path")));
        }
        let trimmed = path.trim_end_matches('/');
        Ok(Self(if trimmed.is_empty() { "/" } else { trimmed }.to_owned()))
    }
}

/// A regular expression for whole paths, as everywhere in `<exclude>`.
#[derive(Debug, Clone)]
struct Exclusion(Pattern);

impl<'de> Deserialize<'de> for Exclusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::exclusion(&text).map(Self).map_err(|error| {
            de::Error::custom(format!("the pattern `{text}` cannot be used: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::{conformance::Section, decode};

    use super::*;

    fn names(config: &Config) -> Vec<&'static str> {
        config.parts().iter().map(|(it, _)| it.name).collect()
    }

    fn config(pairs: &[(&str, &str)]) -> hayloft_plugin_api::Result<Config> {
        let section = pairs.iter().fold(Section::new("sysinfo"), |it, (k, v)| it.set(k, v));
        decode(section.node())
    }

    #[test]
    fn without_a_section_everything_is_saved_as_cedar_backup_does() {
        let config = config(&[]).unwrap();
        assert_eq!(config.parts().len(), PARTS.len());
        assert_eq!(config.compress_mode(), "bzip2");
        assert_eq!(config.list_dirs(), ["/"]);
        assert!(!config.lists_network());
        let must: Vec<_> = config.parts().iter().filter(|it| it.1).map(|it| it.0.name).collect();
        assert_eq!(must, ["ls-laR", "dpkg-selections", "fdisk-l"]);
    }

    #[test]
    fn parts_are_chosen_by_name() {
        let chosen = config(&[("part", "lsblk")]).unwrap();
        assert_eq!(names(&chosen), ["lsblk"]);
        assert!(chosen.parts()[0].1, "it is asked for");
        let but = config(&[("exclude_part", "ls-laR")]).unwrap();
        assert_eq!(but.parts().len(), PARTS.len() - 1);
        let error = config(&[("part", "lsblkk")]).unwrap_err().to_string();
        assert!(error.contains("there is no part `lsblkk`, only ls-laR"), "{error}");
    }

    #[test]
    fn the_listing_is_shaped() {
        let it = config(&[
            ("list_dir", "/srv/"),
            ("exclude.abs_path", "/srv/x"),
            ("exclude.pattern", ".*\\.tmp"),
            ("network", "Y"),
            ("listing_timeout", "5m"),
        ])
        .unwrap();
        assert_eq!(it.list_dirs(), ["/srv"]);
        assert!(it.lists_network());
        assert_eq!(it.excluded_paths().collect::<Vec<_>>(), ["/srv/x"]);
        assert!(it.excluded_patterns().next().unwrap().is_match("/a.tmp").unwrap());
        assert_eq!(it.listing_timeout(), Duration::from_mins(5));
        for bad in [("list_dir", "srv"), ("exclude.pattern", "*"), ("timeout", "soon")] {
            assert!(config(&[bad]).is_err(), "{bad:?}");
        }
    }
}
