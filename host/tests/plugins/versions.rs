//! Plugins and programs that were built with different versions of the API.

use std::process::Command;

use hayloft_plugin_api::{
    Capabilities, ErrorKind, PutOptions, StorageHandle, StreamOptions, Sweep, Transform,
};

use crate::{
    containment,
    lab::{Build, Patch, Shelf, build, good, section},
};

/// A later minor version: functions are appended, each with a default.
const NEWER: &[Patch] = &[
    ("src/lib.rs", "API_MINOR: u32 = 0", "API_MINOR: u32 = 1"),
    ("src/lib.rs", "\"api=1.0\\n", "\"api=1.1\\n"),
    (
        "src/abi.rs",
        "    pub command_spec: extern \"C\" fn(RStr<'_>) -> Fallible<RString>,\n",
        "    pub command_spec: extern \"C\" fn(RStr<'_>) -> Fallible<RString>,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    \
             pub added: extern \"C\" fn() -> u32,\n",
    ),
    (
        "src/export.rs",
        "                    command_spec,\n                })",
        "                    command_spec,\n                    added: api::module::added,\n                })",
    ),
    (
        "src/shim/module.rs",
        "/// Describes a command.\n",
        "/// New.\npub extern \"C\" fn added() -> u32 { 11 }\n\n/// Describes a command.\n",
    ),
    (
        "src/abi.rs",
        "output: RSliceMut<'_, u8>, op: Op) -> Fallible<Step>;\n",
        "output: RSliceMut<'_, u8>, op: Op) -> Fallible<Step>;\n    \
             /// New.\n    fn added(&self) -> u32 { 7 }\n",
    ),
    (
        "src/abi.rs",
        "text only; update it\")\n    }\n",
        "text only; update it\")\n    }\n    \
             /// New.\n    fn added(&self) -> u32 { 13 }\n",
    ),
    (
        // The plugin asks a host that does not have it, and gets the default.
        "src/sdk/host.rs",
        "        self.raw.cancelled()\n",
        "        self.raw.added() != 13 || self.raw.cancelled()\n",
    ),
];

/// Before storages could replace what is as it was, and what came with it.
const FIRST: &[Patch] = &[
    (
        "src/abi.rs",
        "    /// See [`Storage::capabilities`](crate::Storage::capabilities). Returns\n",
        "}\n\n/// What is not at the boundary yet.\npub trait Later {\n    /// Returns\n",
    ),
    (
        "src/abi.rs",
        "/// See [`Hook`](crate::Hook).\n#[sabi_trait]\n",
        "impl Later for StorageBox {}\n\n/// See [`Hook`](crate::Hook).\n#[sabi_trait]\n",
    ),
    (
        "src/shim/server.rs",
        "    fn capabilities(&self)",
        "}\n\nimpl<T: Storage> crate::abi::Later for StorageShim<T> {\n    fn capabilities(&self)",
    ),
    ("src/shim/client.rs", "use crate::{", "use crate::abi::Later;\nuse crate::{"),
];

/// What no release may do: a plain structure has another field.
const BROKEN: &[Patch] = &[
    (
        "src/abi.rs",
        "pub struct RPutOptions {\n",
        "pub struct RPutOptions {\n    /// New.\n    pub added: u64,\n",
    ),
    ("src/shim/client.rs", "flags: if it.create_only", "added: 0, flags: if it.create_only"),
];

#[test]
fn a_plugin_of_a_newer_minor_version_loads() {
    let file = build(Build {
        source: "plugins/good",
        variant: "-newer",
        patches: NEWER,
        ..Build::default()
    });
    let shelf = Shelf::new();
    shelf.add("newer.so", &file);
    let registry = shelf.registry();
    let entry = registry.find("compressor", "shifted").unwrap();
    assert_eq!(entry.metadata().api, (1, 1));
    registry.verify(entry).unwrap();

    let raw = registry.compressor("shifted", &section(&[])).unwrap();
    let shifted = Transform::from_raw("shifted", ".shifted", raw);
    let mut output = [0; 8];
    let mut encoder = shifted.encoder(StreamOptions::default()).unwrap();
    let step = encoder.step(b"HAL", &mut output, hayloft_plugin_api::Op::FINISH).unwrap();
    assert_eq!(&output[..step.produced], b"IBM");
    let action = registry.action("greet", &section(&[])).unwrap();
    assert!(containment::run(&action).unwrap().contains("greeted"));
}

#[test]
fn a_plugin_of_the_first_days_loads_and_the_rest_is_made_up_for() {
    let file = build(Build {
        source: "plugins/good",
        variant: "-first",
        patches: FIRST,
        ..Build::default()
    });
    let shelf = Shelf::new();
    shelf.add("first.so", &file);
    let registry = shelf.registry();
    registry.verify(registry.find("storage", "keep").unwrap()).unwrap();
    let storage = StorageHandle::from_raw(registry.storage("keep", &section(&[])).unwrap());
    for key in ["a", "b", "c"] {
        storage.put(key, PutOptions::default()).unwrap().commit().unwrap();
    }
    assert_eq!(storage.capabilities().unwrap(), Capabilities::default());
    let refused = storage.replace("a", "etag", PutOptions::default()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::UNSUPPORTED);
    assert_eq!(storage.protection("a").unwrap(), None);
    assert!(storage.sweep(&Sweep::default()).unwrap().is_empty());
    assert!(storage.delete_many(&["a", "c", "d"]).unwrap().is_empty());
    let left = storage.list("", "", 10).unwrap();
    assert_eq!(left.into_iter().map(|it| it.key).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_program_of_a_newer_minor_version_loads_todays_plugins() {
    let program = build(Build {
        source: "newer-host",
        variant: "-newer",
        patches: NEWER,
        ..Build::default()
    });
    let shelf = Shelf::new();
    shelf.add("good.so", &good());
    let output = Command::new(program).arg(shelf.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "new method of a codec: 7\n\
         step: IBM\n\
         stat: true\n\
         spec: Says hello\n\
         new function of fixture-good: None\n"
    );
}

#[test]
fn a_plugin_whose_data_is_laid_out_differently_is_refused() {
    let file = build(Build {
        source: "plugins/good",
        variant: "-broken",
        patches: BROKEN,
        ..Build::default()
    });
    let shelf = Shelf::new();
    let path = shelf.add("broken.so", &file);
    let registry = shelf.registry();
    let entry = registry.find("compressor", "shifted").unwrap();
    let error = registry.verify(entry).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the plugin {} cannot be used: it says that it is built for plugin API 1.0, but its data \
             is laid out differently (RPutOptions: 56 bytes instead of 48; RPutOptions: 4 fields \
             instead of 3); build it with the \
             released hayloft-plugin-api",
            path.display()
        )
    );
}
