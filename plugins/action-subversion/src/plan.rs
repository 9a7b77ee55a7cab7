//! Which revisions are dumped: decided from what is known, without touching
//! anything.

use std::ops::RangeInclusive;

use hayloft_plugin_api::cedar;

/// How the state of the last dump fits the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// There was no dump that an increment could build on.
    None,
    /// There was one, but it cannot be built on, for the reason given.
    Unusable(String),
    /// The repository still has what was dumped, up to this revision.
    Upto(u64),
}

/// What is done with a repository in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It has no new revisions.
    NothingNew,
    /// These revisions are dumped.
    Dump {
        /// The first and the last.
        revisions: RangeInclusive<u64>,
        /// Why all of them are, although an increment would do.
        because: Option<String>,
    },
}

/// When a repository is dumped, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// All of it, in every run.
    Daily,
    /// All of it, on the first day of the week.
    Weekly,
    /// All of it on the first day of the week, then what is new.
    Incremental,
}

impl Mode {
    /// Reads Cedar Backup's name of it.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "weekly" => Self::Weekly,
            "incr" => Self::Incremental,
            _ => Self::Daily,
        }
    }

    /// Tells whether anything is done at all. `complete` is whether it is the
    /// first day of the week, or everything is asked for.
    pub(crate) fn is_due(self, complete: bool) -> bool {
        self != Self::Weekly || cedar::is_due("weekly", complete, false)
    }

    /// Tells whether what was dumped before matters.
    pub(crate) fn asks_for_base(self, complete: bool) -> bool {
        self == Self::Incremental && !complete
    }

    /// Tells whether the dump is remembered.
    pub(crate) fn is_remembered(self) -> bool {
        self == Self::Incremental
    }
}

/// Decides for a repository whose newest revision is `youngest`. `base` is
/// `None` if it does not matter.
pub(crate) fn decide(youngest: u64, base: Option<Base>) -> Decision {
    let all = |because| Decision::Dump { revisions: 0..=youngest, because };
    match base {
        None | Some(Base::None) => all(None),
        Some(Base::Unusable(why)) => all(Some(why)),
        Some(Base::Upto(last)) if last > youngest => all(Some(format!(
            "revision {last} was dumped, but now {youngest} is the newest: the repository was \
             replaced or restored"
        ))),
        Some(Base::Upto(last)) if last == youngest => Decision::NothingNew,
        Some(Base::Upto(last)) => Decision::Dump { revisions: last + 1..=youngest, because: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increment_begins_behind_the_last_dump() {
        let dump = |revisions| Decision::Dump { revisions, because: None };
        let cases = [
            (9, None, dump(0..=9)),
            (0, None, dump(0..=0)),
            (9, Some(Base::None), dump(0..=9)),
            (9, Some(Base::Upto(3)), dump(4..=9)),
            (9, Some(Base::Upto(8)), dump(9..=9)),
            (9, Some(Base::Upto(9)), Decision::NothingNew),
            (0, Some(Base::Upto(0)), Decision::NothingNew),
        ];
        for (youngest, base, expected) in cases {
            assert_eq!(decide(youngest, base.clone()), expected, "{youngest} {base:?}");
        }
    }

    #[test]
    fn what_cannot_be_built_on_leads_to_all_of_it_and_says_why() {
        for base in [Base::Upto(10), Base::Unusable("damaged".to_owned())] {
            let Decision::Dump { revisions, because } = decide(9, Some(base)) else { panic!() };
            assert_eq!(revisions, 0..=9);
            assert!(because.is_some());
        }
    }

    #[test]
    fn modes_have_their_days() {
        let cases = [
            // mode, due otherwise, base otherwise, remembered
            ("daily", true, false, false),
            ("weekly", false, false, false),
            ("incr", true, true, true),
        ];
        for (name, due, base, remembered) in cases {
            let mode = Mode::of(name);
            assert!(mode.is_due(true) && !mode.asks_for_base(true), "{name}");
            assert_eq!(mode.is_due(false), due, "{name}");
            assert_eq!(mode.asks_for_base(false), base, "{name}");
            assert_eq!(mode.is_remembered(), remembered, "{name}");
        }
    }
}
