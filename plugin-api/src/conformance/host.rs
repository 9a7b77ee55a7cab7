//! A host for tests of actions and commands.

mod output;
mod process;

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsStr,
    fmt, fs,
    io::Cursor,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RSlice, RStr, RString},
};
use serde::Serialize;
use tempfile::TempDir;

use super::section::Section;
use crate::{
    Codec, Compressor, Event, Host, LocalTime, NoConfig, Note, Op, Request, Settings, Step,
    Storage, StreamOptions, Weekday,
    abi::{
        Fallible, HostBox, ProcessBox, PutBox, RawHost, RawHost_TO, ReaderBox, StorageBox,
        TransformBox,
    },
    config::Node,
    error::{Error, ErrorKind, Result},
    shim::{client, guard, server},
};

/// A small real host, for tests of actions and commands.
///
/// Files are written and programs are run as the program does it, in a
/// directory that goes away with it. It has the compressor and encryptor
/// `none`, the storages that it is given, and no hooks: events are remembered.
///
/// ```
/// use hayloft_plugin_api::{Action, NoConfig, Host, Outcome, Request, Result};
/// use hayloft_plugin_api::conformance::TestHost;
///
/// struct Kernel;
/// impl Action for Kernel {
///     type Config = NoConfig;
///     fn new(_: NoConfig) -> Result<Self> {
///         Ok(Self)
///     }
///     fn run(&self, host: &Host, _: &Request) -> Result<Outcome> {
///         let release = host.process("uname").arg("-r").output()?;
///         Ok(Outcome::new(String::from_utf8_lossy(&release).trim()))
///     }
/// }
///
/// let test = TestHost::new()?;
/// let outcome = Kernel.run(&test.host(), &test.request("kernel"))?;
/// assert!(outcome.summary.contains('.'));
/// # Ok::<(), hayloft_plugin_api::Error>(())
/// ```
pub struct TestHost {
    directory: TempDir,
    document: Node,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    printed: Mutex<Vec<u8>>,
    progress: Mutex<Vec<(String, u64, u64)>>,
    events: Mutex<Vec<Event>>,
    notes: Mutex<BTreeMap<String, Note>>,
    answers: Mutex<VecDeque<String>>,
    input: Mutex<Vec<u8>>,
    storages: Mutex<BTreeMap<String, OpenStorage>>,
}

/// Opens a storage once more.
type OpenStorage = Arc<dyn Fn() -> StorageBox + Send + Sync>;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TestHost {
    /// Creates a host with an empty configuration.
    ///
    /// # Errors
    ///
    /// If no directory can be made for it.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for name in ["work", "collect", "stage", "state"] {
            fs::create_dir(directory.path().join(name))?;
        }
        let document = Section::new("cb_config").node().clone();
        Ok(Self { directory, document, shared: Arc::default() })
    }

    /// Makes `root` the configuration, for [`Host::document`].
    #[must_use]
    pub fn with_document(mut self, root: &Section) -> Self {
        self.document = root.node().clone();
        self
    }

    /// Gives these answers to [`Host::ask`], one after the other; then the
    /// input is at its end.
    #[must_use]
    pub fn with_answers<I: IntoIterator<Item = S>, S: Into<String>>(self, answers: I) -> Self {
        locked(&self.shared.answers).extend(answers.into_iter().map(Into::into));
        self
    }

    /// Gives this to [`Host::standard_input`].
    #[must_use]
    pub fn with_input(self, input: impl Into<Vec<u8>>) -> Self {
        *locked(&self.shared.input) = input.into();
        self
    }

    /// Adds a storage that [`Host::storage`] opens by that name; `open` makes
    /// it anew each time, as the program does.
    #[must_use]
    pub fn with_storage<T: Storage>(
        self,
        name: &str,
        open: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        let open: OpenStorage = Arc::new(move || server::storage(open()));
        locked(&self.shared.storages).insert(name.to_owned(), open);
        self
    }

    /// Returns the directory that all its files are below.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the collect directory of its settings.
    pub fn collect_dir(&self) -> PathBuf {
        self.directory().join("collect")
    }

    /// Makes [`Host::cancelled`] true.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns what was printed, and the questions that were asked.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&locked(&self.shared.printed)).into_owned()
    }

    /// Returns each report of progress: what, bytes done, bytes in all.
    pub fn progress(&self) -> Vec<(String, u64, u64)> {
        locked(&self.shared.progress).clone()
    }

    /// Returns the events that were emitted.
    pub fn events(&self) -> Vec<Event> {
        locked(&self.shared.events).clone()
    }

    /// Returns the notes for `hayloft status`, by their keys.
    pub fn notes(&self) -> BTreeMap<String, Note> {
        locked(&self.shared.notes).clone()
    }

    /// Returns all files below the directory, in order, without directories.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        super::storage::gather(self.directory(), &mut files);
        files.sort();
        files
    }

    /// Returns the services, as an action gets them.
    pub fn host(&self) -> Host {
        Host::from_raw(self.raw())
    }

    /// Returns a request of an ordinary run, now.
    pub fn request(&self, action: &str) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Request {
            action: action.to_owned(),
            full: false,
            start_of_week: false,
            dry_run: false,
            now: LocalTime {
                year: 2026,
                month: 11,
                day: 21,
                hour: 3,
                minute: 0,
                second: 0,
                weekday: Weekday::Saturday,
                unix_seconds: i64::try_from(now.as_secs()).unwrap_or(0),
                nanoseconds: now.subsec_nanos(),
            },
            run_id: format!("test-{}", now.as_nanos()),
            failed: Vec::new(),
        }
    }

    pub(super) fn raw(&self) -> HostBox {
        let services = Services {
            directory: self.directory().to_owned(),
            document: self.document.clone(),
            shared: Arc::clone(&self.shared),
        };
        RawHost_TO::from_value(services, TD_Opaque)
    }
}

