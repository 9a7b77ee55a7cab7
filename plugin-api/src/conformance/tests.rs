//! The suite finds what it is there to find: a good plugin passes, and one with
//! a single fault fails the check of that fault.

mod compressor;
mod storage;

use super::*;
use crate::{
    CommandSpec, Diagnostic, ErrorKind, Node,
    abi::{ActionBox, CommandBox, HookBox, StorageBox, TransformBox},
    meta::Metadata,
    shim::module,
};

/// A plugin of this process that offers one thing.
struct Offer {
    metadata: Metadata,
    transform: Option<fn() -> TransformBox>,
    storage: Option<Box<dyn Fn() -> StorageBox + Sync>>,
}

impl Offer {
    fn new(kind: &str, facts: &[(&str, &str)]) -> Self {
        let facts = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let provided = Provided { kind: kind.to_owned(), name: "it".to_owned(), facts };
        let metadata =
            Metadata { id: "it".to_owned(), provides: vec![provided], ..Metadata::default() };
        Self { metadata, transform: None, storage: None }
    }

    fn failed(&self) -> Vec<String> {
        let report = Suite::new(Err(Error::msg("it has no file"))).run_on(self);
        let name = |check: &Check| check.name.rsplit(": ").next().unwrap_or_default().to_owned();
        report.failures().map(name).collect()
    }
}

fn none<T>(name: &str) -> Result<T> {
    Err(Error::new(ErrorKind::NOT_FOUND, format!("there is no `{name}`")))
}

impl Subject for Offer {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn check(&self, _: &str, _: &str, node: &Node) -> Vec<Diagnostic> {
        let found = module::check(node, |_: crate::NoConfig| Ok(()));
        found.into_iter().map(Diagnostic::from).collect()
    }
    fn transform(&self, _: &str, name: &str, _: &Node) -> Result<TransformBox> {
        self.transform.filter(|_| name == "it").map_or_else(|| none(name), |make| Ok(make()))
    }
    fn storage(&self, name: &str, _: &Node) -> Result<StorageBox> {
        let make = self.storage.as_ref().filter(|_| name == "it");
        make.map_or_else(|| none(name), |make| Ok(make()))
    }
    fn hook(&self, name: &str, _: &Node) -> Result<HookBox> {
        none(name)
    }
    fn action(&self, name: &str, _: &Node) -> Result<ActionBox> {
        none(name)
    }
    fn command(&self, name: &str, _: &Node) -> Result<CommandBox> {
        none(name)
    }
    fn command_spec(&self, name: &str) -> Result<CommandSpec> {
        none(name)
    }
}
