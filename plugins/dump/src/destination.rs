//! Where dumps are made.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Error, ErrorKind, Host, Output, OutputOptions, Result, StreamOptions, Transform,
};

use crate::{
    Made,
    older::{self, Leftover},
    pump::Sink,
};

/// The collect directory, and a compressor for what is put there.
///
/// A dump is known by its base name, such as `mysqldump-shop.txt`; its file
/// has the compressor's suffix besides.
pub struct Destination<'a> {
    host: &'a Host,
    directory: PathBuf,
    compressor: Transform,
}

impl<'a> Destination<'a> {
    /// Opens the collect directory with the compressor of that name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if no collect directory is configured,
    /// [`ErrorKind::NOT_FOUND`] if there is none, or no such compressor.
    pub fn open(host: &'a Host, compress_mode: &str) -> Result<Self> {
        let directory = host.settings()?.collect_dir.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <collect_dir> for the dumps")
                .hint("add a <collect> section with a <collect_dir>")
        })?;
        if !directory.is_dir() {
            let message = format!("<collect_dir> {} is no directory", directory.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message).hint("create it"));
        }
        let compressor = host.compressor(compress_mode).map_err(|error| {
            error.context(format!("cannot use <compress_mode> `{compress_mode}`"))
        })?;
        Ok(Self { host, directory, compressor })
    }

    /// Returns the host.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// Returns the collect directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Tells whether dumps are compressed at all.
    pub fn compresses(&self) -> bool {
        self.compressor.name() != "none"
    }

    /// Returns the name of a dump's file, without its directory.
    pub fn file_name(&self, base: &str) -> String {
        format!("{base}{}", self.compressor.suffix())
    }

    /// Begins the file of a dump, through the compressor. It vanishes unless
    /// it is given to [`Destination::commit`] in the end.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(&self, base: &str) -> Result<Sink> {
        let path = self.directory.join(self.file_name(base));
        let failed = |error: Error| error.context(format!("cannot write {}", path.display()));
        let output = self.host.create(&path, &OutputOptions::default()).map_err(failed)?;
        let codec = if self.compresses() {
            Some(self.compressor.encoder(StreamOptions::default()).map_err(failed)?)
        } else {
            None
        };
        Ok(Sink::new(codec, output))
    }

    /// Makes the file of a dump appear, whole and durable; then removes its
    /// earlier files with other compression, which would be taken for dumps
    /// of today. `dumped` is how many bytes went into it.
    ///
    /// # Errors
    ///
    /// If it could not be made durable; nothing has appeared then.
    pub fn commit(&self, base: &str, output: Output, dumped: u64) -> Result<Made> {
        let stored = output.written();
        output.commit()?;
        self.supersede(base, base);
        Ok(Made { dumped, stored })
    }

    /// Removes the files of the dump `former`, which `base` stands for now,
    /// for instance in another format. What cannot be removed is logged.
    pub fn supersede(&self, base: &str, former: &str) {
        let current = self.file_name(base);
        for file in self.others(former, &current) {
            match fs::remove_file(self.directory.join(&file)) {
                Ok(()) => tracing::info!("removed {file}, which {current} replaces"),
                Err(e) => tracing::warn!("{file}, an earlier {current}, is still there: {e}"),
            }
        }
    }

    /// Returns the files of a dump that there are, with any compression.
    pub fn existing(&self, base: &str) -> Vec<String> {
        self.others(base, "")
    }

    fn others(&self, base: &str, current: &str) -> Vec<String> {
        older::others(self.host, &self.directory, base, current).unwrap_or_else(|error| {
            tracing::warn!("cannot look for earlier files of {base}: {error}");
            Vec::new()
        })
    }

    /// Sees to it that earlier files of a dump are not taken for the one that
    /// has failed: those that have been staged are removed. One that never
    /// was may be the only one; it stays, with a warning in the log.
    pub fn failed(&self, base: &str) {
        for file in self.existing(base) {
            match older::remove_if_staged(&self.directory, &file) {
                Ok(Leftover::Absent) => {}
                Ok(Leftover::Removed) => {
                    tracing::info!("removed the earlier {file}; it is staged");
                }
                Ok(Leftover::Kept) => {
                    tracing::warn!("{file} is an earlier dump, kept because it was never staged");
                }
                Err(e) => tracing::warn!("the earlier {file} is still there: {e}"),
            }
        }
    }
}

impl fmt::Debug for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("directory", &self.directory)
            .field("compressor", &self.compressor)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn a_new_dump_replaces_an_old_one_and_a_failed_one_hides_behind_none() {
        let test = TestHost::new().unwrap();
        let host = test.host();
        let destination = Destination::open(&host, "none").unwrap();
        let file = destination.directory().join("dump-x.txt");
        fs::write(&file, "old").unwrap();
        fs::write(destination.directory().join("dump-x.dump"), "old").unwrap();

        drop(destination.create("dump-x.txt").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        destination.failed("dump-x.txt");
        assert!(file.exists(), "it was never staged");

        let mut sink = destination.create("dump-x.txt").unwrap();
        sink.write_all(b"new").unwrap();
        let made = destination.commit("dump-x.txt", sink.finish().unwrap(), 3).unwrap();
        assert_eq!(made, Made { dumped: 3, stored: 3 });
        destination.supersede("dump-x.txt", "dump-x.dump");
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(!destination.directory().join("dump-x.dump").exists());

        fs::write(destination.directory().join("cback.stage"), "").unwrap();
        destination.failed("dump-x.txt");
        assert!(!file.exists());
    }

    #[test]
    fn a_compressor_that_is_not_there_is_named_with_its_setting() {
        let test = TestHost::new().unwrap();
        let error = Destination::open(&test.host(), "nosuch").unwrap_err();
        assert_eq!(error.message(), "cannot use <compress_mode> `nosuch`");
    }
}