struct Services {
    directory: PathBuf,
    document: Node,
    shared: Arc<Shared>,
}

impl Services {
    fn settings(&self) -> Settings {
        Settings {
            configuration: self.directory.join("hayloft.conf"),
            working_dir: self.directory.join("work"),
            collect_dir: Some(self.directory.join("collect")),
            staging_dir: Some(self.directory.join("stage")),
            starting_day: Some(Weekday::Monday),
            compressors: vec!["none".to_owned()],
            encryptors: vec!["none".to_owned()],
            storages: locked(&self.shared.storages).keys().cloned().collect(),
            ..Settings::default()
        }
    }

    fn answer(&self, service: &str, request: &str) -> Result<String> {
        match service {
            "settings" => answer(&self.settings()),
            "suffix" => {
                let (kind, name): (String, String) = client::from_json(request)?;
                only_none(&kind, &name).and_then(|()| answer(&""))
            }
            "recognise" => answer(&None::<(String, String)>),
            "ask" => {
                let question: String = client::from_json(request)?;
                locked(&self.shared.printed).extend_from_slice(question.as_bytes());
                answer(&locked(&self.shared.answers).pop_front())
            }
            "emit" => {
                locked(&self.shared.events).push(client::from_json(request)?);
                answer(&())
            }
            "note" => {
                let (key, note): (String, Note) = client::from_json(request)?;
                locked(&self.shared.notes).insert(key, note);
                answer(&())
            }
            // The tests' own user is the backup user.
            "own" => answer(&()),
            "state.get" => {
                let key: String = client::from_json(request)?;
                match fs::read(self.state(&key)?) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => answer(&None::<Vec<u8>>),
                    other => answer(&Some(other?)),
                }
            }
            "state.put" => {
                let (key, value): (String, Vec<u8>) = client::from_json(request)?;
                answer(&fs::write(self.state(&key)?, value)?)
            }
            "state.delete" => {
                let key: String = client::from_json(request)?;
                match fs::remove_file(self.state(&key)?) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
                    _ => answer(&()),
                }
            }
            _ => {
                let message = format!("this host has no service `{service}`");
                Err(Error::new(ErrorKind::UNSUPPORTED, message))
            }
        }
    }

    fn state(&self, key: &str) -> Result<PathBuf> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if key.is_empty() || key.starts_with('.') || !key.chars().all(good) {
            return Err(Error::msg(format!("{key:?} is not a key of the state")));
        }
        Ok(self.directory.join("state").join(key))
    }
}

fn answer<T: Serialize>(value: &T) -> Result<String> {
    client::to_json(value)
}

fn only_none(kind: &str, name: &str) -> Result<()> {
    if name == "none" {
        return Ok(());
    }
    let message = format!("there is no {kind} `{name}`; there is `none`");
    Err(Error::new(ErrorKind::NOT_FOUND, message))
}

impl RawHost for Services {
    fn document(&self) -> Node {
        self.document.clone()
    }
    fn cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }
    fn progress(&self, what: RStr<'_>, done: u64, total: u64) {
        locked(&self.shared.progress).push((what.to_string(), done, total));
    }
    fn print(&self, bytes: RSlice<'_, u8>) -> Fallible<()> {
        guard(|| {
            locked(&self.shared.printed).extend_from_slice(bytes.as_slice());
            Ok(())
        })
    }
    fn transform(&self, kind: RStr<'_>, name: RStr<'_>) -> Fallible<TransformBox> {
        guard(|| only_none(kind.as_str(), name.as_str()).map(|()| server::compressor(Plain)))
    }
    fn storage(&self, name: RStr<'_>) -> Fallible<StorageBox> {
        guard(|| {
            let open = locked(&self.shared.storages).get(name.as_str()).cloned();
            open.map(|open| open()).ok_or_else(|| {
                let message = format!("there is no storage `{}`", name.as_str());
                Error::new(ErrorKind::NOT_FOUND, message)
            })
        })
    }
    fn output(&self, path: RSlice<'_, u8>, options: RStr<'_>) -> Fallible<PutBox> {
        guard(|| {
            let path = Path::new(OsStr::from_bytes(path.as_slice()));
            let file = output::OutputFile::create(path, &client::from_json(options.as_str())?)?;
            Ok(server::put(Box::new(file)))
        })
    }
    fn spawn(&self, request: RStr<'_>) -> Fallible<ProcessBox> {
        guard(|| process::start(&client::from_json(request.as_str())?, &self.shared))
    }
    fn standard_input(&self) -> Fallible<ReaderBox> {
        guard(|| {
            let input = std::mem::take(&mut *locked(&self.shared.input));
            Ok(server::reader(Box::new(Cursor::new(input))))
        })
    }
    fn standard_output(&self) -> Fallible<PutBox> {
        guard(|| Ok(server::put(Box::new(output::Printed(Arc::clone(&self.shared))))))
    }
    fn call(&self, service: RStr<'_>, request: RStr<'_>) -> Fallible<RString> {
        guard(|| self.answer(service.as_str(), request.as_str()).map(RString::from))
    }
}

/// The compressor and encryptor `none`.
struct Plain;

impl Compressor for Plain {
    type Config = NoConfig;
    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }
    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }
    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Self))
    }
}

impl Codec for Plain {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let n = input.len().min(output.len());
        output[..n].copy_from_slice(&input[..n]);
        Ok(Step { consumed: n, produced: n, done: op != Op::RUN && n == input.len() })
    }
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
