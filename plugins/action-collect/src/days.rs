//! What was there on a day, put together from the archives that have it.

mod relevant;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Read,
};

use hayloft_plugin_api::{
    Error, ErrorKind, Host, Progress, Result, Weekday,
    cedar::{self, Names},
};

use self::relevant::{is_relevant, root_of_legacy};
use crate::{
    archive::{ArchiveError, Facts, Reader, clean},
    restore::{Chain, Head, Index, Legacy, Tree, chain},
    shown::absolute,
    sources::{Catalogue, Copy, Day, plain},
    walk::paths::is_within,
};

/// The archives of one machine, opened when they are needed.
#[derive(Debug)]
pub(crate) struct Archives<'a> {
    host: &'a Host,
    catalogue: &'a Catalogue<'a>,
    peer: &'a str,
    /// What is asked for, without the leading `/`.
    wanted: &'a [Vec<u8>],
    allow_missing: bool,
    week_begins: Option<Weekday>,
    /// How the items of the configuration are collected, by series.
    modes: HashMap<String, String>,
    heads: HashMap<usize, Option<Facts>>,
    /// What has been read, and which copy it was read from.
    pub(crate) loaded: Vec<Index>,
    pub(crate) copies: Vec<&'a Copy>,
    by_copy: HashMap<usize, usize>,
    /// What newer archives have further names of, besides what is wanted.
    led_to: HashSet<Vec<u8>>,
}

/// The state of a day.
#[derive(Debug, Default)]
pub(crate) struct DayState {
    /// What was there; archives are places in [`Archives::loaded`].
    pub(crate) tree: Tree,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
    /// The day of the newest archive of each item.
    pub(crate) days: BTreeMap<Vec<u8>, Day>,
}

impl<'a> Archives<'a> {
    pub(crate) fn new(
        host: &'a Host,
        catalogue: &'a Catalogue<'a>,
        peer: &'a str,
        wanted: &'a [Vec<u8>],
    ) -> Self {
        let (document, _) = cedar::read(&host.document(), &Names::any());
        let options = document.options.unwrap_or_default();
        let collect = document.collect.unwrap_or_default();
        let items = cedar::effective_collect(&options, &collect);
        let week_begins = host.settings().ok().and_then(|it| it.starting_day);
        Self {
            host,
            catalogue,
            peer,
            wanted,
            allow_missing: false,
            week_begins,
            modes: items.into_iter().map(|it| (it.base_name, it.collect_mode)).collect(),
            heads: HashMap::new(),
            loaded: Vec::new(),
            copies: Vec::new(),
            by_copy: HashMap::new(),
            led_to: HashSet::new(),
        }
    }

    /// Goes on without archives that are not there any more.
    pub(crate) fn allow_missing(&mut self, allow: bool) {
        self.allow_missing = allow;
    }

    /// Puts together what was there on a day, as far as it was asked for.
    pub(crate) fn state(&mut self, day: Day) -> Result<DayState> {
        let all = self.series(day);
        let likely: Vec<_> = all
            .iter()
            .filter(|(name, _)| self.wanted.iter().any(|it| is_relevant(name, it)))
            .map(|(name, copies)| (*name, copies.clone()))
            .collect();
        let state = self.assemble(likely, true)?;
        let found = |path: &Vec<u8>| state.tree.places.keys().any(|it| is_within(it, path));
        if self.wanted.iter().all(found) {
            return Ok(state);
        }
        // Names do not tell everything: a link may have led elsewhere.
        self.assemble(all.into_iter().collect(), false)
    }

