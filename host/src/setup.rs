//! The configuration and the plugins together: what every command works with.

mod check;
mod defined;
mod names;
mod run_id;

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use hayloft_plugin_api::{
    Diagnostic, Error, ErrorKind, Event, Node, Result, Settings, Weekday,
    abi::{ActionBox, HookBox, StorageBox, TransformBox},
    cedar,
};

pub use self::{
    names::{HookEntry, Named},
    run_id::new_run_id,
};
use crate::{
    config::Document,
    plugins::{PluginError, Registry},
    services::{owner::Owner, process},
};

/// The configuration and the plugins.
pub struct Setup {
    document: Document,
    registry: Registry,
    settings: OnceLock<Settings>,
    last_progress: Mutex<Option<Instant>>,
    /// What plugins gave settings of their own.
    defined: Mutex<Vec<Named>>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("path", &self.document.path).finish_non_exhaustive()
    }
}

impl Setup {
    /// Puts a configuration and the plugins together. Nothing is loaded yet.
    pub fn new(document: Document, registry: Registry) -> Self {
        Self {
            document,
            registry,
            settings: OnceLock::new(),
            last_progress: Mutex::new(None),
            defined: Mutex::default(),
        }
    }

    /// Returns the configuration.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the plugins.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the root of the configuration.
    pub fn root(&self) -> &Node {
        &self.document.root
    }

