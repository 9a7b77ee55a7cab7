//! The services of the host, the same for our plugins and everybody else's.

use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Arguments, Codec, Event, ObjectMeta, ProcessBuilder, PutProxy, PutStream, StorageHandle,
    StreamOptions, Weekday,
};
use crate::{
    abi::{HostBox, TransformBox},
    config::Node,
    error::{Error, ErrorKind, Result},
    shim::{client, server},
};

/// What an action may ask of the host.
///
/// It can be shared between threads.
pub struct Host {
    /// Shared with the storages that work on behalf of this action.
    pub(crate) raw: Arc<HostBox>,
}

/// What the configuration says about the run as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The configuration file.
    pub configuration: PathBuf,
    /// `<options><working_dir>`; empty for a command where there is no
    /// `<options>`.
    pub working_dir: PathBuf,
    /// `<collect><collect_dir>`, if there is such a section.
    pub collect_dir: Option<PathBuf>,
    /// `<stage><staging_dir>`, if there is such a section.
    pub staging_dir: Option<PathBuf>,
    /// `<options><backup_user>`: who owns what is written, if we are root.
    pub backup_user: String,
    /// `<options><backup_group>`.
    pub backup_group: String,
    /// `<options><starting_day>`.
    pub starting_day: Option<Weekday>,
    /// The names of the configured storages, in the order of the file.
    pub storages: Vec<String>,
    /// The names of all compressors that can be opened.
    pub compressors: Vec<String>,
    /// The names of all encryptors that can be opened.
    pub encryptors: Vec<String>,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being worked on, such as a path.
    pub what: &'a str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 if unknown.
    pub total: u64,
}

/// What `hayloft status` is to show, for [`Host::note`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// What was done, such as "server main was proven restorable"; the time is
    /// put behind it.
    pub what: String,
    /// When it was last done, in seconds since 1970. `None` leaves what was
    /// said before: a failure does not undo it.
    pub done_unix: Option<i64>,
    /// Why it could not be done since. The exit code of `hayloft status` is
    /// that of warnings then.
    pub trouble: Option<String>,
}

/// How a file is to be written by [`Host::create`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputOptions {
    /// The permission bits; 0600 if not changed.
    pub mode: u32,
    /// Whether a file of that name may be replaced; true if not changed.
    pub replace: bool,
    /// Whether the file is given to the backup user and group, if we are
    /// root; true if not changed.
    pub give_to_backup_user: bool,
    /// Whether what is written stays in memory for somebody who reads it soon;
    /// true if not changed. A long file that nobody reads soon is on disk
    /// earlier without.
    pub cached: bool,
}

impl Default for OutputOptions {
    fn default() -> Self {
        Self { mode: 0o600, replace: true, give_to_backup_user: true, cached: true }
    }
}

impl Host {
    /// Wraps what crossed the boundary.
    #[doc(hidden)]
    pub fn from_raw(raw: HostBox) -> Self {
        Self { raw: Arc::new(raw) }
    }

    /// Returns the same services once more, for somebody who works on behalf
    /// of this action.
    pub(crate) fn share(&self) -> HostBox {
        server::relay(Arc::clone(&self.raw))
    }

    /// Returns the root of the configuration, for sections of others such as
    /// `<options>`.
    pub fn document(&self) -> Node {
        self.raw.document()
    }

    /// Returns what the configuration says about the run as a whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if `<options>` is wrong.
    pub fn settings(&self) -> Result<Settings> {
        self.call("settings", &())
    }

    /// Tells whether the work is to end: the user pressed Ctrl-C, or a time
    /// limit ran out. Ask often; after a few seconds the process is killed.
    pub fn cancelled(&self) -> bool {
        self.raw.cancelled()
    }

