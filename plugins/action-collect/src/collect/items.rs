//! The configured items, and the archives that each is made into.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Error, ErrorKind, Host, Result,
    cedar::{EffectiveItem, ItemKind, compressor_of, normalised},
};

use super::exclusions::Exclusions;
use crate::{
    shown::shown,
    walk::{Rules, Start},
};

/// A configured file or directory.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) effective: EffectiveItem,
    exclusions: Exclusions,
}

/// What one archive is made of.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) item: &'a Item,
    /// The path where the walk begins.
    pub(super) path: Vec<u8>,
    /// The name that the state is filed under.
    pub(super) base_name: String,
    /// The archive's file name.
    pub(super) archive: String,
    /// The compressor's name.
    pub(super) compressor: String,
    /// Whether it is to be made in this run.
    pub(super) due: bool,
    shallow: bool,
    never: Option<(u64, u64)>,
}

impl Item {
    pub(super) fn new(effective: EffectiveItem) -> Result<Self> {
        let exclusions = Exclusions::new(&effective)?;
        Ok(Self { effective, exclusions })
    }

    /// Returns the archives that it is made into, without reading more of the
    /// tree than is needed to name them.
    pub(super) fn units(
        &self,
        host: &Host,
        due: bool,
        never: Option<(u64, u64)>,
    ) -> Result<Vec<Unit<'_>>> {
        let compressor = compressor_of(&self.effective.archive_mode).to_owned();
        let suffix = if compressor == "none" {
            String::new()
        } else {
            let transform = host.compressor(&compressor).map_err(|e| {
                e.context(format!("cannot collect {}", shown(self.effective.path.as_bytes())))
            })?;
            transform.suffix().to_owned()
        };
        let directories = self.directories(never)?;
        let unit = |(path, shallow): (Vec<u8>, bool)| {
            // Names that are not text are filed under what is shown of them.
            let text = String::from_utf8(path.clone()).unwrap_or_else(|_| shown(&path));
            let base_name = normalised(&text);
            Unit {
                item: self,
                archive: format!("{base_name}.tar{suffix}"),
                base_name,
                path,
                compressor: compressor.clone(),
                due,
                shallow,
                never,
            }
        };
        Ok(directories.into_iter().map(unit).collect())
    }

    /// Returns the directories that get archives of their own, each with
    /// whether its subdirectories do.
    fn directories(&self, never: Option<(u64, u64)>) -> Result<Vec<(Vec<u8>, bool)>> {
        let path = self.effective.path.clone().into_bytes();
        if self.effective.kind == ItemKind::File || self.effective.recursion_level == 0 {
            return Ok(vec![(path, false)]);
        }
        let device = fs::metadata(path_of(&path)).map(|it| it.dev()).unwrap_or_default();
        let mut listing = Listing { item: self, never, device, all: Vec::new() };
        listing.descend(path, self.effective.recursion_level)?;
        Ok(listing.all)
    }
}

fn path_of(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// Looks for directories with archives of their own.
struct Listing<'a> {
    item: &'a Item,
    never: Option<(u64, u64)>,
    device: u64,
    all: Vec<(Vec<u8>, bool)>,
}

impl Listing<'_> {
    fn descend(&mut self, path: Vec<u8>, level: i64) -> Result<()> {
        if self.is_left_out(path_of(&path)) {
            return Ok(());
        }
        if level == 0 {
            self.all.push((path, false));
            return Ok(());
        }
        let fail =
            |e: io::Error| Error::from(e).context(format!("cannot collect {}", shown(&path)));
        let mut below = Vec::new();
        for entry in fs::read_dir(path_of(&path)).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_type().map_err(fail)?.is_dir() {
                below.push(entry.file_name());
            }
        }
        below.sort();
        for name in below {
            let separator: &[u8] = if path.ends_with(b"/") { b"" } else { b"/" };
            self.descend([path.as_slice(), separator, name.as_bytes()].concat(), level - 1)?;
        }
        self.all.push((path, true));
        Ok(())
    }

    fn is_left_out(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let effective = &self.item.effective;
        let ignore = effective.ignore_file.as_ref();
        let clean: PathBuf = path.components().collect();
        self.item.exclusions.has(clean.as_os_str().as_bytes())
            || self.never == Some((metadata.dev(), metadata.ino()))
            || effective.one_file_system && metadata.dev() != self.device
            || ignore.is_some_and(|it| path.join(it).exists())
    }
}

impl Unit<'_> {
    pub(super) fn start(&self) -> Start<'_> {
        Start::new(&self.path, self.item.effective.kind == ItemKind::Dir)
    }

    /// Calls `with` with what is left out.
    pub(super) fn with_rules<T>(&self, with: impl FnOnce(Rules<'_>) -> T) -> T {
        let effective = &self.item.effective;
        let exclude =
            |path: &[u8]| effective.kind == ItemKind::Dir && self.item.exclusions.has(path);
        with(Rules {
            exclude: &exclude,
            ignore_file: effective.ignore_file.as_deref().map(str::as_bytes),
            link_depth: u32::try_from(effective.link_depth).unwrap_or(u32::MAX),
            dereference: effective.dereference,
            one_file_system: effective.one_file_system,
            shallow: self.shallow,
            never: self.never,
        })
    }

    pub(super) fn is_incremental(&self) -> bool {
        self.item.effective.collect_mode == "incr"
    }
}

/// Refuses archives of one name: the second would overwrite the first.
pub(super) fn refuse_clashes(units: &[Unit<'_>]) -> Result<()> {
    let mut names: HashMap<&str, &Unit<'_>> = HashMap::new();
    let mut states: HashMap<&str, &Unit<'_>> = HashMap::new();
    for unit in units {
        let same_name = names.insert(&unit.archive, unit);
        let same_state = unit.is_incremental().then(|| states.insert(&unit.base_name, unit));
        if let Some(other) = same_name.or(same_state.flatten()) {
            let (one, two) = (shown(&other.path), shown(&unit.path));
            let message = format!(
                "{one} and {two} would both be collected into {}, and one would overwrite \
                 the other",
                unit.archive
            );
            return Err(Error::new(ErrorKind::CONFIGURATION, message)
                .hint("collect a directory above both, or only one of them"));
        }
    }
    Ok(())
}
