//! Starting a scratch server and waiting until it has replayed everything.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::{
    cluster::{self, ClusterError, Condition, Patience, Phase, StartOptions, State},
    version::ServerVersion,
    wal::{FileName, SegmentName, SegmentSize},
};

use super::{
    feed::{Fed, Feed},
    log::{self, Told},
    scratch::Scratch,
    settings::{self, Scene},
};
use crate::config::Drill;

/// How often the server is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a server may take to take its directory.
const LAUNCH: Duration = Duration::from_mins(1);
/// How many settings may turn out to be too low, one after the other.
const RAISES: usize = 6;

/// What the replay is to come to.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The cluster's version.
    pub(super) version: ServerVersion,
    /// Settings of the target and the timeline: `recovery_target…`.
    pub(super) target: Vec<(String, String)>,
    /// The last archived segment, where everything is to be replayed.
    pub(super) last: Option<SegmentName>,
    /// How large segments are.
    pub(super) size: SegmentSize,
    /// Whether the server is kept from every network.
    pub(super) without_network: bool,
}

/// What it came to.
#[derive(Debug)]
pub(super) struct Replayed {
    /// What the log tells.
    pub(super) told: Told,
    /// What was handed to it.
    pub(super) fed: Fed,
}

/// Starts the server and returns when it is open, or why it never will be.
///
/// # Errors
///
/// If it ends, or nothing happens any more, or the user wants an end.
pub(super) fn replay(
    host: &Host,
    drill: &Drill,
    scratch: &Scratch,
    feed: &Feed,
    wanted: &Wanted,
) -> Result<Replayed> {
    let mut raised = BTreeMap::new();
    loop {
        configure(drill, scratch, wanted, &raised)?;
        let ended = match once(host, drill, scratch, feed, wanted.without_network)? {
            Ended::Open(replayed) => return Ok(*replayed),
            Ended::Gone(told) => told,
        };
        let fatal = ended.fatal.clone().unwrap_or_default();
        let low = fatal.too_low().or_else(|| prepared_transactions(&fatal.text, &raised));
        match low {
            Some((name, value)) if raised.len() < RAISES && raised.get(&name) != Some(&value) => {
                tracing::info!("the scratch server needs {name} = {value}");
                raised.insert(name, value);
            }
            _ => return Err(gone(&ended, feed)),
        }
    }
}

/// The one limit that is told without a value.
fn prepared_transactions(text: &str, raised: &BTreeMap<String, u64>) -> Option<(String, u64)> {
    const NAME: &str = "max_prepared_transactions";
    let told = text.contains("maximum number of prepared transactions reached");
    (told && !raised.contains_key(NAME)).then(|| (NAME.to_owned(), 10_000))
}

fn gone(told: &Told, feed: &Feed) -> Error {
    if let Some(problem) = feed.fed().problem {
        return Error::msg(problem).context("the scratch server did not get a file of WAL");
    }
    match &told.fatal {
        Some(fatal) => Error::msg(fatal.line()).context("the scratch server ended"),
        None => Error::msg("the scratch server ended, and its log does not tell why"),
    }
}

fn configure(
    drill: &Drill,
    scratch: &Scratch,
    wanted: &Wanted,
    raised: &BTreeMap<String, u64>,
) -> Result<()> {
    let own: Vec<(String, String)> =
        drill.setting.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
    let text = settings::configuration(&Scene {
        version: wanted.version,
        data: &scratch.data(),
        configuration: &scratch.configuration(),
        socket: &scratch.socket(),
        target: &wanted.target,
        own: &own,
        raised,
    });
    let files =
        [("postgresql.conf", text.as_str()), ("pg_hba.conf", settings::HBA), ("pg_ident.conf", "")];
    for (name, text) in files {
        let path = scratch.configuration().join(name);
        fs::write(&path, text)
            .map_err(|e| Error::from(e).context(format!("cannot write {}", path.display())))?;
        scratch.give(&path)?;
    }
    Ok(())
}

enum Ended {
    Open(Box<Replayed>),
    Gone(Told),
}

fn once(
    host: &Host,
    drill: &Drill,
    scratch: &Scratch,
    feed: &Feed,
    without_network: bool,
) -> Result<Ended> {
    // What an earlier try has said is not what this one says.
    let _ = fs::remove_file(scratch.log());
    match launch(host, drill, scratch, without_network) {
        Ok(()) => {}
        Err(ClusterError::Cancelled { .. }) => host.check_cancelled()?,
        Err(error) => {
            let told = log::read(&written(scratch));
            if told.fatal.is_some() {
                return Ok(Ended::Gone(told));
            }
            return Err(failed(&error).context("the scratch server did not start"));
        }
    }
    watch(host, drill, scratch, feed)
}

