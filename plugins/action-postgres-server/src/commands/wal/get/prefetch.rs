//! The process that fetches segments before they are asked for; nobody calls
//! it by hand.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Arguments, CommandSpec, Error, Result};
use hayloft_postgres::wal::{FileName, SegmentName};

use super::{
    super::{Call, Subcommand},
    AHEAD,
    ahead::{Ahead, Position},
};
use crate::archive::{
    Archive,
    deliver::{self, Delivery},
};

/// See the module.
pub(in super::super) const COMMAND: Subcommand = Subcommand { name: "prefetch", spec, run };

/// How long nothing may be asked for until it ends.
const IDLE: Duration = Duration::from_secs(20);
/// How often it is looked how far `get` is.
const PULSE: Duration = Duration::from_millis(10);

fn spec() -> CommandSpec {
    CommandSpec::default()
}

/// What the process is called with.
pub(super) fn arguments(server: &str, ahead: &Ahead) -> Arguments {
    let values = [
        ("server", server.to_owned()),
        ("directory", ahead.directory.to_string_lossy().into_owned()),
    ];
    Arguments {
        subcommands: vec!["wal".to_owned(), COMMAND.name.to_owned()],
        values: values.into_iter().map(|(k, v)| (k.to_owned(), vec![v])).collect(),
        json: false,
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let directory = Path::new(call.arguments.get("directory").unwrap_or_default());
    let archive = Archive::open(call.host, server)?;
    let spool = archive.spool().ok_or_else(|| Error::msg("there is no spool"))?.clone();
    let ahead =
        Ahead::of(&spool, directory).ok_or_else(|| Error::msg("there is no place in the spool"))?;
    let Some(_lock) = ahead.lock()? else { return Ok(0) };
    let work = Work {
        archive: &archive.in_parallel(),
        ahead: &ahead,
        most: server.wal.get_ahead.unwrap_or(AHEAD) as usize,
        workers: server.wal_workers(),
    };
    ahead.keep_only(&[]);
    let done = work.follow(&|| call.host.cancelled() || !directory.is_dir());
    ahead.close();
    done.map(|()| 0)
}

struct Work<'a> {
    archive: &'a Archive<'a>,
    ahead: &'a Ahead,
    most: usize,
    workers: usize,
}

impl Work<'_> {
    /// Keeps the next segments at hand until nothing is asked for any more.
    fn follow(&self, ended: &dyn Fn() -> bool) -> Result<()> {
        while let Some(position) = self.ahead.position() {
            self.fill(position)?;
            let began = Instant::now();
            while self.ahead.position() == Some(position) {
                if began.elapsed() > IDLE || ended() {
                    return Ok(());
                }
                thread::sleep(PULSE);
            }
        }
        Ok(())
    }

    /// Fetches what is missing of the segments behind a position, the nearest
    /// first; ends early if `get` gets further, or there is no more.
    fn fill(&self, position: Position) -> Result<()> {
        let wanted = behind(position, self.most);
        self.ahead.keep_only(&wanted);
        let here = |it: &SegmentName| self.ahead.spool.path(&it.to_string()).exists();
        let missing: Vec<SegmentName> = wanted.into_iter().filter(|it| !here(it)).collect();
        for some in missing.chunks(self.workers) {
            if self.ahead.position() != Some(position) || !self.fetch_all(some)? {
                break;
            }
        }
        Ok(())
    }

    /// Fetches segments at the same time; tells whether there were all.
    fn fetch_all(&self, segments: &[SegmentName]) -> Result<bool> {
        let Some((first, others)) = segments.split_first() else { return Ok(true) };
        thread::scope(|scope| {
            let waiting: Vec<_> =
                others.iter().map(|it| scope.spawn(move || self.fetch(*it))).collect();
            let mut all = self.fetch(*first);
            for it in waiting {
                let came = it.join().unwrap_or_else(|_| Err(Error::msg("a thread came to grief")));
                all = all.and_then(|all| Ok(all & came?));
            }
            all
        })
    }

    fn fetch(&self, segment: SegmentName) -> Result<bool> {
        let mark = self.ahead.mark(segment);
        // Tells `get` to wait for it.
        fs::write(&mark, "")?;
        let here = self.ahead.spool.path(&segment.to_string());
        let there = deliver::fetch(self.archive, FileName::Segment(segment), &Delivery::to(&here));
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // `get` will tell what is wrong.
        Ok(there.unwrap_or_else(|error| {
            tracing::info!("{segment} is not fetched ahead: {error}");
            false
        }))
    }
}

/// The segments behind a position.
fn behind(position: Position, most: usize) -> Vec<SegmentName> {
    let next = |it: &SegmentName| it.next(position.size).ok();
    std::iter::successors(next(&position.segment), next).take(most).collect()
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::wal::SegmentSize;

    use super::*;

    #[test]
    fn the_next_segments_are_those_of_the_same_timeline() {
        let position = Position {
            segment: "0000000200000001000000FE".parse().unwrap(),
            size: SegmentSize::DEFAULT,
        };
        let names: Vec<_> = behind(position, 3).iter().map(ToString::to_string).collect();
        let expected =
            ["0000000200000001000000FF", "000000020000000200000000", "000000020000000200000001"];
        assert_eq!(names, expected);
        let last = Position { segment: "00000001FFFFFFFF000000FF".parse().unwrap(), ..position };
        assert!(behind(last, 3).is_empty());
    }
}
