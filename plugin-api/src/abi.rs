//! The layer that crosses the boundary between host and plugin.
//!
//! Authors do not use it. Rules that keep a plugin loadable (`specs` of every
//! release are held by the compatibility tests):
//!
//! * functions are appended only: at the end of a prefix type, and after
//!   `last_prefix_field` of a trait, each with a default;
//! * plain `repr(C)` structs are frozen for the major version;
//! * enumerations are open integers, never `enum`;
//! * what is looked at seldom crosses as a JSON document: a reader ignores the
//!   fields it does not know, and a writer never removes one.

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{RBox, ROption, RResult, RSlice, RSliceMut, RStr, RString, RVec},
};

use crate::{
    config::{Node, RDiagnostic},
    error::{Error, ErrorKind, RError},
};

/// The result of everything that crosses the boundary and can fail.
pub type Fallible<T> = RResult<T, RError>;
/// A running stream.
pub type CodecBox = RawCodec_TO<'static, RBox<()>>;
/// A compressor or an encryptor.
pub type TransformBox = RawTransform_TO<'static, RBox<()>>;
/// An object or file that is being written.
pub type PutBox = RawPut_TO<'static, RBox<()>>;
/// Something that is being read.
pub type ReaderBox = RawReader_TO<'static, RBox<()>>;
/// A storage.
pub type StorageBox = RawStorage_TO<'static, RBox<()>>;
/// A hook.
pub type HookBox = RawHook_TO<'static, RBox<()>>;
/// An action.
pub type ActionBox = RawAction_TO<'static, RBox<()>>;
/// A command.
pub type CommandBox = RawCommand_TO<'static, RBox<()>>;
/// A process that the host started.
pub type ProcessBox = RawProcess_TO<'static, RBox<()>>;
/// The services of the host.
pub type HostBox = RawHost_TO<'static, RBox<()>>;

/// What the caller wants of a step.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op(pub u32);

impl Op {
    /// More input will come.
    pub const RUN: Op = Op(0);
    /// Give out everything that was taken in so far.
    pub const FLUSH: Op = Op(1);
    /// This is the end of the input.
    pub const FINISH: Op = Op(2);
}

/// What a step did.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Step {
    /// Bytes of the input that were taken.
    pub consumed: usize,
    /// Bytes of the output that were filled.
    pub produced: usize,
    /// For [`Op::FLUSH`] and [`Op::FINISH`]: everything was given out. For a
    /// decoder: the end of the stream was reached.
    pub done: bool,
}

/// See [`StreamOptions`](crate::StreamOptions).
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct RStreamOptions {
    /// `u64::MAX` if unknown.
    pub size_hint: u64,
    /// 0 leaves it to the plugin.
    pub threads: u32,
    /// `i32::MIN` is the configured one.
    pub level: i32,
    /// 0; for options of later releases.
    pub reserved: [u64; 4],
}

/// See [`PutOptions`](crate::PutOptions).
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct RPutOptions {
    /// Bit 0: create only. Other bits are 0.
    pub flags: u32,
    /// `u64::MAX` if unknown.
    pub size_hint: u64,
    /// 0; for options of later releases.
    pub reserved: [u64; 4],
}

/// See [`ObjectMeta`](crate::ObjectMeta).
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct RObjectMeta {
    /// The object's name.
    pub key: RString,
    /// Its size in bytes.
    pub size: u64,
    /// Nanoseconds since 1970; 0 if unknown.
    pub modified_ns: i64,
    /// Empty if there is none.
    pub etag: RString,
}

/// An object of [`RawStorage::delete_many`] that is still there.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct RUndeleted {
    /// Which of the keys, counted from 0.
    pub index: u64,
    /// Why.
    pub error: RError,
}

/// What a function answers that the other side does not have yet.
fn unsupported<T>(message: &str) -> Fallible<T> {
    RResult::RErr(Error::new(ErrorKind::UNSUPPORTED, message).into())
}

/// See [`Codec`](crate::Codec).
#[sabi_trait]
pub trait RawCodec: Send {
    /// See [`Codec::step`](crate::Codec::step).
    #[sabi(last_prefix_field)]
    fn step(&mut self, input: RSlice<'_, u8>, output: RSliceMut<'_, u8>, op: Op) -> Fallible<Step>;
}

