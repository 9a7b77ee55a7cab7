//! The suite once more, this time through the program's own loader; for the
//! example in C there is no other way.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hayloft::plugins::{Registry, SearchRules};
use hayloft_plugin_api::{
    CommandSpec, Diagnostic, Node, Result,
    abi::{ActionBox, CommandBox, HookBox, StorageBox, TransformBox},
    conformance::{Subject, Suite},
    meta::Metadata,
};

use super::build::{build_c, build_crate, example};

/// A plugin as the program has it.
struct Loaded {
    registry: Registry,
    metadata: Metadata,
}

impl Loaded {
    /// Loads the only plugin in a directory.
    fn from(directory: &Path) -> Self {
        let mut registry = Registry::new();
        registry
            .discover(&SearchRules { dirs: vec![directory.to_owned()], ..SearchRules::default() });
        assert!(registry.rejected().is_empty(), "{:?}", registry.rejected());
        let found = registry.entries().iter().find(|it| it.path().is_some()).unwrap();
        registry.verify(found).unwrap();
        let metadata = found.metadata().clone();
        Self { registry, metadata }
    }
}

impl Subject for Loaded {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn check(&self, kind: &str, name: &str, node: &Node) -> Vec<Diagnostic> {
        self.registry.check(kind, name, node)
    }
    fn transform(&self, kind: &str, name: &str, node: &Node) -> Result<TransformBox> {
        match kind {
            "compressor" => self.registry.compressor(name, node),
            _ => self.registry.encryptor(name, node),
        }
    }
    fn storage(&self, name: &str, node: &Node) -> Result<StorageBox> {
        self.registry.storage(name, node)
    }
    fn hook(&self, name: &str, node: &Node) -> Result<HookBox> {
        self.registry.hook(name, node)
    }
    fn action(&self, name: &str, node: &Node) -> Result<ActionBox> {
        self.registry.action(name, node)
    }
    fn command(&self, name: &str, node: &Node) -> Result<CommandBox> {
        self.registry.command(name, node)
    }
    fn command_spec(&self, name: &str) -> Result<CommandSpec> {
        self.registry.command_spec(name)
    }
}

fn private() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    directory
}

/// Copies the library of an example into a directory of its own.
fn installed(name: &str, library: &str) -> (tempfile::TempDir, Suite) {
    let directory = private();
    let file = build_crate(&example(name), library, directory.path());
    (directory, Suite::of_file(file))
}

#[test]
fn the_example_in_c_keeps_to_the_contract() {
    let directory = private();
    let library = build_c(directory.path());
    let loaded = Loaded::from(directory.path());
    assert_eq!(loaded.metadata.abi, "c");
    Suite::of_file(library).run_on(&loaded).assert_passed();
}

#[test]
fn the_programs_own_loader_makes_no_difference() {
    let place = private();
    let (compressor, suite) = installed("compressor", "example_compressor_rle");
    suite.run_on(&Loaded::from(compressor.path())).assert_passed();
    let (storage, suite) = installed("storage", "example_storage_flat");
    let suite = suite.set("root", place.path().display()).directory(place.path());
    suite.run_on(&Loaded::from(storage.path())).assert_passed();
    let (hook, suite) = installed("hook", "example_hook_journal");
    let suite = suite.set("file", place.path().join("journal").display());
    suite.run_on(&Loaded::from(hook.path())).assert_passed();
    let (action, suite) = installed("action", "example_action_facts");
    suite.run_actions().run_on(&Loaded::from(action.path())).assert_passed();
}
