//! Builds what lies outside the workspace.

use std::{
    fs,
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
    cargo(directory, &["test", "--quiet"]);
}

/// Builds a crate and returns the library `library` that it makes.
pub(crate) fn build_crate(directory: &Path, library: &str) -> PathBuf {
    cargo(directory, &["build", "--quiet"]);
    let built = target().join("debug").join(format!("lib{library}.so"));
    assert!(built.exists(), "{} was not made", built.display());
    built
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
