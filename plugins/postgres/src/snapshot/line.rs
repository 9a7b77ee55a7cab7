//! The line between the process that holds a session and those who ask it.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{error::SnapshotError, place::Place, record::Record};

/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often whoever waits for an answer looks whether that is still wanted.
const PULSE: Duration = Duration::from_millis(100);

/// What the process that holds a session can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "ask")]
pub enum Question {
    /// How it is. Answered at once.
    Status,
    /// To end the backup. Answered when that is done.
    End {
        /// The session that is meant, if that matters.
        id: Option<String>,
        /// Where label and map go, if not where it was told.
        output: Option<PathBuf>,
        /// How many seconds to wait for the archive, if not as it was told.
        wait: Option<u64>,
    },
    /// To give it up. Answered when that is done.
    Abort {
        /// The session that is meant, if that matters.
        id: Option<String>,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What is known.
    pub record: Record,
    /// Why it was not done.
    pub refused: Option<String>,
}

/// Asks, and waits for the answer as long as `wanted` says so.
///
/// # Errors
///
/// [`SnapshotError::File`] if nobody is there, and [`SnapshotError::Silent`]
/// if the process ends without an answer or the answer is not wanted any more:
/// [`Place::current`] tells then what became of it.
pub fn ask(
    place: &Place,
    question: &Question,
    wanted: &dyn Fn() -> bool,
) -> Result<Answer, SnapshotError> {
    let stream = place.with_socket(|it| UnixStream::connect(it))?;
    let silent = |e: &dyn std::fmt::Display| SnapshotError::Silent(e.to_string());
    let mut text = serde_json::to_vec(question).map_err(|e| silent(&e))?;
    text.push(b'\n');
    (&stream).write_all(&text).map_err(|e| silent(&e))?;
    stream.set_read_timeout(Some(PULSE)).map_err(|e| silent(&e))?;
    let mut from = BufReader::new(&stream);
    let mut line = Vec::new();
    loop {
        match from.read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => {
                return serde_json::from_slice(&line).map_err(|e| silent(&e));
            }
            Ok(_) => return Err(silent(&"it ended")),
            Err(e) if is_pause(&e) && wanted() => {}
            Err(e) if is_pause(&e) => return Err(silent(&"it was not waited for")),
            Err(e) => return Err(silent(&e)),
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::WouldBlock | Kind::TimedOut | Kind::Interrupted)
}

/// Listens, in a thread of its own that ends with the process or when nobody
/// takes the questions any more.
pub(super) fn listen<T: Send + 'static>(
    place: &Place,
    to: Sender<T>,
    wrap: impl Fn(Question, UnixStream) -> T + Send + Clone + 'static,
) -> Result<(), SnapshotError> {
    let listener = place.with_socket(|it| UnixListener::bind(it))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (to, wrap) = (to.clone(), wrap.clone());
            thread::spawn(move || {
                if let Some(question) = hear(&stream) {
                    // Whoever asks sees the end of the line if this fails.
                    drop(to.send(wrap(question, stream)));
                }
            });
        }
    });
    Ok(())
}

fn hear(stream: &UnixStream) -> Option<Question> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// Answers. Whoever asked may be gone.
pub(super) fn answer(mut to: &UnixStream, record: &Record, refused: Option<String>) {
    let answer = Answer { record: record.clone(), refused };
    if let Ok(mut text) = serde_json::to_vec(&answer) {
        text.push(b'\n');
        drop(to.write_all(&text));
    }
}
