//! From the standard output of a program into a file.

use hayloft_plugin_api::{Error, ErrorKind, Finished, Output, Process, Progress, Result};

use crate::{
    destination::Destination,
    pump::{Sink, pump},
    summary::Made,
    watch::Watch,
};

/// How an attempt ended: with something, or with the program's bad end.
#[derive(Debug)]
pub enum Attempt<T> {
    /// It is done.
    Done(T),
    /// The program failed; nothing was left behind.
    Failed {
        /// The program's name, as it was started.
        program: String,
        /// How it ended.
        finished: Finished,
    },
}

/// A program that was started, and by which name.
#[derive(Debug)]
pub struct Started {
    /// The program.
    pub process: Process,
    /// Its name or path.
    pub program: String,
}

impl Started {
    /// Waits for the program's end; `None` if it is a good one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if the action was cancelled meanwhile.
    pub fn bad_end<T>(&mut self) -> Result<Option<Attempt<T>>> {
        let finished = self.process.wait()?;
        let good = finished.clone().into_result(&self.program).is_ok();
        let program = self.program.clone();
        Ok((!good).then_some(Attempt::Failed { program, finished }))
    }
}

/// Starts a program and moves all that it writes to its standard output into
/// the dump `base`, which appears whole and durable, or not at all.
///
/// `complaint` is asked last: it says what is wrong with a stream although
/// the program ended well.
///
/// # Errors
///
/// Those of `start` and of the file, [`ErrorKind::CORRUPT`] with the
/// complaint, [`ErrorKind::CANCELLED`].
pub fn stream(
    destination: &Destination<'_>,
    base: &str,
    start: impl FnOnce() -> Result<Started>,
    complaint: impl FnOnce(&Watch) -> Option<String>,
) -> Result<Attempt<Made>> {
    let mut watch = Watch::default();
    let moved = transfer(destination, base, start, |piece| watch.see(piece))?;
    if moved.finished.clone().into_result(&moved.program).is_err() {
        return Ok(Attempt::Failed { program: moved.program, finished: moved.finished });
    }
    if let Some(complaint) = complaint(&watch) {
        let message = format!("{complaint}, although {} ended well", moved.program);
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    moved.commit(destination, base).map(Attempt::Done)
}

/// What a program wrote, in a file that has not appeared yet; it vanishes if
/// this is dropped.
#[derive(Debug)]
pub struct Transferred {
    output: Output,
    /// The bytes that the program wrote.
    pub dumped: u64,
    /// The program's name, as it was started.
    pub program: String,
    /// How it ended.
    pub finished: Finished,
}

impl Transferred {
    /// See [`Destination::commit`].
    ///
    /// # Errors
    ///
    /// If the file could not be made durable; nothing has appeared then.
    pub fn commit(self, destination: &Destination<'_>, base: &str) -> Result<Made> {
        destination.commit(base, self.output, self.dumped)
    }
}

/// As [`stream`], for those who look at all that passes, and judge themselves
/// how the program ended.
///
/// # Errors
///
/// Those of `start` and of the file, and [`ErrorKind::CANCELLED`].
pub fn transfer(
    destination: &Destination<'_>,
    base: &str,
    start: impl FnOnce() -> Result<Started>,
    mut seen: impl FnMut(&[u8]),
) -> Result<Transferred> {
    let host = destination.host();
    let file = destination.file_name(base);
    let sink = destination.create(base)?;
    let Started { mut process, program } = start()?;
    let mut dumped = 0;
    let output = pump(&mut process, sink, Sink::finish, |piece| {
        seen(piece);
        dumped += piece.len() as u64;
        host.progress(Progress { what: &file, done: dumped, total: 0 });
        host.check_cancelled()
    });
    let output = output.map_err(|error| unfinished(&file, error))?;
    let finished = process.wait()?;
    host.check_cancelled()?;
    Ok(Transferred { output, dumped, program, finished })
}

/// Says which file an error kept from being made.
pub fn unfinished(file: &str, error: Error) -> Error {
    let full = error.kind() == ErrorKind::FULL;
    let error = error.context(format!("cannot make {file}"));
    if full { error.hint("make room on the disk of <collect_dir>") } else { error }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn a_file_appears_only_if_program_and_content_are_good() {
        let cases = [
            ("echo whole", Some("whole\n")),
            ("echo half", None),
            ("echo whole; exit 3", None),
            ("echo whole; kill -9 $$", None),
        ];
        for (script, content) in cases {
            let test = TestHost::new().unwrap();
            let host = test.host();
            let destination = Destination::open(&host, "none").unwrap();
            let start = || {
                let process = host.process("/bin/sh").args(["-c", script]).spawn()?;
                Ok(Started { process, program: "sh".to_owned() })
            };
            let complaint = |it: &Watch| {
                (!it.ends_around(b"whole\n")).then(|| "the dump has no end".to_owned())
            };
            let done = stream(&destination, "dump.txt", start, complaint);
            let file = test.collect_dir().join("dump.txt");
            assert_eq!(fs::read_to_string(&file).ok().as_deref(), content, "{script}");
            assert_eq!(matches!(done, Ok(Attempt::Done(_))), content.is_some(), "{script}");
            let left = fs::read_dir(test.collect_dir()).unwrap().count();
            assert_eq!(left, usize::from(content.is_some()), "{script}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_leaves_no_file() {
        let test = TestHost::new().unwrap();
        let host = test.host();
        let destination = Destination::open(&host, "none").unwrap();
        let start = || {
            let process = host.process("/nonexistent/program").spawn()?;
            Ok(Started { process, program: String::new() })
        };
        let error = stream(&destination, "dump.txt", start, |_| None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
        assert_eq!(fs::read_dir(test.collect_dir()).unwrap().count(), 0);
    }
}