    /// Fails if the work is to end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`], to be passed on with `?`.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancelled() {
            return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
        }
        Ok(())
    }

    /// Tells how far the work is. Cheap: call it as often as you like.
    pub fn progress(&self, progress: Progress<'_>) {
        self.raw.progress(progress.what.into(), progress.done, progress.total);
    }

    /// Writes to the standard output of a command.
    ///
    /// # Errors
    ///
    /// If nobody reads it any more.
    pub fn print(&self, text: impl AsRef<[u8]>) -> Result<()> {
        client::plain(self.raw.print(text.as_ref().into()))
    }

    /// Opens the standard input of a command, for bytes of any kind. Reading
    /// fails with [`ErrorKind::CANCELLED`] when the work is to end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] for an action, or by an older host.
    pub fn standard_input(&self) -> Result<Box<dyn Read + Send>> {
        client::plain(self.raw.standard_input()).map(client::reader)
    }

    /// Opens the standard output of a command, for bytes of any kind and for
    /// text without end: it goes out as it is, and no faster than it is read.
    /// Do not mix it with [`Host::print`]. Writing fails with
    /// [`ErrorKind::CANCELLED`] when nobody reads it any more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] for an action, or by an older host.
    pub fn standard_output(&self) -> Result<Output> {
        let put = PutProxy(client::plain(self.raw.standard_output())?);
        Ok(Output { put, written: 0 })
    }

    /// Asks the user something and waits for the answer: one line, without
    /// its end. The question is shown as it is, so end it with a blank and
    /// not with a new line. `None` means that there will be no answer: the
    /// input has ended, as it has from the start under cron.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if the work is to end, and
    /// [`ErrorKind::UNSUPPORTED`] by a host of release 1.0.
    pub fn ask(&self, question: &str) -> Result<Option<String>> {
        self.call("ask", question)
    }

    /// Opens a compressor by the name it has in the configuration, or by its
    /// plugin's own name. `none` is always there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn compressor(&self, name: &str) -> Result<Transform> {
        self.transform("compressor", name)
    }

    /// Opens an encryptor by the name it has in the configuration, or by its
    /// plugin's own name. `none` is always there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn encryptor(&self, name: &str) -> Result<Transform> {
        self.transform("encryptor", name)
    }

    /// Opens an encryptor as [`Host::encryptor`] does, with these elements in
    /// its section, which replace those of the same names.
    ///
    /// # Errors
    ///
    /// As [`Host::encryptor`], and [`ErrorKind::UNSUPPORTED`] if its plugin
    /// does not know an element.
    pub fn encryptor_with(&self, name: &str, elements: &[(&str, &str)]) -> Result<Transform> {
        let defined: String = self.call("define", &("encryptor", name, elements))?;
        let opened = self.transform("encryptor", &defined)?;
        Ok(Transform { name: name.to_owned(), ..opened })
    }

    fn transform(&self, kind: &str, name: &str) -> Result<Transform> {
        let suffix = self.call("suffix", &(kind, name))?;
        let raw = client::plain(self.raw.transform(kind.into(), name.into()))?;
        Ok(Transform { name: name.to_owned(), suffix, raw })
    }

    /// Finds what a file was compressed or encrypted with, by the first bytes
    /// of its content (give at least 16 if there are as many) and by its
    /// name. `None` if it is plain.
    ///
    /// # Errors
    ///
    /// If the plugin that could read it does not load.
    pub fn recognise(&self, name: &str, head: &[u8]) -> Result<Option<Transform>> {
        let found: Option<(String, String)> = self.call("recognise", &(name, head))?;
        found.map(|(kind, name)| self.transform(&kind, &name)).transpose()
    }

    /// Opens a storage by its name in the configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn storage(&self, name: &str) -> Result<StorageHandle> {
        client::plain(self.raw.storage(name.into())).map(StorageHandle::from_raw)
    }

    /// Opens a storage by the name that its plugin gives it, such as `local`,
    /// with the settings of a section: for an action whose own section says
    /// where to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are, and
    /// [`ErrorKind::CONFIGURATION`] for settings that it cannot use.
    pub fn storage_of(&self, plugin: &str, section: &Node) -> Result<StorageHandle> {
        client::plain(self.raw.storage_of(plugin.into(), section)).map(StorageHandle::from_raw)
    }

    /// Runs the hooks for an event. A `pre_` event's hooks may veto.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::VETOED`] with the hook's reason.
    pub fn emit(&self, event: &Event) -> Result<()> {
        self.call("emit", event)
    }

    /// Prepares to run a program. `program` is looked up in the overrides of
    /// `<options>`, then in `$PATH`.
    pub fn process(&self, program: &str) -> ProcessBuilder<'_> {
        ProcessBuilder::new(self, program)
    }

    /// Begins a file that appears under its final name only when
    /// [`Output::commit`] has made it durable; until then it has a temporary
    /// name in the same directory, and it vanishes if it is dropped.
    ///
    /// # Errors
    ///
    /// If the directory is not there or not writable.
    pub fn create(&self, path: &Path, options: &OutputOptions) -> Result<Output> {
        let options = client::to_json(options)?;
        let raw = self.raw.output(path.as_os_str().as_bytes().into(), options.as_str().into());
        Ok(Output { put: PutProxy(client::plain(raw)?), written: 0 })
    }

    /// Writes an empty file in one step, such as an indicator.
    ///
    /// # Errors
    ///
    /// As [`Host::create`].
    pub fn touch(&self, path: &Path) -> Result<()> {
        self.create(path, &OutputOptions::default())?.commit().map(drop)
    }

    /// Starts a command of this plugin in a process that goes on when this
    /// one, and whoever called it, has ended; returns its number. It has a
    /// session of its own, no terminal, `/` for its directory, and none of our
    /// descriptors, so nobody waits for it who waits for us. It runs with the
    /// same configuration and plugins, and with the same environment;
    /// `arguments` reach it over a pipe, so that nobody sees them. Its messages
    /// are appended to `log_file`. SIGTERM ends it as Ctrl-C ends a command.
    ///
    /// # Errors
    ///
    /// If no process can be started, and [`ErrorKind::UNSUPPORTED`] for an
    /// action, or by a host that cannot.
    pub fn detach(&self, command: &str, arguments: &Arguments, log_file: &Path) -> Result<u32> {
        self.call("detach", &(command, arguments, log_file))
    }

    /// Gives a file or directory to the backup user and group, if we are
    /// root; does nothing otherwise. Links are not followed.
    ///
    /// # Errors
    ///
    /// If the user or group is unknown, or the system refuses.
    pub fn give_to_backup_user(&self, path: &Path) -> Result<()> {
        self.call("own", &path.as_os_str().as_bytes())
    }

    /// Lets `hayloft status` show something, until there is another note of
    /// the same key: for what an administrator asks for, whoever did it last, a
    /// run or a command. Keys are letters, digits, `.`, `_`, `-`.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable; [`ErrorKind::UNSUPPORTED`] by an older
    /// host.
    pub fn note(&self, key: &str, note: &Note) -> Result<()> {
        self.call("note", &(key, note))
    }

    /// Returns small data that outlives the run.
    pub fn state(&self) -> State<'_> {
        State { host: self }
    }

    pub(crate) fn call<Q, A>(&self, service: &str, request: &Q) -> Result<A>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let request = client::to_json(request)?;
        let answer = client::plain(self.raw.call(service.into(), request.as_str().into()))?;
        client::from_json(&answer)
    }
}

