//! Uploads a day.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, Settings, Transform};
use hayloft_staging::{
    day::Day,
    source::{Listing, SourceFile},
    upload::Encoding,
};
use tracing::info;

use crate::{
    place::Place,
    template::Template,
    transfer::{Transfer, in_parallel},
};

/// How files are encrypted on their way.
#[derive(Debug)]
pub(crate) enum Encryption {
    /// Not at all.
    None,
    /// By a command.
    Command(Template),
    /// By an encryptor; keys get its suffix.
    Encryptor(Transform),
}

/// A day on its way to a place.
pub(crate) struct Upload<'a> {
    pub(crate) host: &'a Host,
    pub(crate) settings: &'a Settings,
    pub(crate) place: &'a Place,
    pub(crate) encryption: &'a Encryption,
    pub(crate) check_data: bool,
    pub(crate) day: &'a Day,
}

/// What uploading came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// Files that were sent.
    pub(crate) files: u64,
    /// Their size in bytes.
    pub(crate) bytes: u64,
    /// Files that were there already.
    pub(crate) unchanged: u64,
    /// Objects of an earlier upload that were removed.
    pub(crate) removed: u64,
    /// Whether nothing was removed because somebody else keeps days there.
    pub(crate) shared: bool,
    /// How many objects of an earlier upload were kept because the day has no
    /// files at all: it is more likely lost than empty.
    pub(crate) kept: usize,
}

impl Upload<'_> {
    fn root(&self) -> String {
        format!("{}{}/", self.place.prefix, self.day.name)
    }

    fn key(&self, file: &SourceFile) -> String {
        let suffix = match self.encryption {
            Encryption::Encryptor(encryptor) => Encoding::suffix(encryptor),
            _ => "",
        };
        format!("{}{}{suffix}", self.place.prefix, file.key(&self.day.name))
    }

    /// Sends all files, then removes what is left of an earlier upload.
    ///
    /// # Errors
    ///
    /// Why a file has not arrived; then nothing was removed.
    pub(crate) fn run(&self, listing: &Listing) -> Result<Uploaded> {
        let keys: BTreeSet<String> = listing.files.iter().map(|it| self.key(it)).collect();
        let mut encodings: Vec<&dyn Encoding> = Vec::new();
        if let Encryption::Encryptor(encryptor) = self.encryption {
            encodings.push(encryptor);
        }
        let transfer = Transfer {
            host: self.host,
            storage: &self.place.storage,
            encodings: &encodings,
            check_data: self.check_data,
            done: AtomicU64::new(0),
            total: listing.files.iter().map(|it| it.size).sum(),
        };
        let scratch = match self.encryption {
            Encryption::Command(_) => Some(Scratch::make(self.host, &self.settings.working_dir)?),
            _ => None,
        };
        let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        in_parallel(&listing.files, |thread, file| {
            self.host.check_cancelled()?;
            let sent = self.send(&transfer, file, scratch.as_ref(), thread)?;
            if sent {
                files.fetch_add(1, Ordering::Relaxed);
                bytes.fetch_add(file.size, Ordering::Relaxed);
            }
            Ok(())
        })?;
        let files = files.into_inner();
        let unchanged = listing.files.len() as u64 - files;
        let uploaded =
            Uploaded { files, bytes: bytes.into_inner(), unchanged, ..Uploaded::default() };
        self.remove_old(&keys, uploaded)
    }

    /// Returns whether the file had to be sent.
    fn send(
        &self,
        transfer: &Transfer<'_>,
        file: &SourceFile,
        scratch: Option<&Scratch>,
        thread: usize,
    ) -> Result<bool> {
        let key = self.key(file);
        match (self.encryption, scratch) {
            (Encryption::Command(template), Some(scratch)) if file.size > 0 => {
                let sealed = scratch.encrypt(self.host, self.settings, template, (file, thread))?;
                transfer.send(&sealed, &key)?;
                fs::remove_file(&sealed).map_err(|e| {
                    Error::from(e).context(format!("cannot remove {}", sealed.display()))
                })?;
                Ok(true)
            }
            (Encryption::Encryptor(_), _) => transfer.send(&file.path, &key).map(|()| true),
            _ => {
                let there = self.place.storage.stat(&key)?;
                let same_size = there.is_some_and(|it| it.size == file.size);
                if same_size && self.check_data && transfer.is_same(&file.path, &key)? {
                    return Ok(false);
                }
                transfer.send(&file.path, &key).map(|()| true)
            }
        }
    }

    /// Everything new is there: what is not part of it goes.
    fn remove_old(&self, keys: &BTreeSet<String>, mut uploaded: Uploaded) -> Result<Uploaded> {
        let root = self.root();
        let manifest = format!("{root}manifest.json");
        let mut old = Vec::new();
        self.place.storage.for_each(&root, |object| {
            if object.key == manifest && !keys.contains(&manifest) {
                uploaded.shared = true;
            } else if !keys.contains(&object.key) {
                old.push(object.key);
            }
            Ok(())
        })?;
        if uploaded.shared {
            return Ok(uploaded);
        }
        if keys.is_empty() {
            uploaded.kept = old.len();
            return Ok(uploaded);
        }
        for key in &old {
            self.host.check_cancelled()?;
            info!("removing {key} of an earlier upload");
            self.place.storage.delete(key)?;
            uploaded.removed += 1;
        }
        Ok(uploaded)
    }
}

