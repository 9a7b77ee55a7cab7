//! What the functions of a plugin's root module do; `export_plugin!` generates
//! calls of these.

use std::panic::catch_unwind;

use abi_stable::std_types::{RResult, RStr, RString, RVec};

use super::{client, contain, server};
use crate::{
    abi::{
        ActionBox, CommandBox, Fallible, HookBox, HostLog_Ref, PluginModule_Ref, StorageBox,
        TransformBox,
    },
    config::{self, Configuration, Diagnostic, Node, RDiagnostic},
    error::{Error, ErrorKind, Result},
    log,
    sdk::{Action, Command, Compressor, Encryptor, Hook, Storage},
};

/// A plugin that is linked into the host instead of loaded from a file.
#[derive(Clone, Copy)]
pub struct Builtin {
    /// The first part of its metadata record.
    pub metadata: &'static str,
    /// The rest: what it was built with.
    pub build: &'static str,
    /// Its functions.
    pub module: fn() -> PluginModule_Ref,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builtin").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Begins a plugin that was loaded from a file: it has its own standard
/// library, so its own panic hook and its own logging.
pub extern "C" fn initialise_loaded(host_log: HostLog_Ref) -> Fallible<()> {
    contain::guard(|| {
        log::install(host_log);
        std::panic::set_hook(Box::new(contain::last_panic_hook));
        Ok(())
    })
}

/// Begins a plugin that is linked into the host, which has set up everything.
pub extern "C" fn initialise_builtin(_: HostLog_Ref) -> Fallible<()> {
    RResult::ROk(())
}

/// See [`PluginModule::log_reconfigure`](crate::abi::PluginModule).
pub extern "C" fn log_reconfigure() {
    // Nothing can be done about a panic in here, and nothing depends on it.
    drop(catch_unwind(log::reconfigure));
}

/// The error for a name that the plugin does not have.
pub fn no_such<T>(kind: &str, name: RStr<'_>) -> Fallible<T> {
    let message = format!("this plugin offers no {kind} `{name}`");
    RResult::RErr(Error::new(ErrorKind::NOT_FOUND, message).into())
}

/// Decodes a section and makes a value of it; an error of the author's about
/// the configuration gets the section's position if it has none of its own.
fn construct<C: Configuration, T>(node: &Node, new: fn(C) -> Result<T>) -> Result<T> {
    new(config::decode(node)?).map_err(|error| located(node, error))
}

fn located(node: &Node, error: Error) -> Error {
    if error.kind() != ErrorKind::CONFIGURATION || !error.diagnostics().is_empty() {
        return error;
    }
    let mut diagnostic = Diagnostic::error(node.position, node.name.as_str(), error.to_string());
    diagnostic.help = error.remedy().map(ToOwned::to_owned);
    Error::configuration(vec![diagnostic])
}

/// Creates a compressor from its section.
pub fn compressor<T: Compressor>(node: &Node) -> Fallible<TransformBox> {
    contain::guard(|| construct(node, T::new).map(server::compressor))
}

/// Creates an encryptor from its section.
pub fn encryptor<T: Encryptor>(node: &Node) -> Fallible<TransformBox> {
    contain::guard(|| construct(node, T::new).map(server::encryptor))
}

/// Creates a storage from its section.
pub fn storage<T: Storage>(node: &Node) -> Fallible<StorageBox> {
    contain::guard(|| construct(node, T::new).map(server::storage))
}

/// Creates a hook from its section.
pub fn hook<T: Hook>(node: &Node) -> Fallible<HookBox> {
    contain::guard(|| construct(node, T::new).map(server::hook))
}

/// Creates an action from its section.
pub fn action<T: Action>(node: &Node) -> Fallible<ActionBox> {
    contain::guard(|| construct(node, T::new).map(server::action))
}

/// Creates a command from its section.
pub fn command<T: Command>(node: &Node) -> Fallible<CommandBox> {
    contain::guard(|| construct(node, T::new).map(server::command))
}

/// Describes a command.
pub fn command_spec<T: Command>() -> Fallible<RString> {
    contain::guard(|| client::to_json(&T::spec()).map(RString::from))
}

/// Returns everything that is wrong with a section, warnings included.
pub fn check<C: Configuration, T>(node: &Node, new: fn(C) -> Result<T>) -> RVec<RDiagnostic> {
    let found = contain::guard(|| {
        let decoded = C::decode(node);
        let mut found = decoded.diagnostics;
        let made = decoded.value.map(new).transpose();
        if let Err(error) = made.map_err(|error| located(node, error)) {
            found.extend_from_slice(error.diagnostics());
            if error.diagnostics().is_empty() {
                found.push(Diagnostic::error(node.position, node.name.as_str(), error.to_string()));
            }
        }
        Ok(found)
    });
    let found = client::plain(found).unwrap_or_else(|error| {
        vec![Diagnostic::error(node.position, node.name.as_str(), error.to_string())]
    });
    found.into_iter().map(RDiagnostic::from).collect()
}
