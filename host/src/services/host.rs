//! The services that an action or command gets: `RawHost`, in the worker.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RSlice, RStr, RString},
};
use hayloft_plugin_api::{
    Arguments, Error, ErrorKind, Event, Node, Note, OutputOptions, Result, SpawnRequest,
    abi::{
        Fallible, HostBox, ProcessBox, PutBox, RawHost, RawHost_TO, ReaderBox, StorageBox,
        TransformBox,
    },
    shim::{client, guard, server},
};
use serde::Serialize;

use super::{detach, hooks, output::OutputFile, process, state::StateDirectory, streams};
use crate::{
    notes::Notes,
    setup::Setup,
    worker::{
        Channel,
        protocol::{Job, Message, ProgressReport},
    },
};

/// The services for one plugin at work.
#[derive(Debug)]
pub struct HostServices {
    setup: Arc<Setup>,
    channel: Arc<Channel>,
    /// The plugin's id, under which its state is kept.
    plugin: String,
    /// What this process was started for.
    job: Option<Arc<Job>>,
}

impl HostServices {
    /// Creates the services for the plugin of that id.
    pub fn new(setup: Arc<Setup>, channel: Arc<Channel>, plugin: &str) -> Self {
        Self { setup, channel, plugin: plugin.to_owned(), job: None }
    }

    /// Lets the plugin start processes that outlive this one, which do their
    /// work as this job says.
    #[must_use]
    pub fn with_job(self, job: &Job) -> Self {
        Self { job: Some(Arc::new(job.clone())), ..self }
    }

    /// Hands them to the plugin.
    pub fn boxed(self) -> HostBox {
        RawHost_TO::from_value(self, TD_Opaque)
    }

    fn state(&self) -> Result<StateDirectory> {
        Ok(StateDirectory::new(&self.setup.settings()?.working_dir, &self.plugin))
    }

    fn start(&self, request: &str) -> Result<ProcessBox> {
        let request: SpawnRequest = client::from_json(request)?;
        let program = self.setup.program(&request.program)?;
        let running = process::start(&request, &program, self.channel.cancelled())?;
        Ok(process::boxed(running))
    }

    fn answer(&self, service: &str, request: &str) -> Result<String> {
        match service {
            "settings" => answer(&self.setup.settings_of_commands()?),
            "suffix" => {
                let (kind, name): (String, String) = client::from_json(request)?;
                answer(&self.setup.suffix(&kind, &name)?)
            }
            "recognise" => {
                let (name, head): (String, Vec<u8>) = client::from_json(request)?;
                answer(&self.setup.recognise(&name, &head))
            }
            "define" => {
                let (kind, name, elements): (String, String, Vec<(String, String)>) =
                    client::from_json(request)?;
                answer(&self.setup.define(&kind, &name, &elements)?)
            }
            "ask" => {
                let question: String = client::from_json(request)?;
                answer(&self.channel.ask(&question)?)
            }
            "emit" => {
                let event: Event = client::from_json(request)?;
                answer(&hooks::emit(&self.setup, &event, false, self.channel.cancelled())?)
            }
            "own" => {
                let path: Vec<u8> = client::from_json(request)?;
                let owner = self.setup.owner()?;
                let given = owner.map(|it| it.give(Path::new(OsStr::from_bytes(&path))));
                answer(&given.transpose()?.unwrap_or(()))
            }
            "detach" => {
                let (command, arguments, log_file): (String, Arguments, PathBuf) =
                    client::from_json(request)?;
                let job = self.job.as_deref().ok_or_else(|| {
                    Error::new(ErrorKind::UNSUPPORTED, "only a command can start what outlives it")
                })?;
                answer(&detach::start(job, &command, &arguments, &log_file)?)
            }
            "note" => {
                let (key, note): (String, Note) = client::from_json(request)?;
                let notes = Notes::new(&self.setup.settings()?.working_dir);
                answer(&notes.put(&self.plugin, &key, &note)?)
            }
            "state.get" => {
                let key: String = client::from_json(request)?;
                answer(&self.state()?.get(&key)?)
            }
            "state.put" => {
                let (key, value): (String, Vec<u8>) = client::from_json(request)?;
                answer(&self.state()?.put(&key, &value)?)
            }
            "state.delete" => {
                let key: String = client::from_json(request)?;
                answer(&self.state()?.delete(&key)?)
            }
            _ => Err(Error::new(
                ErrorKind::UNSUPPORTED,
                format!("this host has no service `{service}`"),
            )
            .hint("the plugin is newer than this program; update it")),
        }
    }
}

fn answer<T: Serialize>(value: &T) -> Result<String> {
    client::to_json(value)
}

impl RawHost for HostServices {
    fn document(&self) -> Node {
        self.setup.root().clone()
    }

    fn cancelled(&self) -> bool {
        self.channel.cancelled().load(Ordering::Relaxed)
    }

    fn progress(&self, what: RStr<'_>, done: u64, total: u64) {
        if self.setup.progress_due() {
            let report = ProgressReport { what: what.to_string(), done, total };
            self.channel.send(&Message::Progress(report));
        }
    }

    fn print(&self, bytes: RSlice<'_, u8>) -> Fallible<()> {
        guard(|| {
            self.channel.send(&Message::Print(bytes.to_vec()));
            Ok(())
        })
    }

    fn transform(&self, kind: RStr<'_>, name: RStr<'_>) -> Fallible<TransformBox> {
        guard(|| self.setup.transform(kind.as_str(), name.as_str()))
    }

    fn storage(&self, name: RStr<'_>) -> Fallible<StorageBox> {
        guard(|| self.setup.storage(name.as_str()))
    }

    fn output(&self, path: RSlice<'_, u8>, options: RStr<'_>) -> Fallible<PutBox> {
        guard(|| {
            let options: OutputOptions = client::from_json(options.as_str())?;
            let path = Path::new(OsStr::from_bytes(path.as_slice()));
            // A command may work without a configuration, which says who owns.
            let owner = options.give_to_backup_user.then(|| self.setup.owner()).transpose()?;
            let output = OutputFile::create(path, &options, owner.flatten())?;
            Ok(server::put(Box::new(output)))
        })
    }

    fn spawn(&self, request: RStr<'_>) -> Fallible<ProcessBox> {
        guard(|| self.start(request.as_str()))
    }

    fn storage_of(&self, plugin: RStr<'_>, section: &Node) -> Fallible<StorageBox> {
        guard(|| self.setup.registry().storage(plugin.as_str(), section))
    }

    fn standard_input(&self) -> Fallible<ReaderBox> {
        guard(|| Ok(server::reader(Box::new(streams::Input::open(&self.channel)?))))
    }

    fn standard_output(&self) -> Fallible<PutBox> {
        guard(|| Ok(server::put(Box::new(streams::Output::open(&self.channel)?))))
    }

    fn call(&self, service: RStr<'_>, request: RStr<'_>) -> Fallible<RString> {
        guard(|| self.answer(service.as_str(), request.as_str()).map(RString::from))
    }
}

/// What the parent is told about the plugin that is called next.
pub fn entering(plugin: &str, version: &str) -> Message {
    let facts = [("plugin".to_owned(), format!("{plugin} {version}"))];
    Message::Entering(BTreeMap::from(facts))
}
