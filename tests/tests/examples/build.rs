//! Builds what lies outside the workspace.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the source.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the directory of an example.
pub(crate) fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// All crates share a target directory, so dependencies are built once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples")
}

/// Keeps all others from building, and so from replacing the library that is
/// being tested or copied: cargo itself does so only while it builds.
fn one_at_a_time() -> File {
    fs::create_dir_all(target()).unwrap();
    let lock = File::create(target().join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}

/// Runs `cargo COMMAND` in a crate, which must end well.
fn cargo(directory: &Path, arguments: &[&str]) {
    // The same versions as the workspace has, so that nothing is fetched but
    // what only this crate needs.
    let lock = directory.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), &lock).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target())
        // What cargo tells a test about the crate that it is of.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_PKG_NAME")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?} in {}:\n{}{}",
        directory.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a crate's tests.
pub(crate) fn test_crate(directory: &Path) {
    let _lock = one_at_a_time();
    cargo(directory, &["test", "--quiet"]);
}

/// Builds a crate and copies the library `library` that it makes into a
/// directory; returns where it is there.
pub(crate) fn build_crate(directory: &Path, library: &str, to: &Path) -> PathBuf {
    let _lock = one_at_a_time();
    cargo(directory, &["build", "--quiet"]);
    let name = format!("lib{library}.so");
    let copy = to.join(&name);
    fs::copy(target().join("debug").join(&name), &copy).unwrap();
    copy
}

/// Builds the example in C, with the flags of its Makefile, into a directory.
pub(crate) fn build_c(to: &Path) -> PathBuf {
    let library = to.join("libcrle.so");
    let output = Command::new("cc")
        .args(["-O2", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .args(["-fPIC", "-fvisibility=hidden", "-shared", "-I"])
        .arg(root().join("plugin-api/include"))
        .arg("-o")
        .arg(&library)
        .arg(example("c-compressor").join("crle.c"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}
