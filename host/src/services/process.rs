//! Programs that actions run, through `Host::process`.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RSliceMut, RString},
};
use hayloft_plugin_api::{
    Error, ErrorKind, Finished, Result, SpawnRequest,
    abi::{Fallible, ProcessBox, RawProcess, RawProcess_TO},
    shim::{client, guard},
};
use rustix::process::Signal;

use crate::{processes::Family, worker::protocol::OUTPUT};

/// How often the end of a program is looked for.
const PULSE: Duration = Duration::from_millis(20);
/// How long a program has between the polite signal and the hard one.
const GRACE: Duration = Duration::from_secs(5);
/// How many lines of standard error an error shows.
const TAIL: usize = 10;
/// How much of a line of it is kept, in bytes.
const LONGEST_LINE: usize = 8 << 10;

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    program: String,
    child: Child,
    stdout: Option<ChildStdout>,
    /// Reads standard error, and output that nobody captures.
    readers: Vec<JoinHandle<Vec<String>>>,
    watch: Arc<Watch>,
}

/// What the thread that ends a program in time looks at.
#[derive(Debug)]
struct Watch {
    ended: AtomicBool,
    timed_out: AtomicBool,
    cancelled_before: AtomicBool,
}

/// Starts a program.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] with the program's name, if there is none.
pub fn start(
    request: &SpawnRequest,
    program: &Path,
    cancelled: &Arc<AtomicBool>,
) -> Result<Running> {
    let words = [std::slice::from_ref(&request.program), &request.args].concat();
    tracing::debug!(target: OUTPUT, "executing {words:?}");
    let mut command = Command::new(program);
    command.args(&request.args).process_group(0);
    // Programs are to speak the one language that their callers can read.
    command.env("LC_ALL", "C.UTF-8");
    for (name, value) in &request.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = &request.directory {
        command.current_dir(directory);
    }
    let stdin = if request.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| cannot_start(program, e))?;
    feed(&mut child, &request.stdin);
    Ok(Running::new(request, child, cancelled))
}

fn cannot_start(program: &Path, error: io::Error) -> Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let error = Error::from(error).context(format!("cannot start {}", program.display()));
    if missing {
        return error.hint(
            "install it, or name its path in an <override> of the configuration's <options>",
        );
    }
    error
}

fn feed(child: &mut Child, bytes: &[u8]) {
    if let Some(mut stdin) = child.stdin.take() {
        let bytes = bytes.to_vec();
        // A program that does not read all of its input is free not to.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
    }
}

impl Running {
    fn new(request: &SpawnRequest, mut child: Child, cancelled: &Arc<AtomicBool>) -> Self {
        let mut readers = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            readers.push(read_lines(request.program.clone(), stderr));
        }
        let mut stdout = child.stdout.take();
        if !request.capture
            && let Some(stdout) = stdout.take()
        {
            readers.push(read_lines(request.program.clone(), stdout));
        }
        let watch = Arc::new(Watch {
            ended: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
            cancelled_before: AtomicBool::new(false),
        });
        let limit = request.timeout_ms.map(Duration::from_millis);
        spawn_watch(&child, limit, Arc::clone(cancelled), Arc::clone(&watch));
        Self { program: request.program.clone(), child, stdout, readers, watch }
    }

    /// Waits for the end of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if it was ended because the work is to end.
    pub fn wait(&mut self) -> Result<Finished> {
        // A program that still writes must not block on a pipe nobody reads.
        drop(self.stdout.take());
        let status = self.child.wait();
        self.watch.ended.store(true, Ordering::Release);
        let status = status
            .map_err(|e| Error::from(e).context(format!("cannot wait for {}", self.program)))?;
        let stderr = self.readers.drain(..).flat_map(|r| r.join().unwrap_or_default());
        let stderr = stderr.collect::<Vec<_>>().join("\n");
        if self.watch.cancelled_before.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::CANCELLED,
                format!("{} was interrupted", self.program),
            ));
        }
        let timed_out = self.watch.timed_out.load(Ordering::Acquire);
        Ok(finished(status, timed_out, stderr))
    }

    fn kill(&mut self) {
        if !self.watch.ended.swap(true, Ordering::AcqRel) {
            Family::kill_program(self.child.id());
            // The process is reaped; how it ended does not matter any more.
            drop(self.child.wait());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn finished(status: ExitStatus, timed_out: bool, stderr: String) -> Finished {
    Finished { code: status.code(), signal: status.signal(), timed_out, stderr }
}

/// Ends the program when its time is over or the action is cancelled.
fn spawn_watch(
    child: &Child,
    limit: Option<Duration>,
    cancelled: Arc<AtomicBool>,
    watch: Arc<Watch>,
) {
    let process = child.id();
    let started = Instant::now();
    thread::spawn(move || {
        let over = || limit.is_some_and(|limit| started.elapsed() >= limit);
        while !watch.ended.load(Ordering::Acquire) {
            if cancelled.load(Ordering::Relaxed) || over() {
                let flag = if over() { &watch.timed_out } else { &watch.cancelled_before };
                flag.store(true, Ordering::Release);
                let family = Family::of_program(process);
                family.signal(Signal::TERM);
                let deadline = Instant::now() + GRACE;
                while Instant::now() < deadline && family.is_alive() {
                    thread::sleep(PULSE);
                }
                if !watch.ended.load(Ordering::Acquire) {
                    Family::kill_program(process);
                }
                // Some may have outlived their parents.
                family.signal(Signal::KILL);
                return;
            }
            thread::sleep(PULSE);
        }
    });
}

/// Logs each line and returns the last ones.
fn read_lines(program: String, from: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut tail = VecDeque::new();
        let mut line = Vec::new();
        let mut from = BufReader::new(from);
        while matches!(read_line(&mut from, &mut line), Ok(true)) {
            let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            tracing::info!(target: OUTPUT, program, "{text}");
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(text);
        }
        tail.into()
    })
}

