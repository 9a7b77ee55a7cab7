//! Finds the shared library of the crate whose test is running.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde::Deserialize;

use crate::error::{Error, Result};

/// Returns the `.so` of the package in `manifest_dir`.
///
/// `cargo test` builds all crate types of a library that an integration test
/// uses, and puts them beside the test program; that file is taken if it is
/// not older than the sources. Otherwise cargo builds it now, which does not
/// wait for anybody: cargo gives its lock back before it runs tests.
pub(super) fn library(manifest_dir: &Path, package: &str) -> Result<PathBuf> {
    match beside_test_program(manifest_dir, package) {
        Some(found) => Ok(found),
        None => build(manifest_dir),
    }
}

fn beside_test_program(manifest_dir: &Path, package: &str) -> Option<PathBuf> {
    let name = format!("lib{}.so", package.replace('-', "_"));
    let program = std::env::current_exe().ok()?;
    let found = program.parent()?.join(name);
    let built = fs::metadata(&found).and_then(|it| it.modified()).ok()?;
    let sources = newest_source(&manifest_dir.join("src"))?;
    (built >= sources).then_some(found)
}

/// When a file in the directory was changed last; `None` if that is unknown.
fn newest_source(directory: &Path) -> Option<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory).ok()? {
        let entry = entry.ok()?;
        let changed = if entry.file_type().ok()?.is_dir() {
            newest_source(&entry.path())?
        } else {
            entry.metadata().ok()?.modified().ok()?
        };
        newest = newest.max(changed);
    }
    Some(newest)
}

/// A line of cargo's `--message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    manifest_path: PathBuf,
}

fn build(manifest_dir: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = manifest_dir.join("Cargo.toml");
    let shown = manifest.display();
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--lib", "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .current_dir(manifest_dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::from(e).context(format!("cannot run cargo to build {shown}")))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::msg(told).context(format!("cargo cannot build {shown}")));
    }
    shared_library(&String::from_utf8_lossy(&output.stdout), &manifest).ok_or_else(|| {
        Error::msg(format!("{shown} does not build a shared library"))
            .hint("set `crate-type = [\"cdylib\", \"rlib\"]` in its [lib] table")
    })
}

fn shared_library(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|it| it.reason == "compiler-artifact" && it.manifest_path == manifest)
        .flat_map(|it| it.filenames)
        .find(|it| it.extension() == Some(OsStr::new("so")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_in_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/y/Cargo.toml","filenames":["/t/liby.so"]}
warning: not JSON
{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","filenames":["/t/libx.rlib","/t/libx.so"]}
{"reason":"build-finished","success":true}"#;
        let found = shared_library(messages, Path::new("/x/Cargo.toml"));
        assert_eq!(found.as_deref(), Some(Path::new("/t/libx.so")));
        assert_eq!(shared_library(messages, Path::new("/z/Cargo.toml")), None);
    }
}