/// A directory for files that are encrypted and not uploaded yet. It goes away
/// with this; what a crash leaves goes with the next run.
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn make(host: &Host, working_dir: &Path) -> Result<Self> {
        let directory = working_dir.join(".hayloft-amazons3");
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot use {}", directory.display()));
        remove_tree(&directory).map_err(failed)?;
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
        host.give_to_backup_user(&directory)?;
        Ok(Self { directory })
    }

    /// Runs the command for a file, as the backup user if we are root.
    fn encrypt(
        &self,
        host: &Host,
        settings: &Settings,
        template: &Template,
        (file, thread): (&SourceFile, usize),
    ) -> Result<PathBuf> {
        let context = |e: Error| e.context(format!("cannot encrypt {}", file.path.display()));
        let sealed = self.directory.join(format!("output-{thread}"));
        let link = self.directory.join(format!("input-{thread}"));
        for path in [&sealed, &link] {
            remove_tree(path)?;
        }
        // A name may be no text, or mean something to a shell that the command
        // itself starts.
        let input = if file.path.to_str().is_some_and(is_harmless) {
            &file.path
        } else {
            std::os::unix::fs::symlink(&file.path, &link)?;
            &link
        };
        let (input, output) = (input.to_string_lossy(), sealed.to_string_lossy());
        let mut words = template.command(&input, &output);
        let user = settings.backup_user.as_str();
        if rustix::process::geteuid().is_root() && user != "root" {
            let as_user = ["su", "-s", "/bin/sh", "-c", "exec \"$0\" \"$@\"", user, "--"];
            words.splice(0..0, as_user.map(ToOwned::to_owned));
        }
        let (program, arguments) = words.split_first().ok_or_else(|| Error::msg("no command"))?;
        host.process(program).args(arguments.to_vec()).run().map_err(context)?;
        let made = fs::symlink_metadata(&sealed);
        if made.as_ref().is_ok_and(|it| it.is_file() && it.len() > 0) {
            return Ok(sealed);
        }
        let message = "the command of <encrypt> succeeded, but wrote nothing to ${output}";
        Err(context(Error::new(ErrorKind::OTHER, message)))
    }
}

fn is_harmless(path: &str) -> bool {
    path.bytes().all(|it| it.is_ascii_alphanumeric() || b"/._-+=:@%,".contains(&it))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run removes what stays.
        drop(remove_tree(&self.directory));
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
