//! What every command begins with.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use tracing::level_filters::LevelFilter;

use crate::{
    cli::GlobalArgs,
    clock::Moment,
    config::Document,
    failure::{Failure, Kind},
    log::{self, Log, LogOptions, NewFile, Output, Screen},
    plugins::{Pinned, Registry, SearchRules},
    setup::Setup,
    signals,
};

/// Where the configuration is looked for.
const PLACES: [&str; 2] = ["/etc/hayloft.conf", "/etc/cback3.conf"];

/// The log, the clock, the signals; the configuration and the plugins when
/// they are asked for.
#[derive(Debug)]
pub(crate) struct Context {
    global: GlobalArgs,
    log: Arc<Log>,
    log_options: LogOptions,
    now: Moment,
    cancelled: Arc<AtomicBool>,
    setup: OnceLock<Arc<Setup>>,
    registry: OnceLock<Registry>,
    /// Whether this process may die of a plugin.
    contained: bool,
}

impl Context {
    /// Opens the log and listens for signals.
    pub(crate) fn new(global: &GlobalArgs) -> Result<Self, Failure> {
        let cancelled = Arc::new(AtomicBool::new(false));
        listen(&cancelled)?;
        Self::with_flag(global, cancelled)
    }

    /// The same with a log that was opened already.
    pub(crate) fn with_log(
        global: &GlobalArgs,
        log: Log,
        log_options: LogOptions,
    ) -> Result<Self, Failure> {
        let cancelled = Arc::new(AtomicBool::new(false));
        listen(&cancelled)?;
        Ok(Self::of(global, log, log_options, now(global)?, cancelled))
    }

    /// The same for commands that only look: a signal ends them as usual.
    pub(crate) fn without_configuration(global: &GlobalArgs) -> Result<Self, Failure> {
        Self::with_flag(global, Arc::default())
    }

    /// The same for what may become a command in this very process, which is
    /// then no more than that command: it may die of a plugin, and a signal
    /// ends it as usual.
    pub(crate) fn expendable(global: &GlobalArgs) -> Result<Self, Failure> {
        Ok(Self { contained: true, ..Self::without_configuration(global)? })
    }

    /// Listens for signals from now on, for a command that looks after workers.
    pub(crate) fn listening(self) -> Result<Self, Failure> {
        listen(&self.cancelled)?;
        Ok(self)
    }

    fn with_flag(global: &GlobalArgs, cancelled: Arc<AtomicBool>) -> Result<Self, Failure> {
        let now = now(global)?;
        let log_options = log_options(global);
        let screen = Screen::new(global.quiet);
        let usual = NewFile::default();
        let file = global.log_file.as_deref().map(|path| (path, &usual));
        let log = Log::open(&log_options, screen, file).map_err(|e| {
            Failure::new(Kind::Unavailable, "there is no log")
                .because(&e)
                .hint("name another file with --log-file, or create its directory")
        })?;
        Ok(Self::of(global, log, log_options, now, cancelled))
    }

    fn of(
        global: &GlobalArgs,
        log: Log,
        log_options: LogOptions,
        now: Moment,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        let log = Arc::new(log);
        log::install(&log, &log_options);
        Self {
            global: global.clone(),
            log,
            log_options,
            now,
            cancelled,
            setup: OnceLock::new(),
            registry: OnceLock::new(),
            contained: false,
        }
    }