/// Reads a line; a program that shows its progress ends one with a carriage
/// return. Of a line that is too long, what comes later is left out. Tells
/// whether there was one.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let piece = match from.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if piece.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = piece.iter().position(|it| matches!(it, b'\n' | b'\r'));
        let text = &piece[..end.unwrap_or(piece.len())];
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&text[..text.len().min(room)]);
        let carriage_return = end.is_some_and(|it| piece[it] == b'\r');
        let read = end.map_or(piece.len(), |it| it + 1);
        from.consume(read);
        if carriage_return && from.fill_buf().is_ok_and(|it| it.starts_with(b"\n")) {
            from.consume(1);
        }
        if end.is_some() {
            return Ok(true);
        }
    }
}

impl RawProcess for Running {
    fn read(&mut self, mut buffer: RSliceMut<'_, u8>) -> Fallible<usize> {
        guard(|| match &mut self.stdout {
            None => Ok(0),
            Some(stdout) => loop {
                match stdout.read(buffer.as_mut_slice()) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => return Ok(other?),
                }
            },
        })
    }

    fn wait(&mut self) -> Fallible<RString> {
        guard(|| client::to_json(&self.wait()?).map(RString::from))
    }

    fn kill(&mut self) {
        self.kill();
    }
}

/// Hands a running program to a plugin.
pub fn boxed(running: Running) -> ProcessBox {
    RawProcess_TO::from_value(running, TD_Opaque)
}

/// Finds a program: a path as it is, a name in `search`, which has the form of
/// `$PATH`.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] with the name.
pub fn find_program(name: &str, search: Option<&OsString>) -> Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let directories = search.map(|p| std::env::split_paths(p).collect::<Vec<_>>());
    let found = directories.unwrap_or_default().into_iter().map(|d| d.join(name)).find(|path| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    });
    found.ok_or_else(|| {
        Error::new(ErrorKind::NOT_FOUND, format!("there is no program `{name}` in $PATH"))
            .hint("install it, or name its path in an <override> of the configuration's <options>")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout_ms: Option<u64>) -> SpawnRequest {
        SpawnRequest {
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            capture: true,
            timeout_ms,
            ..SpawnRequest::default()
        }
    }

    fn run(request: &SpawnRequest, cancelled: bool) -> Result<Finished> {
        let cancelled = Arc::new(AtomicBool::new(cancelled));
        start(request, Path::new(&request.program), &cancelled)?.wait()
    }

    #[test]
    fn the_end_of_a_program_is_told_with_its_last_words() {
        let finished = run(&shell("echo no room >&2; exit 3", None), false).unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!(finished.stderr, "no room");
        let error = finished.into_result("pg_dump").unwrap_err().to_string();
        assert_eq!(error, "pg_dump failed with exit code 3: no room");
    }

    #[test]
    fn lines_may_end_with_a_carriage_return_and_are_not_kept_for_ever() {
        let cases = [
            ("a\nb\n", vec!["a", "b"]),
            ("10 %\r20 %\rdone", vec!["10 %", "20 %", "done"]),
            ("a\r\n\r\nb\r\n", vec!["a", "", "b"]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(read_lines(String::new(), text.as_bytes()).join().unwrap(), expected);
        }
        let endless = io::repeat(b'x').take(10 << 20);
        let lines = read_lines(String::new(), endless).join().unwrap();
        assert_eq!(lines, ["x".repeat(LONGEST_LINE)]);
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let started = Instant::now();
        let finished = run(&shell("sleep 60 & wait", Some(100)), false).unwrap();
        assert!(finished.timed_out);
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_cancelled_action_ends_its_programs() {
        let error = run(&shell("sleep 60", None), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CANCELLED);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let mut request = shell("", None);
        request.program = "/nonexistent/pg_dump".to_owned();
        let error = run(&request, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
        assert!(error.to_string().contains("/nonexistent/pg_dump"));
        assert!(find_program("no-such-program", Some(&"/bin".into())).is_err());
        assert!(find_program("sh", Some(&"/bin".into())).is_ok());
    }

    #[test]
    fn input_reaches_the_program() {
        let mut request = shell("cat", None);
        request.stdin = b"hay".to_vec();
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut running = start(&request, Path::new("/bin/sh"), &cancelled).unwrap();
        let mut out = String::new();
        running.stdout.as_mut().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(out, "hay");
        assert_eq!(running.wait().unwrap().code, Some(0));
    }
}
