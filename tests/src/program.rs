//! The program and the plugins, as `cargo build --workspace` leaves them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Where the program and the plugins were built.
#[derive(Debug, Clone)]
pub struct Program {
    directory: PathBuf,
}

impl Program {
    /// Finds the program beside the running test.
    ///
    /// # Panics
    ///
    /// If it is not there: a test that cannot run must not pass.
    pub fn find() -> Self {
        let test = env::current_exe().expect("a test knows its own path");
        // target/debug/deps/test-0123 is beside target/debug/hayloft.
        let directory = test.ancestors().nth(2).expect("a test lies in a target directory");
        let program = Self { directory: directory.to_owned() };
        for needed in [program.path(), program.plugin("compressor_zstd")] {
            assert!(
                needed.exists(),
                "{} is not there; run `cargo build --workspace` before the tests",
                needed.display()
            );
        }
        program
    }

    /// Returns the program.
    pub fn path(&self) -> PathBuf {
        self.directory.join("hayloft")
    }

    /// Returns the directory of program and plugins.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the file of a first-party plugin, such as `compressor_zstd`.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.directory.join(format!("libhayloft_{name}.so"))
    }

    /// Makes a directory with copies of first-party plugins.
    pub fn copy_plugins(&self, names: &[&str], to: &Path) {
        fs::create_dir_all(to).unwrap();
        for name in names {
            let from = self.plugin(name);
            fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
        }
    }
}
