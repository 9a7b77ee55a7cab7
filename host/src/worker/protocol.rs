//! What a worker process and its parent say to each other.
//!
//! The parent writes one [`Job`] to the worker's standard input and keeps it
//! open: its end means that the work is to end. Later it writes the answers
//! to questions there. The worker writes frames to
//! what was its standard output: a tag, a length of four bytes in the
//! network's order, and the content. Only [`Message::Done`] is success: an
//! exit code of 0 without it is a crash like any other.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Read, Write},
    path::PathBuf,
};

use hayloft_plugin_api::{Arguments, Diagnostic, Event, Outcome, Position, Request, Verdict};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Passed;

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The configuration file.
    pub configuration: Option<PathBuf>,
    /// Directories with plugins that the command line named.
    pub plugin_dirs: Vec<PathBuf>,
    /// What the log is to hold, in the form of `RUST_LOG`.
    pub log_filter: String,
    /// The task itself.
    pub task: Task,
    /// What the worker has of the program's standard input and output.
    #[serde(default)]
    pub streams: Passed,
}

/// A task of a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Run an action.
    Action {
        /// The plugin's name for it.
        name: String,
        /// What is asked.
        request: Request,
    },
    /// Run the hooks of an event.
    Event {
        /// The event.
        event: Event,
        /// Whether the first hook that fails is the end of it, also behind
        /// what it is for.
        strict: bool,
    },
    /// Run a command.
    Command {
        /// Its name.
        name: String,
        /// What is asked.
        request: Request,
        /// What was given on the command line.
        arguments: Arguments,
    },
    /// Check every section of every plugin.
    Check,
    /// Load the plugin of a file, to see whether that is possible.
    Verify {
        /// The file.
        file: PathBuf,
    },
    /// Describe the command of that name.
    Describe {
        /// Its name.
        name: String,
    },
}

/// An error on its way from a worker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WireError {
    /// See `ErrorKind`.
    pub kind: u32,
    /// The message.
    pub message: String,
    /// What caused it.
    pub causes: Vec<String>,
    /// What can be done.
    pub hint: Option<String>,
    /// What is wrong in the configuration.
    pub diagnostics: Vec<WireDiagnostic>,
}

/// A diagnostic on its way from a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WireDiagnostic {
    severity: u32,
    line: u32,
    column: u32,
    path: String,
    message: String,
    help: Option<String>,
}

impl From<Diagnostic> for WireDiagnostic {
    fn from(it: Diagnostic) -> Self {
        Self {
            severity: it.severity.0,
            line: it.position.line,
            column: it.position.column,
            path: it.path,
            message: it.message,
            help: it.help,
        }
    }
}

impl From<WireDiagnostic> for Diagnostic {
    fn from(it: WireDiagnostic) -> Self {
        let position = Position { line: it.line, column: it.column };
        let mut diagnostic = Self::error(position, it.path, it.message);
        diagnostic.severity.0 = it.severity;
        diagnostic.help = it.help;
        diagnostic
    }
}

impl From<hayloft_plugin_api::Error> for WireError {
    fn from(error: hayloft_plugin_api::Error) -> Self {
        Self {
            kind: error.kind().0,
            message: error.message().to_owned(),
            causes: error.causes().to_vec(),
            hint: error.remedy().map(ToOwned::to_owned),
            diagnostics: error.diagnostics().iter().cloned().map(Into::into).collect(),
        }
    }
}

impl From<WireError> for hayloft_plugin_api::Error {
    fn from(it: WireError) -> Self {
        let kind = hayloft_plugin_api::ErrorKind(it.kind);
        let mut chain = it.causes.into_iter().rev();
        let mut error = match (it.diagnostics.is_empty(), chain.next()) {
            (false, _) => {
                return Self::configuration(it.diagnostics.into_iter().map(Into::into).collect());
            }
            (true, None) => Self::new(kind, it.message),
            (true, Some(innermost)) => {
                let error = Self::new(kind, innermost);
                chain.fold(error, Self::context).context(it.message)
            }
        };
        if let Some(hint) = it.hint {
            error = error.hint(hint);
        }
        error
    }
}

/// How a task ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    /// An action did everything.
    Action(Outcome),
    /// A command did everything; its exit code.
    Command(u8),
    /// The hooks' verdict.
    Event(Verdict),
    /// What is wrong with the configuration.
    Check(Vec<WireDiagnostic>),
    /// A command's description, JSON of `CommandSpec`.
    Describe(String),
    /// The ids of the plugins that were loaded.
    Verify(Vec<String>),
    /// It failed.
    Failed(WireError),
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// From 1, an error, to 5, a trace.
    pub level: u8,
    /// Where it was made.
    pub target: String,
    /// The text, fields included.
    pub text: String,
    /// The program that wrote the line, if that is known; only of target
    /// [`OUTPUT`].
    #[serde(default)]
    pub program: String,
}

