//! Opening what plugins offer: here their code is loaded and called.

use hayloft_plugin_api::{
    CommandSpec, Diagnostic, Error, ErrorKind, Node, Result,
    abi::{ActionBox, CommandBox, HookBox, StorageBox, TransformBox},
    shim::client::{from_json, plain},
};

use super::Registry;
use crate::plugins::{load::Module, problem::PluginError};

impl Registry {
    /// Opens a compressor with its configuration.
    ///
    /// # Errors
    ///
    /// Those of [`Registry::find`], why its plugin does not load, and its own.
    pub fn compressor(&self, name: &str, node: &Node) -> Result<TransformBox> {
        match self.loaded("compressor", name)? {
            Module::Rust(module) => plain((module.compressor())(name.into(), node)),
            Module::C(module) => module.transform("compressor", name, node),
        }
    }

    /// Opens an encryptor with its configuration.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn encryptor(&self, name: &str, node: &Node) -> Result<TransformBox> {
        match self.loaded("encryptor", name)? {
            Module::Rust(module) => plain((module.encryptor())(name.into(), node)),
            Module::C(module) => module.transform("encryptor", name, node),
        }
    }

    /// Opens a storage with its configuration.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn storage(&self, name: &str, node: &Node) -> Result<StorageBox> {
        match self.loaded("storage", name)? {
            Module::Rust(module) => plain((module.storage())(name.into(), node)),
            Module::C(module) => module.storage(name, node),
        }
    }

    /// Opens a hook with its configuration.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn hook(&self, name: &str, node: &Node) -> Result<HookBox> {
        match self.loaded("hook", name)? {
            Module::Rust(module) => plain((module.hook())(name.into(), node)),
            Module::C(module) => module.hook(name, node),
        }
    }

    /// Opens an action with its configuration.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn action(&self, name: &str, node: &Node) -> Result<ActionBox> {
        match self.loaded("action", name)? {
            Module::Rust(module) => plain((module.action())(name.into(), node)),
            Module::C(_) => Err(not_in_c("action", name)),
        }
    }

    /// Opens a command with its configuration.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn command(&self, name: &str, node: &Node) -> Result<CommandBox> {
        match self.loaded("command", name)? {
            Module::Rust(module) => plain((module.command())(name.into(), node)),
            Module::C(_) => Err(not_in_c("command", name)),
        }
    }

    /// Returns the description of a command.
    ///
    /// # Errors
    ///
    /// As [`Registry::compressor`].
    pub fn command_spec(&self, name: &str) -> Result<CommandSpec> {
        match self.loaded("command", name)? {
            Module::Rust(module) => {
                from_json(plain((module.command_spec())(name.into()))?.as_str())
            }
            Module::C(_) => Err(not_in_c("command", name)),
        }
    }

    /// Returns everything that is wrong with a section, as the plugin sees it,
    /// warnings included. That there is no such plugin is an error too.
    pub fn check(&self, kind: &str, name: &str, node: &Node) -> Vec<Diagnostic> {
        match self.module(kind, name) {
            Ok(Module::Rust(module)) => {
                let found = (module.check())(kind.into(), name.into(), node);
                found.into_iter().map(Diagnostic::from).collect()
            }
            Ok(Module::C(module)) => module.check(kind, name, node),
            Err(error) => {
                vec![Diagnostic::error(node.position, node.name.as_str(), error.to_string())]
            }
        }
    }

    /// Tells the plugins that are loaded that the log's filter has changed.
    pub fn log_reconfigure(&self) {
        for entry in &self.entries {
            if let Some(Module::Rust(module)) = entry.loaded_module() {
                (module.log_reconfigure())();
            }
        }
    }

    fn loaded(&self, kind: &str, name: &str) -> Result<Module> {
        self.module(kind, name).map_err(PluginError::into_error)
    }
}

fn not_in_c(kind: &str, name: &str) -> Error {
    let message = format!("the {kind} `{name}` is offered by a plugin that speaks the C interface");
    Error::new(ErrorKind::UNSUPPORTED, message)
        .hint(format!("write plugins that offer a {kind} in Rust"))
}