    /// Returns the archives up to a day, the newest first, by item.
    fn series(&self, day: Day) -> BTreeMap<&'a str, Vec<usize>> {
        let mut all: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, copy) in self.catalogue.copies.iter().enumerate() {
            if copy.day <= day
                && copy.peer == self.peer
                && let Some(series) = copy.series()
            {
                all.entry(series).or_default().push(number);
            }
        }
        all
    }

    fn assemble(&mut self, series: Vec<(&str, Vec<usize>)>, by_root: bool) -> Result<DayState> {
        let mut trees = Vec::new();
        let mut state = DayState::default();
        for (name, candidates) in series {
            if by_root && !self.covers_what_is_wanted(candidates[0])? {
                continue;
            }
            let chain = self.chain(name, &candidates)?;
            let newest = &self.catalogue.copies[candidates[0]];
            if let Some(missing) = &chain.missing {
                let problem = self.missing(newest, missing);
                if !self.allow_missing {
                    return Err(problem);
                }
                state.warnings.push(problem.to_string());
                if !chain.older.is_empty() {
                    state.warnings.push(format!(
                        "files of {name} that come from archives before that one may be older \
                         than they were on that day"
                    ));
                }
            }
            let mut places = Vec::new();
            for link in chain.archives.iter().chain(&chain.older) {
                places.push(self.load(candidates[*link])?);
            }
            let tree = Tree::of_chain(&self.loaded, &places);
            let root = self.root(name, places.first().copied());
            trees.push((root, newest.day, tree));
        }
        trees.sort_by_key(|(root, day, _)| (root.len(), *day));
        for (root, day, tree) in trees {
            state.add(root, day, tree);
        }
        self.check_lost(&mut state)?;
        Ok(state)
    }

    fn missing(&self, newest: &Copy, id: &str) -> Error {
        let message = format!(
            "{} builds on an earlier archive of {} that is in none of the places (its id is {id})",
            self.catalogue.describe(newest),
            newest.series().unwrap_or_default(),
        );
        Error::new(ErrorKind::NOT_FOUND, message).hint(
            "restore an earlier day, or give --allow-missing to get what the archives that are \
             there have",
        )
    }

    fn chain(&mut self, name: &str, candidates: &[usize]) -> Result<Chain> {
        let incremental = self.modes.get(name).is_none_or(|it| it == "incr");
        let legacy = if incremental { Legacy::SinceWeekBegan } else { Legacy::Complete };
        chain(candidates.len(), legacy, |it| {
            let facts = self.head(candidates[it])?;
            let day = self.catalogue.copies[candidates[it]].day;
            let week_begins = self.week_begins.is_some_and(|it| day.is(it));
            Ok(Head { facts, week_begins })
        })
    }

    /// Tells whether an item has to do with what is asked for, if it says.
    fn covers_what_is_wanted(&mut self, copy: usize) -> Result<bool> {
        let Some(facts) = self.head(copy)? else { return Ok(true) };
        let Some(root) = clean(&facts.root()) else { return Ok(true) };
        Ok(self.wanted.iter().any(|it| is_within(it, &root) || is_within(&root, it)))
    }

    /// Returns the path of an item.
    fn root(&self, name: &str, newest: Option<usize>) -> Vec<u8> {
        let Some(index) = newest.map(|it| &self.loaded[it]) else { return Vec::new() };
        let told = index.facts.as_ref().and_then(|it| clean(&it.root()));
        told.unwrap_or_else(|| root_of_legacy(name, index))
    }

    /// Reads what an archive says about itself.
    fn head(&mut self, number: usize) -> Result<Option<Facts>> {
        if let Some(facts) = self.heads.get(&number) {
            return Ok(facts.clone());
        }
        let copy = &self.catalogue.copies[number];
        let mut reader = Reader::new(self.open(copy)?);
        reader.next_entry().map_err(|e| self.broken(copy, e))?;
        let facts = reader.facts().cloned();
        self.heads.insert(number, facts.clone());
        Ok(facts)
    }

    fn load(&mut self, number: usize) -> Result<usize> {
        if let Some(&place) = self.by_copy.get(&number) {
            return Ok(place);
        }
        let copy = &self.catalogue.copies[number];
        let stream = self.open(copy)?;
        let host = self.host;
        let mut index =
            Index::read(stream, &mut || !host.cancelled()).map_err(|e| self.broken(copy, e))?;
        let wanted = self.wanted;
        let led_to = &self.led_to;
        index.keep(|path| {
            led_to.contains(path)
                || wanted.iter().any(|it| is_within(path, it) || is_within(it, path))
        });
        self.led_to.extend(index.led_to().map(<[u8]>::to_vec));
        let place = self.loaded.len();
        self.loaded.push(index);
        self.copies.push(copy);
        self.by_copy.insert(number, place);
        Ok(place)
    }

    /// Opens an archive without anything around it.
    pub(crate) fn open(&self, copy: &Copy) -> Result<Box<dyn Read + Send>> {
        plain(self.host, &copy.name, self.catalogue.open(copy)?).map_err(|e| {
            let name = self.catalogue.describe(copy);
            self.elsewhere(copy, e.context(format!("cannot read {name}")))
        })
    }

    fn broken(&self, copy: &Copy, error: ArchiveError) -> Error {
        if self.host.cancelled() {
            return Error::new(ErrorKind::CANCELLED, "interrupted");
        }
        let error = match error {
            // What is carried inside says more.
            ArchiveError::Read(e) => Error::from(e),
            other => Error::new(ErrorKind::CORRUPT, other.to_string()),
        };
        let name = self.catalogue.describe(copy);
        self.elsewhere(copy, error.context(format!("cannot read {name}")))
    }

    /// Adds where there is another copy.
    fn elsewhere(&self, copy: &Copy, error: Error) -> Error {
        let same =
            |it: &&Copy| it.day == copy.day && it.peer == copy.peer && it.series() == copy.series();
        let other = self.catalogue.copies.iter().filter(same).find(|it| it.source != copy.source);
        match other {
            Some(other) if error.remedy().is_none() => {
                let source = &self.catalogue.sources[other.source];
                error.hint(format!("there is another copy: try --from {source}"))
            }
            _ => error,
        }
    }

    /// Tells of files that were there but are in no archive.
    fn check_lost(&self, state: &mut DayState) -> Result<()> {
        let wanted = |path: &[u8]| self.wanted.iter().any(|it| is_within(path, it));
        let lost: Vec<_> = state.tree.lost.iter().filter(|it| wanted(&it.path)).collect();
        let (unread, gone): (Vec<_>, Vec<_>) = lost.into_iter().partition(|it| it.unread);
        for it in &unread {
            let path = absolute(&it.path);
            state.warnings.push(format!("{path} could not be read when it was to be collected"));
        }
        let Some(first) = gone.first() else { return Ok(()) };
        let first = absolute(&first.path);
        let message =
            format!("{} files are in no archive that is there, {first} first", gone.len());
        if self.allow_missing {
            state.warnings.push(message);
            return Ok(());
        }
        Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint("restore an earlier day, or give --allow-missing to get all others"))
    }

    /// Returns the first path that is asked for, without the leading `/`.
    pub(crate) fn wanted(&self) -> &'a [u8] {
        self.wanted.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the machine whose archives these are.
    pub(crate) fn peer(&self) -> &'a str {
        self.peer
    }

    /// Says how far reading is.
    pub(crate) fn progress(&self, what: &str, done: u64, total: u64) -> bool {
        self.host.progress(Progress { what, done, total });
        !self.host.cancelled()
    }
}

impl DayState {
    /// Adds an item. Where two items overlap, the newer one counts, and of
    /// two of one day the one with the longer path.
    fn add(&mut self, root: Vec<u8>, day: Day, tree: Tree) {
        let around = self.days.iter().filter(|(it, _)| is_within(&root, it));
        let newest = around.map(|(_, day)| *day).max();
        let there = self.tree.places.keys().any(|it| is_within(it, &root));
        if there && newest.is_some_and(|it| it > day) {
            return;
        }
        self.tree.lay_over(tree, &root);
        self.days.insert(root, day);
    }
}