/// Waits until the server that replays is open, or gone, or gets on no more.
fn watch(host: &Host, drill: &Drill, scratch: &Scratch, feed: &Feed) -> Result<Ended> {
    let stall = drill.stall_timeout();
    let (mut length, mut active) = (0, Instant::now());
    loop {
        host.check_cancelled()?;
        let text = written(scratch);
        if text.len() != length {
            (length, active) = (text.len(), Instant::now());
        }
        match cluster::probe(&scratch.data()).map_err(|e| failed(&e))? {
            State::Running(server) if server.phase == Phase::Ready => {
                let told = log::read(&written(scratch));
                return Ok(Ended::Open(Box::new(Replayed { told, fed: feed.fed() })));
            }
            State::Running(_) => {}
            _ => return Ok(Ended::Gone(log::read(&written(scratch)))),
        }
        let idle = active.max(feed.fed().active).elapsed();
        if idle > stall {
            let message = format!("the replay has not got on for {} s", idle.as_secs());
            return Err(Error::new(ErrorKind::TIMED_OUT, message)
                .hint("a slow machine may need a longer <stall_timeout> in <drill>"));
        }
        thread::sleep(TICK);
    }
}

fn launch(
    host: &Host,
    drill: &Drill,
    scratch: &Scratch,
    without_network: bool,
) -> Result<(), ClusterError> {
    let configuration = scratch.configuration().join("postgresql.conf");
    let mut file = std::ffi::OsString::from("config_file=");
    file.push(&configuration);
    let options = StartOptions {
        programs: drill.programs.clone(),
        log: Some(scratch.log()),
        arguments: vec!["-c".into(), file],
        condition: Condition::Launched,
        without_network,
    };
    let cancelled = || host.cancelled();
    cluster::start(&scratch.data(), &options, &Patience::new(LAUNCH, &cancelled)).map(drop)
}

pub(super) fn failed(error: &ClusterError) -> Error {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    Error::msg(text)
}

fn written(scratch: &Scratch) -> String {
    fs::read(scratch.log()).map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
}

/// Tells why what was replayed is not what was wanted; nothing if it is.
///
/// A server that finds a gap or damage at the end of its way opens all the
/// same, with old data: this is where that is found out.
pub(super) fn shortfall(wanted: &Wanted, replayed: &Replayed) -> Option<String> {
    let Replayed { told, fed } = replayed;
    if let Some(damage) = told.damage.first() {
        return Some(format!("the archived WAL is damaged: {damage}"));
    }
    if !wanted.target.is_empty() && wanted.last.is_none() && told.stopped.is_none() {
        return Some("the replay ended before it came to the target".to_owned());
    }
    let last = wanted.last?;
    let begins = last.start(wanted.size).ok()?;
    let there = told.redo_done.is_some_and(|it| it >= begins);
    // A record may be longer than a segment and end nowhere.
    if there || fed.last == Some(FileName::Segment(last)) {
        return None;
    }
    let ended = match told.redo_done {
        Some(position) => format!("at {position}"),
        None => "without having replayed anything".to_owned(),
    };
    Some(format!("the replay ended {ended}, and the last archived segment is {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(redo: Option<&str>, last: Option<&str>, damage: Option<&str>) -> Replayed {
        Replayed {
            told: Told {
                redo_done: redo.map(|it| it.parse().unwrap()),
                damage: damage.map(str::to_owned).into_iter().collect(),
                ..Told::default()
            },
            fed: Fed {
                files: 1,
                last: last.map(|it| it.parse().unwrap()),
                active: Instant::now(),
                problem: None,
            },
        }
    }

    #[test]
    fn a_replay_that_ends_early_is_no_success() {
        let wanted = Wanted {
            version: ServerVersion::parse("15.3").unwrap(),
            target: Vec::new(),
            last: Some("000000010000000000000005".parse().unwrap()),
            size: SegmentSize::DEFAULT,
            without_network: false,
        };
        let cases = [
            (Some("0/5000110"), Some("000000010000000000000005"), None, true),
            (Some("0/6000000"), Some("000000010000000000000004"), None, true),
            (Some("0/4FFFFF0"), Some("000000010000000000000004"), None, false),
            (Some("0/4FFFFF0"), Some("000000010000000000000005"), None, true),
            (Some("0/5000110"), Some("000000010000000000000005"), Some("bad"), false),
            (None, None, None, false),
        ];
        for (redo, last, damage, good) in cases {
            let found = shortfall(&wanted, &replayed(redo, last, damage));
            assert_eq!(found.is_none(), good, "{redo:?} {last:?} {damage:?}: {found:?}");
        }
    }

    #[test]
    fn a_target_must_have_been_reached() {
        let wanted = Wanted {
            version: ServerVersion::parse("15.3").unwrap(),
            target: vec![("recovery_target_time".to_owned(), "x".to_owned())],
            last: None,
            size: SegmentSize::DEFAULT,
            without_network: false,
        };
        let mut it = replayed(Some("0/5000110"), None, None);
        assert!(shortfall(&wanted, &it).is_some());
        it.told.stopped = Some("recovery stopping before commit of transaction 7".to_owned());
        assert_eq!(shortfall(&wanted, &it), None);
    }
}
