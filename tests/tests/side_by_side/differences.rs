//! Where Hayloft is to differ from Cedar Backup, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Content, File, Member, Outcome};

/// A wanted difference. Each must occur in the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// Directories are members of their own: otherwise empty ones, and the
    /// owners, modes and times of all, would be lost.
    DirectoriesAreKept,
    /// Dangling links and FIFOs are part of what is backed up.
    SpecialFilesAreKept,
    /// A link that has not changed is not in every increment.
    UnchangedLinksAreLeftOut,
    /// A changed mode or time is a change.
    AttributesAreNoticed,
    /// Backups are nobody else's business: files 0600, directories 0700.
    ModesArePrivate,
    /// A file or directory that is missing keeps nothing else from being
    /// collected.
    OthersAreCollected,
    /// A peer that is not ready is a failure of the run.
    PeersMatter,
    /// A day is complete only if all peers are there.
    DaysMatter,
    /// Directories that became empty go in the same run.
    EmptyDirectoriesGo,
}

impl Difference {
    pub(crate) const ALL: [Self; 9] = [
        Self::DirectoriesAreKept,
        Self::SpecialFilesAreKept,
        Self::UnchangedLinksAreLeftOut,
        Self::AttributesAreNoticed,
        Self::ModesArePrivate,
        Self::OthersAreCollected,
        Self::PeersMatter,
        Self::DaysMatter,
        Self::EmptyDirectoriesGo,
    ];
}

/// What differs between two outcomes.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) explained: BTreeSet<Difference>,
    pub(crate) unexplained: Vec<String>,
}

impl Found {
    fn note(&mut self, difference: Option<Difference>, what: impl FnOnce() -> String) {
        match difference {
            Some(difference) => drop(self.explained.insert(difference)),
            None => self.unexplained.push(what()),
        }
    }
}

/// Compares what came of an action. `collected` tells whether their `collect`
/// went well on that day.
pub(crate) fn compare(action: &str, theirs: &Outcome, ours: &Outcome, collected: bool) -> Found {
    let mut found = Found::default();
    if theirs.code != ours.code {
        let both = (action, theirs.code, ours.code);
        let reason = (both == ("stage", Some(0), Some(6))).then_some(Difference::PeersMatter);
        found.note(reason, || {
            format!(
                "exit codes {:?} and {:?}\n--- theirs\n{}\n--- ours\n{}",
                theirs.code, ours.code, theirs.text, ours.text
            )
        });
    }
    // Cron mails whatever is printed.
    if theirs.text.is_empty() && !ours.text.is_empty() && theirs.code == ours.code {
        found.unexplained.push(format!("only ours says: {}", ours.text));
    }
    if !theirs.text.is_empty() && ours.text.is_empty() {
        found.unexplained.push(format!("only theirs says: {}", theirs.text));
    }
    let names: BTreeSet<&String> = theirs.files.keys().chain(ours.files.keys()).collect();
    for name in names {
        match (theirs.files.get(name), ours.files.get(name)) {
            (Some(theirs), Some(ours)) => compare_files(name, theirs, ours, &mut found),
            (Some(file), None) => {
                found.note(only_theirs(name, file), || format!("only theirs has {name}"));
            }
            (None, Some(_)) => {
                let reason = (!collected).then_some(Difference::OthersAreCollected);
                found.note(reason, || format!("only ours has {name}"));
            }
            (None, None) => {}
        }
    }
    found
}

fn only_theirs(name: &str, file: &File) -> Option<Difference> {
    if name.ends_with('/') {
        return Some(Difference::EmptyDirectoriesGo);
    }
    if name.starts_with("stage/")
        && name.matches('/').count() == 4
        && name.ends_with("/cback.stage")
    {
        return Some(Difference::DaysMatter);
    }
    match &file.content {
        Content::Archive(members) if members.values().all(|it| it.kind == "symlink") => {
            Some(Difference::UnchangedLinksAreLeftOut)
        }
        _ => None,
    }
}

fn compare_files(name: &str, theirs: &File, ours: &File, found: &mut Found) {
    if theirs.mode != ours.mode {
        let private = ours.mode.trailing_zeros() >= 6;
        found.note(private.then_some(Difference::ModesArePrivate), || {
            format!("{name} has the mode {:o} in theirs, {:o} in ours", theirs.mode, ours.mode)
        });
    }
    match (&theirs.content, &ours.content) {
        (Content::Archive(theirs), Content::Archive(ours)) => {
            compare_members(name, theirs, ours, found);
        }
        (theirs, ours) if theirs == ours => {}
        _ => found.unexplained.push(format!("{name} has another content")),
    }
}

fn compare_members(
    archive: &str,
    theirs: &BTreeMap<String, Member>,
    ours: &BTreeMap<String, Member>,
    found: &mut Found,
) {
    let incremental = archive.contains("-tree-incr.");
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names {
        let shown =
            || format!("{archive}: {name}: {:?} and {:?}", theirs.get(name), ours.get(name));
        match (theirs.get(name), ours.get(name)) {
            (Some(theirs), Some(ours)) if theirs == ours => {}
            (Some(_), Some(_)) => found.unexplained.push(shown()),
            (Some(theirs), None) => {
                let reason = incremental && theirs.kind == "symlink";
                found.note(reason.then_some(Difference::UnchangedLinksAreLeftOut), shown);
            }
            (None, Some(ours)) => found.note(only_ours(name, ours, incremental), shown),
            (None, None) => {}
        }
    }
}

fn only_ours(name: &str, member: &Member, incremental: bool) -> Option<Difference> {
    match member.kind.as_str() {
        "directory" => Some(Difference::DirectoriesAreKept),
        "fifo" => Some(Difference::SpecialFilesAreKept),
        "symlink" if name.ends_with("link-dangling") => Some(Difference::SpecialFilesAreKept),
        "file" if incremental && (name.ends_with("f3.txt") || name.ends_with("f4.txt")) => {
            Some(Difference::AttributesAreNoticed)
        }
        _ => None,
    }
}
