//! All files of all backups that can be reached.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Mutex,
};

use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, Host, Result, Settings, StorageHandle,
    cedar::{self, Names},
};

use super::{
    Copy, Day, Part,
    directory::{self, is_backup},
    verify::{Expected, Verifying, manifest},
};

/// All files of all backups that can be reached.
#[derive(Debug)]
pub(crate) struct Catalogue<'a> {
    host: &'a Host,
    /// The names of the places, the preferred ones first.
    pub(crate) sources: Vec<String>,
    storages: HashMap<usize, StorageHandle>,
    /// The newest day first, within a day the preferred place first.
    pub(crate) copies: Vec<Copy>,
    /// What could not be reached.
    pub(crate) problems: Vec<String>,
    /// What the manifests of storages say, by source and day.
    manifests: Mutex<HashMap<(usize, Day), Option<Expected>>>,
}

/// The name of the collect directory among the sources.
const COLLECT: &str = "collect";
/// The name of the staging directory among the sources.
const STAGING: &str = "staging";

impl<'a> Catalogue<'a> {
    /// Lists everything, or only what is in the place called `from`.
    pub(crate) fn load(host: &'a Host, from: Option<&str>) -> Result<Self> {
        let settings = host.settings()?;
        let mut catalogue = Self {
            host,
            sources: Vec::new(),
            storages: HashMap::new(),
            copies: Vec::new(),
            problems: Vec::new(),
            manifests: Mutex::default(),
        };
        let wanted = |name: &str| from.is_none_or(|it| it == name);
        let mut failed = None;
        let mut known = Vec::new();
        for (name, place) in places(&settings) {
            known.push(name.clone());
            if wanted(&name)
                && let Err(e) = catalogue.add(&name, &place)
            {
                catalogue.problems.push(e.to_string());
                failed = Some(e);
            }
        }
        if let Some(from) = from {
            if let Some(error) = failed {
                return Err(error);
            }
            if !known.iter().any(|it| it == from) {
                let message = format!("there is no place called {from}");
                return Err(Error::new(ErrorKind::NOT_FOUND, message)
                    .hint(format!("the configuration has: {}", known.join(", "))));
            }
        }
        catalogue.copies = Copy::join_parts(std::mem::take(&mut catalogue.copies));
        catalogue.copies.sort_by(|a, b| {
            (b.day, a.source, &a.peer, &a.name).cmp(&(a.day, b.source, &b.peer, &b.name))
        });
        Ok(catalogue)
    }

    fn add(&mut self, name: &str, place: &SourcePlace) -> Result<()> {
        let source = self.sources.len();
        self.sources.push(name.to_owned());
        let copies = match place {
            SourcePlace::Collect(path) => {
                directory::collected(path, source, &local_peer(self.host, path))?
            }
            SourcePlace::Staging(path) => directory::staged(path, source)?,
            SourcePlace::Storage => {
                let storage = self.host.storage(name)?;
                let stored = stored(&storage, source)
                    .map_err(|e| e.context(format!("cannot list the storage {name}")))?;
                self.storages.insert(source, storage);
                stored
            }
        };
        self.copies.extend(copies);
        Ok(())
    }

    /// Returns the machines that there is anything of.
    pub(crate) fn peers(&self) -> BTreeSet<&str> {
        self.copies.iter().map(|it| it.peer.as_str()).collect()
    }

    /// Returns where a copy is, for messages.
    pub(crate) fn describe(&self, copy: &Copy) -> String {
        match copy.parts.first() {
            Some(Part::File(path)) => path.display().to_string(),
            Some(Part::Object(key)) => format!("{}:{key}", self.sources[copy.source]),
            None => copy.name.clone(),
        }
    }

    /// Opens a copy as it is kept, and checks its content at its end against
    /// the storage's manifest, if there is one.
    pub(crate) fn open(&self, copy: &Copy) -> Result<Box<dyn Read + Send>> {
        let context = |e: Error| e.context(format!("cannot read {}", self.describe(copy)));
        let mut all: Box<dyn Read + Send> = Box::new(io::empty());
        for part in &copy.parts {
            let opened: Box<dyn Read + Send> = match part {
                Part::File(path) => {
                    Box::new(File::open(path).map_err(|e| context(Error::from(e)))?)
                }
                Part::Object(key) => {
                    let storage = self.storage(copy.source)?;
                    let stream = storage.get(key, ByteRange::ALL).map_err(context)?;
                    match self.expected(copy, key)? {
                        Some(expected) => Box::new(Verifying::new(stream, key, expected)),
                        None => stream,
                    }
                }
            };
            all = if copy.parts.len() == 1 { opened } else { Box::new(all.chain(opened)) };
        }
        Ok(all)
    }

    fn storage(&self, source: usize) -> Result<&StorageHandle> {
        self.storages.get(&source).ok_or_else(|| Error::msg("the storage is not open"))
    }

    fn expected(&self, copy: &Copy, key: &str) -> Result<Option<(u64, String)>> {
        let Ok(mut manifests) = self.manifests.lock() else { return Ok(None) };
        let known = match manifests.entry((copy.source, copy.day)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                unknown.insert(manifest(self.storage(copy.source)?, copy.day)?)
            }
        };
        Ok(known.as_ref().and_then(|it| it.get(key).cloned()))
    }
}

enum SourcePlace {
    Collect(PathBuf),
    Staging(PathBuf),
    Storage,
}

/// Returns the places of the configuration. What was collected last is in the
/// collect directory first.
fn places(settings: &Settings) -> Vec<(String, SourcePlace)> {
    let collect = settings.collect_dir.clone().filter(|it| it.exists());
    let staging = settings.staging_dir.clone().filter(|it| it.exists());
    let collect = collect.map(|it| (COLLECT.to_owned(), SourcePlace::Collect(it)));
    let staging = staging.map(|it| (STAGING.to_owned(), SourcePlace::Staging(it)));
    let storages = settings.storages.iter().map(|it| (it.clone(), SourcePlace::Storage));
    collect.into_iter().chain(staging).chain(storages).collect()
}

/// Returns the name of the peer whose collect directory is this one.
fn local_peer(host: &Host, collect_dir: &std::path::Path) -> String {
    let (document, _) = cedar::read(&host.document(), &Names::any());
    let peers = cedar::effective_peers(&document);
    let local = peers
        .into_iter()
        .find(|it| !it.remote && std::path::Path::new(&it.collect_dir) == collect_dir);
    local.map(|it| it.name).unwrap_or_default()
}

/// Lists a storage. Keys of anything else, such as of PostgreSQL servers, are
/// passed over; years begin with a digit.
fn stored(storage: &StorageHandle, source: usize) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for millennium in ["19", "20", "21"] {
        storage.for_each(millennium, |object| {
            let mut parts = object.key.rsplitn(3, '/');
            if let (Some(name), Some(peer), Some(day)) = (parts.next(), parts.next(), parts.next())
                && let Some(day) = Day::parse(day)
                && is_backup(name)
            {
                let (name, peer) = (name.to_owned(), peer.to_owned());
                let parts = vec![Part::Object(object.key)];
                copies.push(Copy { day, peer, name, size: object.size, source, parts });
            }
            Ok(())
        })?;
    }
    Ok(copies)
}