/// The target of lines that a program wrote which we run, and of the command
/// line that it was run with.
pub const OUTPUT: &str = "output";

impl LogRecord {
    /// Tells whether it is what another program wrote.
    pub fn is_output(&self) -> bool {
        self.target == OUTPUT
    }

    /// Returns the text; what another program wrote has its name in front.
    pub fn text_with_program(&self) -> Cow<'_, str> {
        match (self.is_output(), self.program.as_str()) {
            (false, _) => (&self.text).into(),
            (true, "") => format!("output: {}", self.text).into(),
            (true, program) => format!("{program}: {}", self.text).into(),
        }
    }
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressReport {
    /// What is being worked on.
    pub what: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, 0 if unknown.
    pub total: u64,
}

/// A frame.
#[derive(Debug, Clone)]
pub enum Message {
    /// A line for the log.
    Log(LogRecord),
    /// How far it is.
    Progress(ProgressReport),
    /// Bytes for the standard output.
    Print(Vec<u8>),
    /// A question for the user; the answer comes the other way.
    Ask(String),
    /// The end, and how it came.
    Done(Box<Done>),
    /// Which plugin is being called, for the report of a crash.
    Entering(BTreeMap<String, String>),
}

/// The largest frame that is believed.
const MAX_FRAME: u32 = 64 << 20;

/// Writes a document to a worker: a length of four bytes and JSON.
///
/// # Errors
///
/// If the other side is gone.
pub fn tell<T: Serialize>(to: &mut impl Write, document: &T) -> io::Result<()> {
    let document = serde_json::to_vec(document)?;
    let length = u32::try_from(document.len()).map_err(io::Error::other)?;
    to.write_all(&[length.to_be_bytes().as_slice(), &document].concat())?;
    to.flush()
}

/// Reads what [`tell`] wrote.
///
/// # Errors
///
/// If the other side is gone, or what comes is no such document.
pub fn hear<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a document is too long"));
    }
    let mut document = vec![0; length as usize];
    from.read_exact(&mut document)?;
    Ok(serde_json::from_slice(&document)?)
}

/// Writes a frame.
///
/// # Errors
///
/// If the other side is gone.
pub fn send(to: &mut impl Write, message: &Message) -> io::Result<()> {
    let (tag, content) = match message {
        Message::Log(it) => (b'L', serde_json::to_vec(it)?),
        Message::Progress(it) => (b'P', serde_json::to_vec(it)?),
        Message::Print(it) => (b'O', it.clone()),
        Message::Ask(it) => (b'Q', serde_json::to_vec(it)?),
        Message::Done(it) => (b'D', serde_json::to_vec(it)?),
        Message::Entering(it) => (b'E', serde_json::to_vec(it)?),
    };
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(content.len() + 5);
    frame.push(tag);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&content);
    to.write_all(&frame)?;
    to.flush()
}

/// Reads a frame; `None` at the end.
///
/// # Errors
///
/// If what comes is no frame.
pub fn receive(from: &mut impl Read) -> io::Result<Option<Message>> {
    let mut tag = [0];
    loop {
        match from.read(&mut tag) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    let mut content = vec![0; length as usize];
    from.read_exact(&mut content)?;
    let message = match tag[0] {
        b'L' => Message::Log(serde_json::from_slice(&content)?),
        b'P' => Message::Progress(serde_json::from_slice(&content)?),
        b'O' => Message::Print(content),
        b'Q' => Message::Ask(serde_json::from_slice(&content)?),
        b'D' => Message::Done(serde_json::from_slice(&content)?),
        b'E' => Message::Entering(serde_json::from_slice(&content)?),
        other => {
            let text = format!("a frame has the unknown tag {other}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    };
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Message::Print(vec![0, 255, 10])).unwrap();
        let done = Done::Action(Outcome::new("17 files"));
        send(&mut pipe, &Message::Done(Box::new(done))).unwrap();

        let mut from = pipe.as_slice();
        assert!(matches!(receive(&mut from), Ok(Some(Message::Print(b))) if b == [0, 255, 10]));
        assert!(matches!(receive(&mut from), Ok(Some(Message::Done(_)))));
        assert!(matches!(receive(&mut from), Ok(None)));
    }

    #[test]
    fn an_error_keeps_its_chain_on_the_way() {
        let error = hayloft_plugin_api::Error::msg("inner").context("middle").context("outer");
        let error = hayloft_plugin_api::Error::from(WireError::from(error.hint("do it")));
        assert_eq!(error.to_string(), "outer: middle: inner");
        assert_eq!(error.remedy(), Some("do it"));
    }

    #[test]
    fn a_frame_cut_short_is_an_error() {
        let mut pipe = Vec::new();
        send(&mut pipe, &Message::Print(vec![7; 100])).unwrap();
        for length in 1..pipe.len() {
            assert!(receive(&mut &pipe[..length]).is_err(), "{length}");
        }
    }
}
