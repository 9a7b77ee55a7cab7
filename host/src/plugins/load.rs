//! Brings the code of one file into this process.

use std::{error::Error as _, fmt, fs::File, os::fd::AsRawFd, path::Path};

use abi_stable::{
    library::{AbiHeaderRef, LibraryError},
    prefix_type::FieldAccessibility,
};
use hayloft_plugin_api::{Error, abi::PluginModule_Ref, meta::Metadata, shim::client::plain};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{
    c_abi::CPlugin, inspect::inspect, log_bridge::host_log, negotiate::check_layout,
    problem::Problem, trust::Opened,
};

/// The functions of one plugin.
#[derive(Clone, Copy)]
pub(super) enum Module {
    /// Of one that speaks the Rust layer.
    Rust(PluginModule_Ref),
    /// Of one that speaks the C header.
    C(&'static CPlugin),
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust(_) => "Rust",
            Self::C(_) => "C",
        })
    }
}

/// What must hold before the code of a file may run.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    /// The checksum of the configuration.
    pub(super) sha256: Option<String>,
    /// Whether this process may die of the plugin: it is a worker.
    pub(super) contained: bool,
}

/// Loads a file and starts each plugin in it. The file stays loaded as long as
/// the process lives.
///
/// All checks are of the descriptor that is then loaded, so nobody can put
/// another file in its place in between.
///
/// # Errors
///
/// The first reason why not. If it comes from a check, no code has run.
pub(super) fn load(
    path: &Path,
    conditions: &Conditions,
) -> Result<Vec<(Metadata, Module)>, Problem> {
    let opened = Opened::open(path)?;
    opened.check_trust()?;
    if let Some(pinned) = &conditions.sha256 {
        opened.check_sha256(pinned)?;
    }
    let inspection = inspect(&opened.file)?;
    if let Some(problem) = inspection.problems.into_iter().next() {
        return Err(problem);
    }
    if !conditions.contained && inspection.metadata.iter().any(aborts_on_panic) {
        return Err(Problem::AbortsOnPanic);
    }
    let library = open_library(opened.file)?;
    inspection
        .metadata
        .into_iter()
        .map(|plugin| start(library, &plugin).map(|module| (plugin, module)))
        .collect()
}

/// Tells whether a panic in a plugin ends the process that it is in.
pub(super) fn aborts_on_panic(plugin: &Metadata) -> bool {
    plugin.panic == "abort"
}

fn open_library(file: File) -> Result<&'static Library, Problem> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    #[expect(unsafe_code, reason = "loading a library runs its code")]
    // SAFETY: the library's constructors run. That they keep to the rules is
    // what the trust in the file is about; nothing could check it.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| explain(&error, &path))?;
    // The loader knows libraries by name: were the descriptor closed, a later
    // plugin with its number would be taken for this one.
    std::mem::forget(file);
    // Never unloaded: threads, destructors of thread-locals and callsites of
    // the plugin may be reached until the process ends.
    Ok(Box::leak(Box::new(library)))
}

/// Turns the loader's message into a reason.
fn explain(error: &libloading::Error, path: &str) -> Problem {
    let message = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let message = message
        .strip_prefix(path)
        .map_or(message.as_str(), |rest| rest.trim_start_matches(':').trim_start());
    if let Some((_, symbol)) = message.split_once("undefined symbol: ") {
        let symbol = symbol.split([',', ' ']).next().unwrap_or(symbol);
        return Problem::UndefinedSymbol(symbol.to_owned());
    }
    if let Some((library, _)) = message.split_once(": cannot open shared object file")
        && !library.contains('/')
    {
        return Problem::MissingDependency(library.to_owned());
    }
    Problem::Loader(message.to_owned())
}

fn start(library: &'static Library, plugin: &Metadata) -> Result<Module, Problem> {
    let missing = |_| Problem::MissingEntry(plugin.entry.clone());
    if plugin.abi == "c" {
        #[expect(unsafe_code, reason = "the type of a symbol can only be asserted")]
        // SAFETY: the metadata says that the entry keeps to the C header, whose
        // macro declares it with this type.
        let entry = unsafe { library.get::<super::c_abi::Entry>(plugin.entry.as_bytes()) };
        return CPlugin::start(*entry.map_err(missing)?, plugin).map(Module::C);
    }
    #[expect(unsafe_code, reason = "the type of a symbol can only be asserted")]
    // SAFETY: the metadata says that the entry is what `export_plugin!` makes:
    // a static whose address is such a reference. `upgrade` looks for the magic
    // in it before anything else is believed.
    let entry = unsafe { library.get::<AbiHeaderRef>(plugin.entry.as_bytes()) };
    start_rust(*entry.map_err(missing)?, plugin).map(Module::Rust)
}

fn start_rust(entry: AbiHeaderRef, plugin: &Metadata) -> Result<PluginModule_Ref, Problem> {
    let header = entry.upgrade().map_err(|error| other_generation(&error, plugin))?;
    check_layout(header, plugin)?;
    #[expect(unsafe_code, reason = "the layout was compared in our own way")]
    // SAFETY: the layouts were found equal, or the older of the two a prefix of
    // the newer, which is what a prefix type allows.
    let module = unsafe { header.unchecked_layout::<PluginModule_Ref>() }
        .map_err(|error| Problem::Initialise(error.to_string()))?;
    check_functions(module.0.field_accessibility(), plugin)?;
    plain((module.initialise())(host_log()))
        .map_err(|error: Error| Problem::Initialise(error.to_string()))?;
    Ok(module)
}

fn other_generation(error: &LibraryError, plugin: &Metadata) -> Problem {
    let detail = match error {
        LibraryError::InvalidAbiHeader(_) => "another generation of abi_stable",
        LibraryError::InvalidCAbi { .. } => "another calling convention",
        _ => "its header",
    };
    Problem::Layout { api: format!("{}.{}", plugin.api.0, plugin.api.1), detail: detail.to_owned() }
}

/// Makes sure that the functions are there which every module has: to call one
/// that is not would panic. A wrong fingerprint could bring us here with one.
fn check_functions(present: FieldAccessibility, plugin: &Metadata) -> Result<(), Problem> {
    const FUNCTIONS: usize = 10;
    if (0..FUNCTIONS).all(|at| present.at(at).is_accessible()) {
        return Ok(());
    }
    Err(Problem::Layout {
        api: format!("{}.{}", plugin.api.0, plugin.api.1),
        detail: "functions are missing".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_own_words_are_put_into_a_sentence() {
        let missing = open_by_name("libnowhere-to-be-found.so.7");
        assert_eq!(missing, Problem::MissingDependency("libnowhere-to-be-found.so.7".to_owned()));
    }

    fn open_by_name(name: &str) -> Problem {
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: there is no such library.
        let opened = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) };
        explain(&opened.unwrap_err(), "/proc/self/fd/3")
    }
}
