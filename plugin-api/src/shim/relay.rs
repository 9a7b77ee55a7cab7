//! Lends the services of a host on: an action that lets a storage work for it
//! hands over what it was given itself.

use std::sync::Arc;

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RSlice, RStr, RString},
};

use crate::{
    abi::{
        Fallible, HostBox, ProcessBox, PutBox, RawHost, RawHost_TO, ReaderBox, StorageBox,
        TransformBox,
    },
    config::Node,
};

/// Passes every call on.
struct Relay(Arc<HostBox>);

/// Makes services that are shared look like services that are owned.
pub(super) fn relay(host: Arc<HostBox>) -> HostBox {
    RawHost_TO::from_value(Relay(host), TD_Opaque)
}

impl RawHost for Relay {
    fn document(&self) -> Node {
        self.0.document()
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
    fn progress(&self, what: RStr<'_>, done: u64, total: u64) {
        self.0.progress(what, done, total);
    }
    fn print(&self, bytes: RSlice<'_, u8>) -> Fallible<()> {
        self.0.print(bytes)
    }
    fn transform(&self, kind: RStr<'_>, name: RStr<'_>) -> Fallible<TransformBox> {
        self.0.transform(kind, name)
    }
    fn storage(&self, name: RStr<'_>) -> Fallible<StorageBox> {
        self.0.storage(name)
    }
    fn output(&self, path: RSlice<'_, u8>, options: RStr<'_>) -> Fallible<PutBox> {
        self.0.output(path, options)
    }
    fn spawn(&self, request: RStr<'_>) -> Fallible<ProcessBox> {
        self.0.spawn(request)
    }
    fn call(&self, service: RStr<'_>, request: RStr<'_>) -> Fallible<RString> {
        self.0.call(service, request)
    }
    fn storage_of(&self, plugin: RStr<'_>, section: &Node) -> Fallible<StorageBox> {
        self.0.storage_of(plugin, section)
    }
    fn standard_input(&self) -> Fallible<ReaderBox> {
        self.0.standard_input()
    }
    fn standard_output(&self) -> Fallible<PutBox> {
        self.0.standard_output()
    }
}
