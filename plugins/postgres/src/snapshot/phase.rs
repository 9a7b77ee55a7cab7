//! What follows from what happens. Nothing here touches anything.

use serde::{Deserialize, Serialize};

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The server makes its checkpoint.
    Starting,
    /// The files can be copied.
    Running,
    /// The server ends the backup.
    Stopping,
    /// The backup has ended well, and its label could not be put where it
    /// belongs. It can be tried again.
    Undelivered,
    /// The backup has ended well, and its WAL is not archived yet.
    Archiving,
    /// Everything is done: the only good end.
    Complete,
    /// The backup ended well, but its WAL was not archived in time: it cannot
    /// be used unless that comes.
    Incomplete,
    /// The backup is void.
    Failed,
    /// The backup was given up because somebody asked for it.
    Aborted,
}

impl Phase {
    /// Tells whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Incomplete | Self::Failed | Self::Aborted)
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Undelivered => "undelivered",
            Self::Archiving => "archiving",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server has begun the backup.
    Started,
    /// The server did not begin the backup.
    NotStarted(String),
    /// Somebody wants the end.
    EndAsked,
    /// Somebody wants to give it up.
    AbortAsked,
    /// The server has ended the backup, and the label is the right one.
    Stopped,
    /// The server did not end the backup, or its answer is not to be trusted.
    NotStopped(String),
    /// Label and tablespace map are where they belong.
    Delivered,
    /// They are not.
    NotDelivered(String),
    /// All WAL is archived, or nobody can tell.
    Archived,
    /// The WAL was not archived in time.
    NotArchived(String),
    /// The session is lost, or is another one than it was.
    Lost(String),
    /// What the backup was begun with is not so any more.
    Void(String),
    /// The deadline has passed.
    DeadlinePassed,
    /// This process is to end.
    Interrupted,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Ask the server to end the backup.
    Stop,
    /// Write label and tablespace map.
    Deliver,
    /// Look until the WAL is archived.
    WatchArchive,
    /// Close the session; it is over.
    Finish,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The new phase.
    pub phase: Phase,
    /// What is to be done now.
    pub effect: Effect,
    /// Why, if something is wrong.
    pub reason: Option<String>,
}

fn to(phase: Phase, effect: Effect) -> Step {
    Step { phase, effect, reason: None }
}

fn because(phase: Phase, effect: Effect, reason: impl Into<String>) -> Step {
    Step { phase, effect, reason: Some(reason.into()) }
}