/// Small durable data of a plugin, kept in the working directory. Each value
/// is replaced whole, and is on disk when `put` returns.
#[derive(Debug)]
pub struct State<'a> {
    host: &'a Host,
}

impl State<'_> {
    /// Returns the value of `key`, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is there but cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.host.call("state.get", key)
    }

    /// Replaces the value of `key`. Keys are letters, digits, `.`, `_`, `-`.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable; the old value is then still there.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.host.call("state.put", &(key, value))
    }

    /// Removes `key` if it is there.
    ///
    /// # Errors
    ///
    /// If it is still there.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.host.call("state.delete", key)
    }
}

/// A configured compressor or encryptor, opened through the host.
pub struct Transform {
    name: String,
    suffix: String,
    raw: TransformBox,
}

impl Transform {
    /// Wraps what crossed the boundary; the host and the conformance suite
    /// use it.
    #[doc(hidden)]
    pub fn from_raw(name: &str, suffix: &str, raw: TransformBox) -> Self {
        Self { name: name.to_owned(), suffix: suffix.to_owned(), raw }
    }

    /// Returns the name it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what is appended to the name of a file, such as `.gz`; empty
    /// for `none`.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// Begins a stream that encodes.
    ///
    /// # Errors
    ///
    /// See [`Compressor::encoder`](crate::Compressor::encoder) and
    /// [`Encryptor::encoder`](crate::Encryptor::encoder).
    pub fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        client::plain(self.raw.encoder(options.into())).map(client::codec)
    }

    /// Begins a stream that decodes.
    ///
    /// # Errors
    ///
    /// See [`Compressor::decoder`](crate::Compressor::decoder) and
    /// [`Encryptor::decoder`](crate::Encryptor::decoder).
    pub fn decoder(&self) -> Result<Box<dyn Codec>> {
        client::plain(self.raw.decoder()).map(client::codec)
    }
}

/// A file that is being written, see [`Host::create`], or the standard output,
/// see [`Host::standard_output`].
#[derive(Debug)]
pub struct Output {
    put: PutProxy,
    written: u64,
}

impl Output {
    /// Returns the number of bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the file appear, whole and durable.
    ///
    /// # Errors
    ///
    /// If it could not be made durable; nothing has appeared then.
    pub fn commit(mut self) -> Result<ObjectMeta> {
        self.put.commit()
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.put.write(data).map_err(Error::into_io)?;
        self.written += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform").field("name", &self.name).finish_non_exhaustive()
    }
}
