//! Which archives together have the state of a day.

use crate::archive::{CEDAR, Coverage, Facts};

/// What must be known of an archive to find its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What it says about itself; `None` if Cedar Backup made it.
    pub facts: Option<Facts>,
    /// Whether it is of the day on which Cedar Backup collects everything.
    pub week_begins: bool,
}

/// How archives of Cedar Backup belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legacy {
    /// Each is complete.
    Complete,
    /// Those since the week's beginning do.
    SinceWeekBegan,
}

/// The archives that have the state of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Their places among the candidates, the newest first.
    pub archives: Vec<usize>,
    /// The id of an archive that is needed but not there.
    pub missing: Option<String>,
    /// If one is missing: the older ones that build on the same full archive.
    /// They have what did not change since, and what was in the missing one
    /// in an earlier version.
    pub older: Vec<usize>,
}

/// Finds the archives that have the state of a day. `count` candidates are
/// tried, the newest first; `load` is asked about each only when it matters.
///
/// An increment names the archive that it was compared with, so a lost one is
/// noticed, and one that was made in vain (it was never staged) is passed
/// over.
///
/// # Errors
///
/// Whatever `load` fails with.
pub fn chain<E>(
    count: usize,
    legacy: Legacy,
    mut load: impl FnMut(usize) -> Result<Head, E>,
) -> Result<Chain, E> {
    let mut archives = Vec::new();
    let mut passed_over: Vec<(usize, String)> = Vec::new();
    let mut full = String::new();
    let mut wanted = Wanted::Any;
    for candidate in 0..count {
        let Head { facts, week_begins } = load(candidate)?;
        wanted = match (wanted, facts) {
            (Wanted::Any, Some(facts)) => {
                archives.push(candidate);
                full.clone_from(&facts.full);
                after(facts)
            }
            (Wanted::Id(id), Some(facts)) if facts.id == id => {
                archives.push(candidate);
                passed_over.clear();
                after(facts)
            }
            (wanted @ Wanted::Id(_), Some(facts)) => {
                if facts.full == full && passed_over.last().is_none_or(|(_, id)| *id != facts.id) {
                    passed_over.push((candidate, facts.id));
                }
                wanted
            }
            (Wanted::Any | Wanted::Legacy, None) => {
                archives.push(candidate);
                if legacy == Legacy::Complete || week_begins {
                    Wanted::Nothing
                } else {
                    Wanted::Legacy
                }
            }
            (wanted, _) => wanted,
        };
        if matches!(wanted, Wanted::Nothing) {
            break;
        }
    }
    let missing = match wanted {
        Wanted::Id(id) => Some(id),
        _ => None,
    };
    let older = missing.iter().flat_map(|_| passed_over.iter().map(|it| it.0)).collect();
    Ok(Chain { archives, missing, older })
}

enum Wanted {
    /// The newest one, whatever it is.
    Any,
    /// The one that the last one was compared with.
    Id(String),
    /// The next older one of Cedar Backup.
    Legacy,
    /// The chain is complete.
    Nothing,
}

fn after(facts: Facts) -> Wanted {
    match (facts.mode, facts.previous) {
        (Coverage::Full, _) | (Coverage::Incr, None) => Wanted::Nothing,
        (Coverage::Incr, Some(id)) if id == CEDAR => Wanted::Legacy,
        (Coverage::Incr, Some(id)) => Wanted::Id(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(id: &str, previous: Option<&str>) -> Head {
        let facts = Facts {
            id: id.into(),
            mode: if previous.is_some() { Coverage::Incr } else { Coverage::Full },
            full: "f".into(),
            previous: previous.map(Into::into),
            root: String::new(),
            date: String::new(),
        };
        Head { facts: Some(facts), week_begins: false }
    }

    fn cedars(week_begins: bool) -> Head {
        Head { facts: None, week_begins }
    }

    fn found(heads: &[Head], legacy: Legacy) -> (Vec<usize>, Option<String>) {
        let load = |it: usize| Ok::<_, std::fmt::Error>(heads[it].clone());
        let Chain { archives, missing, .. } = chain(heads.len(), legacy, load).unwrap();
        (archives, missing)
    }

    #[test]
    fn a_full_archive_stands_alone() {
        let heads = [ours("b", None), ours("a", None)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0], None));
    }

    #[test]
    fn increments_lead_back_to_their_full_archive() {
        let heads =
            [ours("d", Some("c")), ours("c", Some("a")), ours("x", Some("a")), ours("a", None)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0, 1, 3], None));
    }

    #[test]
    fn an_archive_staged_on_several_days_counts_once() {
        let heads = [ours("c", Some("a")), ours("c", Some("a")), ours("a", None), ours("a", None)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0, 2], None));
    }

    #[test]
    fn a_lost_increment_is_noticed() {
        let heads = [ours("d", Some("c")), ours("b", Some("a")), ours("a", None)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0], Some("c".to_owned())));
        let load = |it: usize| Ok::<_, std::fmt::Error>(heads[it].clone());
        assert_eq!(chain(3, Legacy::Complete, load).unwrap().older, [1, 2]);
    }

    #[test]
    fn cedar_backups_archives_go_back_to_the_weeks_beginning() {
        let heads = [cedars(false), cedars(false), cedars(true), cedars(false)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0, 1, 2], None));
        assert_eq!(found(&heads, Legacy::Complete), (vec![0], None));
    }

    #[test]
    fn the_first_increment_of_ours_builds_on_cedar_backups() {
        let heads = [ours("b", Some("a")), ours("a", Some(CEDAR)), cedars(false), cedars(true)];
        assert_eq!(found(&heads, Legacy::SinceWeekBegan), (vec![0, 1, 2, 3], None));
    }
}
