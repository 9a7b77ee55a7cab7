//! Loads a plugin's file as the host does.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use abi_stable::library::AbiHeaderRef;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{elf::Elf, log};
use crate::{
    FINGERPRINT,
    abi::{ActionBox, CommandBox, HookBox, PluginModule_Ref, StorageBox, TransformBox},
    config::{Diagnostic, Node},
    error::{Error, Result},
    meta::Metadata,
    sdk::CommandSpec,
    shim::client,
};

/// What the suite is run on: the functions of one plugin, however it came
/// into this process.
pub trait Subject: Sync {
    /// Returns what the plugin says about itself.
    fn metadata(&self) -> &Metadata;
    /// Returns everything that is wrong with a section.
    fn check(&self, kind: &str, name: &str, node: &Node) -> Vec<Diagnostic>;
    /// Creates a compressor or encryptor.
    ///
    /// # Errors
    ///
    /// The plugin's own, as those of the functions below.
    fn transform(&self, kind: &str, name: &str, node: &Node) -> Result<TransformBox>;
    /// Creates a storage.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn storage(&self, name: &str, node: &Node) -> Result<StorageBox>;
    /// Creates a hook.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn hook(&self, name: &str, node: &Node) -> Result<HookBox>;
    /// Creates an action.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn action(&self, name: &str, node: &Node) -> Result<ActionBox>;
    /// Creates a command.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn command(&self, name: &str, node: &Node) -> Result<CommandBox>;
    /// Describes a command.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn command_spec(&self, name: &str) -> Result<CommandSpec>;
}

/// A plugin that was loaded from its file. It stays loaded for ever.
#[derive(Clone)]
pub struct Plugin {
    path: PathBuf,
    metadata: Metadata,
    module: PluginModule_Ref,
}

impl Plugin {
    /// Loads a file and starts each plugin in it.
    ///
    /// # Errors
    ///
    /// Why it is no plugin, or cannot be loaded. A plugin that speaks the C
    /// header is refused: `hayloft plugin check` loads those.
    pub fn open(path: &Path) -> Result<Vec<Self>> {
        let shown = path.display();
        let elf = Elf::read(path).map_err(|e| e.context(format!("{shown} is not a plugin")))?;
        let path = fs::canonicalize(path)?;
        let library = library(&path)?;
        elf.metadata.into_iter().map(|metadata| Self::start(&path, library, metadata)).collect()
    }

    fn start(path: &Path, library: &'static Library, metadata: Metadata) -> Result<Self> {
        if metadata.abi != "rust" {
            let message = format!("plugin {} speaks the C header", metadata.id);
            return Err(Error::msg(message).hint("check it with `hayloft plugin check`"));
        }
        #[expect(unsafe_code, reason = "the type of a symbol can only be asserted")]
        // SAFETY: the metadata says that the entry is what `export_plugin!`
        // makes; `upgrade` looks for the magic in it before anything else.
        let entry = unsafe { library.get::<AbiHeaderRef>(metadata.entry.as_bytes()) }?;
        let header = entry.upgrade()?;
        let module = if metadata.fingerprint == FINGERPRINT {
            #[expect(unsafe_code, reason = "both sides were built from the same types")]
            // SAFETY: the fingerprint says that the layouts are equal.
            unsafe { header.unchecked_layout::<PluginModule_Ref>() }?
        } else {
            header.init_root_module::<PluginModule_Ref>()?
        };
        client::plain((module.initialise())(log::silent()))?;
        Ok(Self { path: path.to_owned(), metadata, module })
    }

    /// Returns the file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens each library once.
fn library(path: &Path) -> Result<&'static Library> {
    static OPEN: Mutex<BTreeMap<PathBuf, &'static Library>> = Mutex::new(BTreeMap::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = open.get(path) {
        return Ok(known);
    }
    #[expect(unsafe_code, reason = "loading a library runs its code")]
    // SAFETY: the library's constructors run. Its author wants them to.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }?;
    // As in the host: threads and callsites of it may be reached until the end.
    let library: &'static Library = Box::leak(Box::new(library));
    open.insert(path.to_owned(), library);
    Ok(library)
}

impl Subject for Plugin {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn check(&self, kind: &str, name: &str, node: &Node) -> Vec<Diagnostic> {
        (self.module.check())(kind.into(), name.into(), node)
            .into_iter()
            .map(Diagnostic::from)
            .collect()
    }
    fn transform(&self, kind: &str, name: &str, node: &Node) -> Result<TransformBox> {
        let create = match kind {
            "compressor" => self.module.compressor(),
            _ => self.module.encryptor(),
        };
        client::plain(create(name.into(), node))
    }
    fn storage(&self, name: &str, node: &Node) -> Result<StorageBox> {
        client::plain((self.module.storage())(name.into(), node))
    }
    fn hook(&self, name: &str, node: &Node) -> Result<HookBox> {
        client::plain((self.module.hook())(name.into(), node))
    }
    fn action(&self, name: &str, node: &Node) -> Result<ActionBox> {
        client::plain((self.module.action())(name.into(), node))
    }
    fn command(&self, name: &str, node: &Node) -> Result<CommandBox> {
        client::plain((self.module.command())(name.into(), node))
    }
    fn command_spec(&self, name: &str) -> Result<CommandSpec> {
        client::from_json(&client::plain((self.module.command_spec())(name.into()))?)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("path", &self.path).finish_non_exhaustive()
    }
}
