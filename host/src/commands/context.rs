//! What every command begins with.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use signal_hook::{consts, flag};
use tracing::level_filters::LevelFilter;

use crate::{
    cli::GlobalArgs,
    clock::Moment,
    config::Document,
    failure::{Failure, Kind},
    log::{self, Log, LogOptions, Screen},
    plugins::{Pinned, Registry, SearchRules},
    setup::Setup,
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
}

impl Context {
    /// Opens the log and listens for signals.
    pub(crate) fn new(global: &GlobalArgs) -> Result<Self, Failure> {
        let cancelled = Arc::new(AtomicBool::new(false));
        for signal in [consts::SIGINT, consts::SIGTERM, consts::SIGHUP] {
            flag::register(signal, Arc::clone(&cancelled)).map_err(|e| {
                Failure::new(Kind::Unavailable, "cannot listen for signals").because(&e)
            })?;
        }
        Self::with_flag(global, cancelled)
    }

    /// The same for commands that only look: a signal ends them as usual.
    pub(crate) fn without_configuration(global: &GlobalArgs) -> Result<Self, Failure> {
        Self::with_flag(global, Arc::default())
    }

    fn with_flag(global: &GlobalArgs, cancelled: Arc<AtomicBool>) -> Result<Self, Failure> {
        let now = match &global.now {
            None => Moment::now(),
            Some(text) => Moment::parse(text)
                .map_err(|e| Failure::new(Kind::Usage, "--now cannot be used").because(&e))?,
        };
        let log_options = log_options(global);
        let screen = Screen::new(global.quiet);
        let log = Log::open(&log_options, screen, global.log_file.as_deref()).map_err(|e| {
            Failure::new(Kind::Unavailable, "there is no log")
                .because(&e)
                .hint("name another file with --log-file, or create its directory")
        })?;
        let log = Arc::new(log);
        log::install(&log, &log_options);
        Ok(Self {
            global: global.clone(),
            log,
            log_options,
            now,
            cancelled,
            setup: OnceLock::new(),
            registry: OnceLock::new(),
        })
    }

    pub(crate) fn global(&self) -> &GlobalArgs {
        &self.global
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
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

    /// Returns the plugins, those of the configuration's directories included
    /// if there is a configuration that can be read.
    pub(crate) fn registry(&self) -> &Registry {
        if let Ok(setup) = self.setup() {
            return setup.registry();
        }
        self.registry.get_or_init(|| find_plugins(None, &self.place()))
    }

    fn place(&self) -> Place<'_> {
        Place { plugin_dirs: &self.global.plugin_dir, contained: false }
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
    LogOptions { screen, file, directives: global.log.clone() }
}
