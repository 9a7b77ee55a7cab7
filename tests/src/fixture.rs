//! Plugins that are built for tests only, outside the workspace.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::Program;

/// Builds `fixtures/plugins/NAME` and returns its `.so`. All fixtures share a
/// target directory, so their dependencies are built once.
///
/// # Panics
///
/// If it does not build.
pub fn build(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/plugins")
        .join(name)
        .join("Cargo.toml");
    build_manifest(&manifest, &format!("fixture_{}", name.replace('-', "_")), &[])
}

/// Builds the library `library` of a manifest, with variables such as
/// `RUSTFLAGS`, and returns its `.so`.
///
/// # Panics
///
/// If it does not build.
pub fn build_manifest(manifest: &Path, library: &str, variables: &[(&str, &str)]) -> PathBuf {
    let target = Program::find().directory().join("fixtures");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--lib", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target)
        .envs(variables.iter().copied())
        .output()
        .expect("cargo can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not build:\n{complaint}", manifest.display());
    let built = target.join("debug").join(format!("lib{library}.so"));
    assert!(built.exists(), "{} was not made", built.display());
    built
}
