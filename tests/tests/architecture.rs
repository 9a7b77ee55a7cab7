//! Who knows whom.
#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// The crates of the workspace, each with those of ours that it depends on;
/// for building and for its own tests.
fn our_dependencies() -> BTreeMap<String, Dependencies> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|it| (text(&it["name"]), Dependencies::of(it))).collect()
}

/// What a crate of ours depends on.
struct Dependencies {
    /// The directory of the crate.
    directory: String,
    /// What it is built with.
    normal: BTreeSet<String>,
    /// What its tests are built with.
    tests: BTreeSet<String>,
}

impl Dependencies {
    fn of(package: &Value) -> Self {
        let ours = |tests: bool| {
            let all = package["dependencies"].as_array().unwrap().iter();
            // What is optional is linked in for a single-file program only.
            all.filter(|it| (it["kind"] == "dev") == tests && it["optional"] == false)
                .map(|it| text(&it["name"]))
                .filter(|name| name.starts_with("hayloft"))
                .collect()
        };
        let directory = text(&package["manifest_path"]).replace("/Cargo.toml", "");
        Self { directory, normal: ours(false), tests: ours(true) }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn names(all: &BTreeSet<String>) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

const API: &str = "hayloft-plugin-api";
/// Servers for tests, which know none of our crates.
const SERVERS: &str = "hayloft-test-servers";

/// Plain libraries below `plugins/`: what several plugins need to know of one
/// subject. They know the plugin API at most.
const LIBRARIES: [&str; 4] =
    ["hayloft-dump", "hayloft-lease", "hayloft-postgres", "hayloft-staging"];

#[test]
fn the_plugin_api_knows_no_other_crate_of_ours() {
    let api = &our_dependencies()[API];
    assert_eq!(names(&api.normal), [""; 0]);
}

#[test]
fn the_program_knows_the_plugin_api_and_no_plugin() {
    let program = &our_dependencies()["hayloft"];
    assert_eq!(names(&program.normal), [API]);
    assert!(program.tests.iter().all(|it| it == API), "{:?}", program.tests);
}

#[test]
fn a_plugin_knows_the_plugin_api_and_plain_libraries_only() {
    let mut plugins = 0;
    for (name, of) in our_dependencies() {
        if of.directory.contains("/plugins/") && !LIBRARIES.contains(&name.as_str()) {
            plugins += 1;
            let others = names(&of.normal).into_iter().filter(|it| !LIBRARIES.contains(it));
            assert_eq!(others.collect::<Vec<_>>(), [API], "{name}");
            let known = of.tests.iter().all(|it| [API, SERVERS].contains(&it.as_str()));
            assert!(known, "{name}: {:?}", of.tests);
        }
    }
    assert!(plugins >= 14, "only {plugins} plugins were looked at");
}

#[test]
fn the_servers_for_tests_know_no_crate_of_ours() {
    let servers = &our_dependencies()[SERVERS];
    assert!(servers.normal.is_empty() && servers.tests.is_empty());
}

#[test]
fn a_plain_library_knows_the_plugin_api_at_most() {
    let all = our_dependencies();
    for library in LIBRARIES {
        let of = &all[library];
        assert!(of.normal.iter().chain(&of.tests).all(|it| it == API), "{library}");
    }
}

#[test]
fn nothing_depends_on_the_program_but_tests_and_benchmarks() {
    for (name, of) in our_dependencies() {
        let knows = of.normal.contains("hayloft") || of.tests.contains("hayloft");
        let may = ["hayloft-tests", "hayloft-benches"].contains(&name.as_str());
        assert!(!knows || may, "{name} depends on the program");
    }
}

#[test]
fn a_plugins_directory_says_its_kind_and_its_crate_is_named_for_it() {
    const KINDS: [&str; 6] = ["action", "command", "compressor", "encryptor", "storage", "hook"];
    for (name, of) in our_dependencies() {
        let Some((_, directory)) = of.directory.rsplit_once("/plugins/") else { continue };
        assert_eq!(name, format!("hayloft-{directory}"));
        if LIBRARIES.contains(&name.as_str()) {
            continue;
        }
        let kind = directory.split('-').next().unwrap();
        assert!(KINDS.contains(&kind), "{directory}");
    }
}