/// See [`Compressor`](crate::Compressor) and [`Encryptor`](crate::Encryptor).
#[sabi_trait]
pub trait RawTransform: Send + Sync {
    /// Begins a stream that encodes.
    fn encoder(&self, options: RStreamOptions) -> Fallible<CodecBox>;
    /// Begins a stream that decodes.
    #[sabi(last_prefix_field)]
    fn decoder(&self) -> Fallible<CodecBox>;
}

/// See [`PutStream`](crate::PutStream).
#[sabi_trait]
pub trait RawPut: Send {
    /// Appends borrowed data.
    fn write(&mut self, data: RSlice<'_, u8>) -> Fallible<()>;
    /// Appends data and hands it over.
    fn write_owned(&mut self, data: RVec<u8>) -> Fallible<()>;
    /// Makes it visible and durable.
    fn commit(&mut self) -> Fallible<RObjectMeta>;
    /// Removes what was written.
    #[sabi(last_prefix_field)]
    fn abort(&mut self) -> Fallible<()>;
}

/// Something that can be read; 0 bytes is the end.
#[sabi_trait]
pub trait RawReader: Send {
    /// Reads into `buffer`.
    #[sabi(last_prefix_field)]
    fn read(&mut self, buffer: RSliceMut<'_, u8>) -> Fallible<usize>;
}

/// See [`Storage`](crate::Storage).
#[sabi_trait]
pub trait RawStorage: Send + Sync {
    /// See [`Storage::put`](crate::Storage::put).
    fn put(&self, key: RStr<'_>, options: RPutOptions) -> Fallible<PutBox>;
    /// See [`Storage::get`](crate::Storage::get).
    fn get(&self, key: RStr<'_>, offset: u64, length: ROption<u64>) -> Fallible<ReaderBox>;
    /// See [`Storage::stat`](crate::Storage::stat).
    fn stat(&self, key: RStr<'_>) -> Fallible<ROption<RObjectMeta>>;
    /// See [`Storage::list`](crate::Storage::list).
    fn list(&self, prefix: RStr<'_>, after: RStr<'_>, limit: u32) -> Fallible<RVec<RObjectMeta>>;
    /// See [`Storage::delete`](crate::Storage::delete).
    #[sabi(last_prefix_field)]
    fn delete(&self, key: RStr<'_>) -> Fallible<()>;
    /// See [`Storage::put_trees`](crate::Storage::put_trees). Takes a
    /// [`Request`](crate::Request) and [`Tree`](crate::Tree)s and returns an
    /// [`Outcome`](crate::Outcome), all as JSON.
    fn put_trees(&self, host: HostBox, request: RStr<'_>, trees: RStr<'_>) -> Fallible<RString> {
        let _ = (host, request, trees);
        unsupported("this storage takes single objects, no directory trees")
    }
    /// See [`Storage::capabilities`](crate::Storage::capabilities). Returns
    /// [`Capabilities`](crate::Capabilities) as JSON.
    fn capabilities(&self) -> Fallible<RString> {
        unsupported("this storage does not say what it can do")
    }
    /// See [`Storage::replace`](crate::Storage::replace).
    fn replace(&self, key: RStr<'_>, etag: RStr<'_>, options: RPutOptions) -> Fallible<PutBox> {
        let _ = (key, etag, options);
        unsupported("this storage cannot tell whether somebody else has replaced an object")
    }
    /// See [`Storage::delete_many`](crate::Storage::delete_many).
    fn delete_many(&self, keys: RSlice<'_, RStr<'_>>) -> Fallible<RVec<RUndeleted>> {
        let _ = keys;
        unsupported("this storage deletes objects one by one")
    }
    /// See [`Storage::protection`](crate::Storage::protection). Returns a
    /// [`Protection`](crate::Protection) or null as JSON.
    fn protection(&self, key: RStr<'_>) -> Fallible<RString> {
        let _ = key;
        unsupported("this storage does not say until when an object is protected")
    }
    /// See [`Storage::sweep`](crate::Storage::sweep). Takes a
    /// [`Sweep`](crate::Sweep) and returns [`Leftover`](crate::Leftover)s, all
    /// as JSON.
    fn sweep(&self, request: RStr<'_>) -> Fallible<RString> {
        let _ = request;
        unsupported("this storage does not say what was left behind in it")
    }
}

/// See [`Hook`](crate::Hook).
#[sabi_trait]
pub trait RawHook: Send + Sync {
    /// Takes an [`Event`](crate::Event) and returns a
    /// [`Verdict`](crate::Verdict), both as JSON.
    #[sabi(last_prefix_field)]
    fn on_event(&self, event: RStr<'_>) -> Fallible<RString>;
}

/// See [`Action`](crate::Action).
#[sabi_trait]
pub trait RawAction: Send + Sync {
    /// Takes a [`Request`](crate::Request) and returns an
    /// [`Outcome`](crate::Outcome), both as JSON.
    #[sabi(last_prefix_field)]
    fn run(&self, host: HostBox, request: RStr<'_>) -> Fallible<RString>;
}

/// See [`Command`](crate::Command).
#[sabi_trait]
pub trait RawCommand: Send + Sync {
    /// Takes a [`Request`](crate::Request) and
    /// [`Arguments`](crate::Arguments) as JSON and returns the exit code.
    #[sabi(last_prefix_field)]
    fn run(&self, host: HostBox, request: RStr<'_>, arguments: RStr<'_>) -> Fallible<u32>;
}

/// See [`Process`](crate::Process).
#[sabi_trait]
pub trait RawProcess: Send {
    /// Reads what the process writes to its standard output.
    fn read(&mut self, buffer: RSliceMut<'_, u8>) -> Fallible<usize>;
    /// Waits for its end and returns [`Finished`](crate::Finished) as JSON.
    fn wait(&mut self) -> Fallible<RString>;
    /// Ends it with its whole group.
    #[sabi(last_prefix_field)]
    fn kill(&mut self);
}

/// See [`Host`](crate::Host).
#[sabi_trait]
pub trait RawHost: Send + Sync {
    /// The root of the configuration.
    fn document(&self) -> Node;
    /// Tells whether the work is to end soon.
    fn cancelled(&self) -> bool;
    /// Takes a [`Progress`](crate::Progress).
    fn progress(&self, what: RStr<'_>, done: u64, total: u64);
    /// Writes to the standard output of the command.
    fn print(&self, bytes: RSlice<'_, u8>) -> Fallible<()>;
    /// Opens a configured compressor or encryptor.
    fn transform(&self, kind: RStr<'_>, name: RStr<'_>) -> Fallible<TransformBox>;
    /// Opens a configured storage.
    fn storage(&self, name: RStr<'_>) -> Fallible<StorageBox>;
    /// Begins a file; `options` is JSON of
    /// [`OutputOptions`](crate::OutputOptions).
    fn output(&self, path: RSlice<'_, u8>, options: RStr<'_>) -> Fallible<PutBox>;
    /// Starts a process; `request` is JSON of
    /// [`ProcessBuilder`](crate::ProcessBuilder).
    fn spawn(&self, request: RStr<'_>) -> Fallible<ProcessBox>;
    /// Every other service, by name, with JSON in and out. A host that does
    /// not know the name says [`ErrorKind::UNSUPPORTED`](crate::ErrorKind).
    #[sabi(last_prefix_field)]
    fn call(&self, service: RStr<'_>, request: RStr<'_>) -> Fallible<RString>;
    /// Opens the storage of that type with settings of the caller's.
    fn storage_of(&self, plugin: RStr<'_>, section: &Node) -> Fallible<StorageBox> {
        let _ = (plugin, section);
        unsupported("this program opens storages of <storages> only; update it")
    }
    /// Opens the standard input of a command.
    fn standard_input(&self) -> Fallible<ReaderBox> {
        unsupported("this program keeps its standard input to itself; update it")
    }
    /// Opens the standard output of a command.
    fn standard_output(&self) -> Fallible<PutBox> {
        unsupported("this program prints text only; update it")
    }
}

/// A value of a field.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct RField<'a> {
    /// 0 absent, 1 `i64`, 2 `u64`, 3 `f64`, 4 `bool`, 5 text, 6 debug text.
    pub tag: u32,
    /// The value of tags 1 to 4.
    pub bits: u64,
    /// The value of tags 5 and 6.
    pub text: RStr<'a>,
}

/// A place in a plugin's source where a span or an event is made.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct CallsiteDescription<'a> {
    /// From 1, an error, to 5, a trace.
    pub level: u8,
    /// Whether it makes spans, not events.
    pub is_span: bool,
    /// The line in `file`.
    pub line: u32,
    /// See `tracing_core::Metadata::name`.
    pub name: RStr<'a>,
    /// See `tracing_core::Metadata::target`.
    pub target: RStr<'a>,
    /// The source file.
    pub file: RStr<'a>,
    /// The module's path.
    pub module: RStr<'a>,
    /// The names of the fields.
    pub fields: RSlice<'a, RStr<'a>>,
}

/// The host's answer to a [`CallsiteDescription`].
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct Registered {
    /// What stands for the callsite from now on.
    pub handle: u64,
    /// Whether it is wanted: 0 never, 1 sometimes, 2 always.
    pub interest: u8,
}

/// The host's functions for logging. They are appended only.
///
/// A parent is none for the span that is entered, 0 for no parent, or a span.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostLog_Ref, prefix_fields = HostLog_Prefix)))]
pub struct HostLog {
    /// The most verbose level that anybody wants, from 0, none, to 5.
    pub max_level: extern "C" fn() -> u8,
    /// Announces a callsite.
    pub register: for<'a> extern "C" fn(&CallsiteDescription<'a>) -> Registered,
    /// Tells whether a callsite is wanted now.
    pub enabled: extern "C" fn(u64) -> bool,
    /// Makes an event: callsite, parent, fields.
    pub event: for<'a> extern "C" fn(u64, ROption<u64>, RSlice<'a, RField<'a>>),
    /// Makes a span: callsite, parent, fields.
    pub new_span: for<'a> extern "C" fn(u64, ROption<u64>, RSlice<'a, RField<'a>>) -> u64,
    /// Adds fields to a span: span, callsite, fields.
    pub record: for<'a> extern "C" fn(u64, u64, RSlice<'a, RField<'a>>),
    /// Enters a span.
    pub enter: extern "C" fn(u64),
    /// Leaves a span.
    pub exit: extern "C" fn(u64),
    /// Makes another reference to a span.
    pub clone_span: extern "C" fn(u64) -> u64,
    /// Gives a reference up; tells whether it was the last.
    #[sabi(last_prefix_field)]
    pub try_close: extern "C" fn(u64) -> bool,
}

/// What a plugin offers: one per plugin, functions are appended at the end.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule_Ref, prefix_fields = PluginModule_Prefix)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// Called once, first of all.
    pub initialise: extern "C" fn(HostLog_Ref) -> Fallible<()>,
    /// The host's log filter has changed.
    pub log_reconfigure: extern "C" fn(),
    /// Decodes a section and returns everything wrong with it. Takes the kind
    /// and the name.
    pub check: extern "C" fn(RStr<'_>, RStr<'_>, &Node) -> RVec<RDiagnostic>,
    /// Creates a compressor of that name.
    pub compressor: extern "C" fn(RStr<'_>, &Node) -> Fallible<TransformBox>,
    /// Creates an encryptor of that name.
    pub encryptor: extern "C" fn(RStr<'_>, &Node) -> Fallible<TransformBox>,
    /// Creates a storage of that name.
    pub storage: extern "C" fn(RStr<'_>, &Node) -> Fallible<StorageBox>,
    /// Creates a hook of that name.
    pub hook: extern "C" fn(RStr<'_>, &Node) -> Fallible<HookBox>,
    /// Creates an action of that name.
    pub action: extern "C" fn(RStr<'_>, &Node) -> Fallible<ActionBox>,
    /// Creates a command of that name.
    pub command: extern "C" fn(RStr<'_>, &Node) -> Fallible<CommandBox>,
    /// Returns a [`CommandSpec`](crate::CommandSpec) as JSON.
    #[sabi(last_prefix_field)]
    pub command_spec: extern "C" fn(RStr<'_>) -> Fallible<RString>,
}

impl RootModule for PluginModule_Ref {
    declare_root_module_statics! { PluginModule_Ref }
    const BASE_NAME: &'static str = "hayloft_plugin";
    const NAME: &'static str = "hayloft_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