/// Decides. An event that means nothing in a phase changes nothing: so what is
/// final stays.
pub fn next(phase: Phase, event: &Event) -> Step {
    use Effect as E;
    use Phase as P;
    let void = |reason: &str| because(P::Failed, E::Finish, reason);
    match (phase, event) {
        (P::Starting, Event::Started) => to(P::Running, E::None),
        (P::Starting, Event::NotStarted(why))
        | (P::Stopping, Event::NotStopped(why))
        | (P::Starting | P::Running | P::Stopping, Event::Void(why)) => void(why),
        (P::Running, Event::EndAsked) => to(P::Stopping, E::Stop),
        (P::Undelivered, Event::EndAsked) => to(P::Undelivered, E::Deliver),
        (P::Stopping, Event::Stopped) => to(P::Stopping, E::Deliver),
        (P::Stopping | P::Undelivered, Event::Delivered) => to(P::Archiving, E::WatchArchive),
        (P::Stopping | P::Undelivered, Event::NotDelivered(why)) => {
            because(P::Undelivered, E::None, why)
        }
        (P::Archiving, Event::Archived) => to(P::Complete, E::Finish),
        (P::Archiving, Event::NotArchived(why)) => because(P::Incomplete, E::Finish, why),
        (P::Archiving, Event::Lost(why)) => because(
            P::Incomplete,
            E::Finish,
            format!("nobody knows whether its WAL is archived: {why}"),
        ),
        (P::Archiving, Event::AbortAsked | Event::Interrupted) => {
            because(P::Incomplete, E::Finish, "nobody waited until its WAL was archived")
        }
        (P::Starting | P::Running | P::Stopping, Event::Lost(why)) => void(&format!(
            "the session that held the backup is lost, so the server aborted the backup: {why}"
        )),
        (P::Starting | P::Running | P::Stopping | P::Undelivered, Event::AbortAsked) => {
            because(P::Aborted, E::Finish, "it was given up")
        }
        (P::Starting | P::Running, Event::DeadlinePassed) => {
            void("the deadline passed before the backup was ended")
        }
        (P::Undelivered, Event::DeadlinePassed) => {
            void("the deadline passed before the label could be written")
        }
        (P::Starting | P::Running | P::Stopping | P::Undelivered, Event::Interrupted) => {
            void("the process that held the backup was told to end")
        }
        _ => to(phase, E::None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(events: &[Event]) -> (Phase, Option<String>) {
        let mut now = (Phase::Starting, None);
        for event in events {
            let step = next(now.0, event);
            now = (step.phase, step.reason.or(now.1));
        }
        now
    }

    fn why() -> String {
        "why".to_owned()
    }

    #[test]
    fn a_course_ends_as_it_must() {
        use Event as E;
        let begun = [E::Started, E::EndAsked];
        let stopped = [E::Started, E::EndAsked, E::Stopped];
        let cases: Vec<(Vec<Event>, Phase)> = vec![
            (vec![E::Started], Phase::Running),
            (vec![E::NotStarted(why())], Phase::Failed),
            // An end that comes too early is not remembered.
            (vec![E::EndAsked, E::Started], Phase::Running),
            ([&stopped[..], &[E::Delivered, E::Archived]].concat(), Phase::Complete),
            ([&stopped[..], &[E::Delivered, E::NotArchived(why())]].concat(), Phase::Incomplete),
            ([&stopped[..], &[E::NotDelivered(why())]].concat(), Phase::Undelivered),
            (
                [&stopped[..], &[E::NotDelivered(why()), E::EndAsked, E::Delivered, E::Archived]]
                    .concat(),
                Phase::Complete,
            ),
            // Without its session a backup that has ended is as good as before.
            (
                [&stopped[..], &[E::NotDelivered(why()), E::Lost(why()), E::Delivered]].concat(),
                Phase::Archiving,
            ),
            ([&stopped[..], &[E::Delivered, E::Lost(why())]].concat(), Phase::Incomplete),
            ([&begun[..], &[E::NotStopped(why())]].concat(), Phase::Failed),
            ([&begun[..], &[E::Lost(why()), E::Stopped, E::Delivered]].concat(), Phase::Failed),
            (vec![E::Started, E::Lost(why()), E::EndAsked, E::Stopped], Phase::Failed),
            (vec![E::Started, E::DeadlinePassed, E::EndAsked], Phase::Failed),
            // Once the server is asked to end it, the deadline is kept.
            ([&begun[..], &[E::DeadlinePassed]].concat(), Phase::Stopping),
            (vec![E::Started, E::AbortAsked, E::EndAsked], Phase::Aborted),
            (vec![E::Started, E::Interrupted], Phase::Failed),
            (vec![E::Started, E::EndAsked, E::EndAsked, E::Stopped], Phase::Stopping),
        ];
        for (events, phase) in cases {
            assert_eq!(run(&events).0, phase, "{events:?}");
        }
    }

    #[test]
    fn what_is_not_good_has_a_reason() {
        for events in [
            vec![Event::NotStarted(why())],
            vec![Event::Started, Event::AbortAsked],
            vec![Event::Started, Event::DeadlinePassed],
            vec![Event::Started, Event::Lost(why())],
        ] {
            assert!(run(&events).1.is_some(), "{events:?}");
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Started),
            Just(Event::NotStarted(why())),
            Just(Event::EndAsked),
            Just(Event::AbortAsked),
            Just(Event::Stopped),
            Just(Event::NotStopped(why())),
            Just(Event::Delivered),
            Just(Event::NotDelivered(why())),
            Just(Event::Archived),
            Just(Event::NotArchived(why())),
            Just(Event::Lost(why())),
            Just(Event::Void(why())),
            Just(Event::DeadlinePassed),
            Just(Event::Interrupted),
        ]
    }

    proptest! {
        #[test]
        fn nothing_bad_is_ever_taken_for_complete(events in prop::collection::vec(any_event(), 0..30)) {
            let mut phase = Phase::Starting;
            let mut lost = false;
            let mut steps = Vec::new();
            let mut delivering = false;
            for event in &events {
                // Nothing is delivered before that was asked for.
                if matches!(event, Event::Delivered | Event::NotDelivered(_)) && !delivering {
                    continue;
                }
                let step = next(phase, event);
                prop_assert!(!phase.is_final() || step.phase == phase, "what is final stays");
                prop_assert_eq!(
                    step.effect == Effect::Finish,
                    step.phase.is_final() && !phase.is_final()
                );
                lost |= matches!(event, Event::Lost(_)) && !phase.is_final()
                    && matches!(phase, Phase::Starting | Phase::Running | Phase::Stopping);
                phase = step.phase;
                delivering |= step.effect == Effect::Deliver;
                steps.push(event.clone());
            }
            if phase == Phase::Complete {
                prop_assert!(!lost);
                for needed in [Event::Started, Event::EndAsked, Event::Stopped, Event::Delivered, Event::Archived] {
                    prop_assert!(steps.contains(&needed));
                }
            }
        }
    }
}