    pub(crate) fn global(&self) -> &GlobalArgs {
        &self.global
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Ends a command with `code`; success needs all of its output to have
    /// been written.
    ///
    /// # Errors
    ///
    /// If something was not, which was told already.
    pub(crate) fn end(&self, code: u8) -> Result<ExitCode, Failure> {
        if code == 0 && self.log.screen().is_incomplete() {
            return Err(Failure::silent(Kind::Failed));
        }
        Ok(ExitCode::from(code))
    }

    pub(crate) fn log_filter(&self) -> String {
        self.log_options.filter()
    }

    pub(crate) fn now(&self) -> &Moment {
        &self.now
    }

    pub(crate) fn cancelled(&self) -> &Arc<AtomicBool> {
        &self.cancelled
    }

    /// Returns the configuration's path, whether or not it is there.
    pub(crate) fn configuration(&self) -> PathBuf {
        if let Some(path) = &self.global.config {
            return path.clone();
        }
        let found = PLACES.into_iter().find(|it| Path::new(it).exists());
        PathBuf::from(found.unwrap_or(PLACES[0]))
    }

    /// Reads the configuration and finds the plugins, once.
    pub(crate) fn setup(&self) -> Result<&Arc<Setup>, Failure> {
        if let Some(setup) = self.setup.get() {
            return Ok(setup);
        }
        let setup = load_setup(&self.configuration(), &self.place())?;
        Ok(self.setup.get_or_init(|| Arc::new(setup)))
    }

    /// Takes a configuration that was read already, and finds the plugins.
    pub(crate) fn adopt(&self, document: Document) -> &Arc<Setup> {
        let registry = find_plugins(Some(&document), &self.place());
        self.setup.get_or_init(|| Arc::new(Setup::new(document, registry)))
    }

    /// The same for what works without a configuration too: if none is named and
    /// none is in its place, it is an empty one.
    pub(crate) fn setup_if_any(&self) -> Result<&Arc<Setup>, Failure> {
        if self.global.config.is_some() || self.configuration().exists() {
            return self.setup();
        }
        let registry = find_plugins(None, &self.place());
        Ok(self.setup.get_or_init(|| Arc::new(Setup::new(Document::none(), registry))))
    }

    /// Returns the plugins, those of the configuration's directories included
    /// if there is a configuration that can be read.
    pub(crate) fn registry(&self) -> &Registry {
        if let Ok(setup) = self.setup() {
            return setup.registry();
        }
        self.registry.get_or_init(|| find_plugins(None, &self.place()))
    }

    fn place(&self) -> Place<'_> {
        Place { plugin_dirs: &self.global.plugin_dir, contained: self.contained }
    }
}

fn listen(cancelled: &Arc<AtomicBool>) -> Result<(), Failure> {
    signals::listen(cancelled)
        .map_err(|e| Failure::new(Kind::Unavailable, "cannot listen for signals").because(&e))
}

fn now(global: &GlobalArgs) -> Result<Moment, Failure> {
    match &global.now {
        None => Ok(Moment::now()),
        Some(text) => Moment::parse(text)
            .map_err(|e| Failure::new(Kind::Usage, "--now cannot be used").because(&e)),
    }
}

/// Where plugins are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Directories that the command line names.
    pub(crate) plugin_dirs: &'a [PathBuf],
    /// Whether this process may die of a plugin.
    pub(crate) contained: bool,
}

/// Reads a configuration and finds the plugins.
pub(crate) fn load_setup(path: &Path, place: &Place<'_>) -> Result<Setup, Failure> {
    let document = Document::load(path).map_err(|error| super::config::failure(None, error))?;
    let registry = find_plugins(Some(&document), place);
    Ok(Setup::new(document, registry))
}

/// Finds the plugins: those of the configuration's places too, if there is one.
pub(crate) fn find_plugins(document: Option<&Document>, place: &Place<'_>) -> Registry {
    let mut registry = Registry::new().contained(place.contained);
    registry.discover(&rules(document, place.plugin_dirs));
    registry
}

fn rules(document: Option<&Document>, plugin_dirs: &[PathBuf]) -> SearchRules {
    let plugins = document.and_then(|it| it.root.child("plugins"));
    let configured = plugins.into_iter().flat_map(|it| it.children_named("dir"));
    let configured = configured.map(|it| PathBuf::from(it.text.trim()));
    let pinned = plugins.into_iter().flat_map(|it| it.children_named("plugin"));
    let pinned = pinned.filter_map(|it| {
        Some(Pinned {
            path: PathBuf::from(it.child("file")?.text.trim()),
            sha256: it.child("sha256").map(|it| it.text.trim().to_owned()),
        })
    });
    SearchRules::standard(plugin_dirs.iter().cloned().chain(configured).collect(), pinned.collect())
}

fn log_options(global: &GlobalArgs) -> LogOptions {
    let screen = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let file = match &global.log_file {
        None => LevelFilter::OFF,
        Some(_) => screen.max(LevelFilter::INFO),
    };
    let directives = global.log.clone();
    LogOptions { screen, file, output: Output::Messages, directives }
}
