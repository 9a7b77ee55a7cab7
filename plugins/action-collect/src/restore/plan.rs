//! What is to be written where.

use std::collections::BTreeMap;

use super::{Index, Tree};
use crate::{
    archive::{Entry, Kind},
    walk::paths::{is_within, split},
};

/// Where a requested path goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What was asked for, without the leading `/`.
    pub path: Vec<u8>,
    /// How much of the front of a path is left away below the target.
    pub strip: Vec<u8>,
}

/// What is to be written, for several targets.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Directories, each before what is in it.
    pub directories: Vec<Planned<'a>>,
    /// Links, pipes and devices: everything that is known without reading an
    /// archive again, by archive and member. The first one of each is made,
    /// the others become further names of it.
    pub simple: BTreeMap<(usize, usize), Vec<Planned<'a>>>,
    /// For every archive the members whose content is wanted, and the files
    /// that have it, likewise.
    pub contents: Vec<BTreeMap<usize, Vec<Planned<'a>>>>,
    /// The bytes of all contents.
    pub bytes: u64,
}

/// One thing that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// Which target it belongs to.
    pub target: usize,
    /// The path below the target.
    pub path: &'a [u8],
    /// What is known of it.
    pub entry: &'a Entry,
    /// Whether it is only there because something below it is wanted.
    pub above: bool,
}

/// Why a plan cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// Nothing of that path was there on that day.
    NotFound(Vec<u8>),
    /// A hard link in an archive leads to nothing.
    NoTarget(Vec<u8>),
}

/// Plans what of a tree is written where.
///
/// # Errors
///
/// Every [`Conflict`].
pub fn plan<'a>(
    tree: &'a Tree,
    archives: &'a [Index],
    targets: &[Target],
) -> Result<Plan<'a>, Conflict> {
    let mut plan = Plan::default();
    plan.contents.resize_with(archives.len(), BTreeMap::new);
    for (target, Target { path: wanted, strip }) in targets.iter().enumerate() {
        let mut found = false;
        for (path, place) in &tree.places {
            let above = is_within(wanted, path) && path != wanted;
            if !above && !is_within(path, wanted) || !is_within(path, strip) {
                continue;
            }
            let index = &archives[place.archive];
            let member = &index.members[&place.member];
            let content = &index.members[&member.content].entry;
            // What is at the target itself is the target.
            let below = path[strip.len()..].strip_prefix(b"/").unwrap_or(&path[strip.len()..]);
            if below.is_empty() || above && member.entry.kind != Kind::Directory {
                continue;
            }
            found |= !above;
            let planned = Planned { target, path: below, entry: content, above };
            match &content.kind {
                Kind::Directory => plan.directories.push(planned),
                Kind::HardLink(_) => return Err(Conflict::NoTarget(path.clone())),
                Kind::File => {
                    let same = plan.contents[place.archive].entry(member.content).or_default();
                    if same.is_empty() {
                        plan.bytes += content.size;
                    }
                    same.push(planned);
                }
                _ => {
                    let member = (place.archive, member.content);
                    plan.simple.entry(member).or_default().push(planned);
                }
            }
        }
        // The root directory of a tree that was asked for as a whole.
        found |= wanted.is_empty() && !tree.places.is_empty();
        if !found {
            return Err(Conflict::NotFound(wanted.clone()));
        }
    }
    Ok(plan)
}

impl<'a> Plan<'a> {
    /// Returns everything that will be a file, not a directory.
    pub fn files(&self) -> impl Iterator<Item = &Planned<'a>> {
        let contents = self.contents.iter().flat_map(BTreeMap::values).flatten();
        self.simple.values().flatten().chain(contents)
    }

    /// Returns which archives are to be read, by their places.
    pub fn needed(&self) -> impl Iterator<Item = usize> {
        let needed = self.contents.iter().enumerate().filter(|(_, it)| !it.is_empty());
        needed.map(|(archive, _)| archive)
    }
}

/// Leaves out paths that are below another one.
pub fn outermost(mut paths: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    paths.sort();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|it| !all.iter().any(|other| other != it && is_within(it, other)));
    paths
}

/// Returns the path of a directory that a path is in.
pub fn parent(path: &[u8]) -> &[u8] {
    split(path).0
}