    /// Returns what holds for the run as a whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if `<options>` is missing or wrong.
    pub fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = self.read_settings(&self.options()?);
        Ok(self.settings.get_or_init(|| settings))
    }

    /// Returns what holds for commands of plugins: without `<options>`, which
    /// only actions need, the working directory and the backup user are empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if `<options>` is wrong.
    pub fn settings_of_commands(&self) -> Result<Settings> {
        match self.root().child("options") {
            Some(_) => self.settings().cloned(),
            None => Ok(self.read_settings(&cedar::Options::default())),
        }
    }

    fn options(&self) -> Result<cedar::Options> {
        let root = self.root();
        let options = root.child("options").ok_or_else(|| {
            Error::configuration(vec![
                Diagnostic::error(root.position, "options", "the section <options> is missing")
                    .help("it names the working directory and the backup user"),
            ])
        })?;
        hayloft_plugin_api::decode(options)
    }

    /// Returns how long one action may take, if the configuration says so.
    ///
    /// # Errors
    ///
    /// As [`Setup::settings`].
    pub fn action_limit(&self) -> Result<Option<Duration>> {
        let seconds = self.options()?.action_timeout.map(|it| it.value);
        Ok(seconds.and_then(|it| u64::try_from(it).ok()).map(Duration::from_secs))
    }

    fn read_settings(&self, options: &cedar::Options) -> Settings {
        let root = self.root();
        let path = |section: &str, element: &str| {
            let node = root.child(section)?.child(element)?;
            Some(PathBuf::from(node.first_text.as_str()))
        };
        Settings {
            configuration: self.document.path.clone(),
            working_dir: PathBuf::from(cedar::text(&options.working_dir).unwrap_or_default()),
            collect_dir: path("collect", "collect_dir"),
            staging_dir: path("stage", "staging_dir"),
            backup_user: cedar::text(&options.backup_user).unwrap_or_default().to_owned(),
            backup_group: cedar::text(&options.backup_group).unwrap_or_default().to_owned(),
            starting_day: cedar::text(&options.starting_day).and_then(weekday),
            storages: names::all(root, "storages", "storage").map(|it| it.name).collect(),
            compressors: self.openable("compressor", "compressors"),
            encryptors: self.openable("encryptor", "encryptors"),
        }
    }

    /// The configured names of a kind, then those of the plugins themselves.
    fn openable(&self, kind: &str, section: &str) -> Vec<String> {
        let configured = names::all(self.root(), section, kind).map(|it| it.name);
        let mut all: Vec<String> = configured.collect();
        for name in self.registry.names(kind) {
            if !all.iter().any(|it| it == name) {
                all.push(name.to_owned());
            }
        }
        all
    }

    /// Returns the section that an action or command reads, an empty one if
    /// the file has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming the actions or commands that there are.
    pub fn section_of(&self, kind: &str, name: &str) -> Result<Node> {
        self.registry.find(kind, name).map_err(PluginError::into_error)?;
        let section = self.registry.section(kind, name).unwrap_or(name);
        let node = self.root().child(section).cloned();
        Ok(node.unwrap_or_else(|| Node::empty(section, self.root().position)))
    }

    /// Opens an action with its section of the configuration.
    ///
    /// # Errors
    ///
    /// As [`Setup::section_of`]; [`ErrorKind::CONFIGURATION`] if the section is
    /// wrong, or is not there and must be.
    pub fn action(&self, name: &str) -> Result<ActionBox> {
        let node = self.section_of("action", name)?;
        self.registry.action(name, &node).map_err(|error| {
            let section = &node.name;
            if error.kind() != ErrorKind::CONFIGURATION || self.root().child(section).is_some() {
                return error;
            }
            // Where each of its elements is missing says less.
            Error::new(ErrorKind::CONFIGURATION, format!("the {section} section is missing"))
                .hint("`hayloft config schema` shows what can be in it")
        })
    }

    /// Opens a compressor or encryptor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn transform(&self, kind: &str, name: &str) -> Result<TransformBox> {
        let named = self.named(kind, name);
        match kind {
            "compressor" => self.registry.compressor(&named.plugin, &named.node),
            "encryptor" => self.registry.encryptor(&named.plugin, &named.node),
            _ => Err(Error::msg(format!("{kind} is no kind of stream"))),
        }
    }

    /// Returns what a compressor or encryptor appends to a file's name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn suffix(&self, kind: &str, name: &str) -> Result<String> {
        let plugin = self.named(kind, name).plugin;
        self.registry.find(kind, &plugin).map_err(PluginError::into_error)?;
        Ok(self.registry.suffix(kind, &plugin).unwrap_or_default().to_owned())
    }

    /// Finds what a file was encoded with: kind and configured name.
    pub fn recognise(&self, name: &str, head: &[u8]) -> Option<(String, String)> {
        let (kind, plugin) =
            self.registry.by_magic(head).or_else(|| self.registry.by_suffix(name))?;
        let section = format!("{kind}s");
        let configured = names::all(self.root(), &section, kind).find(|it| it.plugin == plugin);
        let name = configured.map_or_else(|| plugin.to_owned(), |it| it.name);
        Some((kind.to_owned(), name))
    }

    /// Opens a storage.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`], naming those that there are.
    pub fn storage(&self, name: &str) -> Result<StorageBox> {
        let storages: Vec<Named> = names::all(self.root(), "storages", "storage").collect();
        let Some(named) = storages.iter().find(|it| it.name == name) else {
            let known: Vec<&str> = storages.iter().map(|it| it.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text = format!("no storage `{name}` is configured; there are: {known}");
            return Err(Error::new(ErrorKind::NOT_FOUND, text)
                .hint("add it to <storages> in the configuration"));
        };
        self.registry.storage(&named.plugin, &named.node)
    }

    /// Returns the hooks that listen to an event, in the order of the file.
    pub fn hooks_for(&self, event: &Event) -> Vec<HookEntry> {
        names::hooks(self.root(), event)
    }

    /// Opens a hook.
    ///
    /// # Errors
    ///
    /// If its plugin is missing or its section is wrong.
    pub fn hook(&self, hook: &HookEntry) -> Result<HookBox> {
        self.registry.hook(&hook.named.plugin, &hook.named.node)
    }

    /// Finds a program: in the overrides of `<options>`, then in `$PATH`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] with the name.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        if let Some(path) = names::program_override(self.root(), name) {
            return Ok(path);
        }
        process::find_program(name, std::env::var_os("PATH").as_ref())
    }

    /// Returns who is to own what is written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if the backup user or group is unknown.
    pub fn owner(&self) -> Result<Option<Owner>> {
        let settings = self.settings()?;
        Owner::for_backups(&settings.backup_user, &settings.backup_group)
    }

    /// Tells whether progress is to be shown again: not more than ten times a
    /// second, however often a plugin reports it.
    pub fn progress_due(&self) -> bool {
        const PAUSE: Duration = Duration::from_millis(100);
        let mut last = self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() >= PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Reads an English day of the week, as `<starting_day>` has it.
pub fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}
