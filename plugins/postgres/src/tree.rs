//! Files that include one another: the reading of them, and the rules for
//! names that `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf` share.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// How deep files may include one another.
pub(crate) const DEEPEST: usize = 10;

/// Larger than any file of this kind, in bytes.
const LARGEST: u64 = 256 << 20;

/// Where files are read from.
pub trait Tree: fmt::Debug {
    /// Returns the content of a file.
    ///
    /// # Errors
    ///
    /// As the system has it.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// Returns the names in a directory that are no directories themselves,
    /// in any order.
    ///
    /// # Errors
    ///
    /// As the system has it.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

/// The files of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Tree for Disk {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // A pipe must not make us wait, nor a device go on for ever.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = fs::File::options().read(true).custom_flags(flags).open(file)?;
        if file.take(LARGEST + 1).read_to_end(&mut content)? as u64 > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(content)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Links are followed; what leads nowhere is found when it is read.
            if !fs::metadata(entry.path()).is_ok_and(|it| it.is_dir()) {
                names.push(entry.file_name());
            }
        }
        Ok(names)
    }
}

/// Files of which some have another content than the system's: what they
/// would be after an edit.
#[derive(Debug)]
pub struct Overlay<'a> {
    below: &'a dyn Tree,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl<'a> Overlay<'a> {
    /// Begins with the files of `below` as they are.
    pub fn new(below: &'a dyn Tree) -> Self {
        Self { below, files: BTreeMap::new() }
    }

    /// Gives a file another content. Its directory need not be there.
    #[must_use]
    pub fn with(mut self, file: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(file.into(), content.into());
        self
    }

    /// A file may be known under several names.
    fn find(&self, file: &Path) -> Option<&Vec<u8>> {
        self.files.get(file).or_else(|| self.files.get(&file.canonicalize().ok()?))
    }
}

impl Tree for Overlay<'_> {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.find(file).map_or_else(|| self.below.read(file), |it| Ok(it.clone()))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let here = self.files.keys().filter(|it| it.parent() == Some(directory));
        let mut names: Vec<_> = here.filter_map(|it| it.file_name()).map(OsStr::to_owned).collect();
        match self.below.list(directory) {
            Ok(others) => names.extend(others),
            Err(error) if names.is_empty() => return Err(error),
            Err(_) => {}
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// No files at all; what an [`Overlay`] for tests or for texts that never
/// were files is put upon.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Tree for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::from_raw_os_error(2))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::Error::from_raw_os_error(2))
    }
}

/// Returns the file that a name in `from` means: relative to the directory of
/// that file, tidied as the server tidies it (by its text; links are not
/// looked at).
pub(crate) fn resolve(name: &[u8], from: &Path) -> PathBuf {
    let name = Path::new(OsStr::from_bytes(name));
    if name.is_absolute() {
        return name.to_owned();
    }
    let joined = from.parent().unwrap_or(Path::new("")).join(name);
    tidy(&joined)
}

fn tidy(path: &Path) -> PathBuf {
    let absolute = path.is_absolute();
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.as_os_str().as_bytes().split(|it| *it == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|it| *it != b"..") => {
                parts.pop();
            }
            b".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let mut bytes = if absolute { b"/".to_vec() } else { Vec::new() };
    bytes.extend(parts.join(&b'/'));
    if bytes.is_empty() {
        bytes.push(b'.');
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Returns the files that `include_dir` takes, in its order.
pub(crate) fn files_in(directory: &Path, tree: &dyn Tree) -> io::Result<Vec<PathBuf>> {
    let taken = |name: &OsString| {
        let name = name.as_bytes();
        name.len() >= 6 && !name.starts_with(b".") && name.ends_with(b".conf")
    };
    let names = tree.list(directory)?.into_iter().filter(taken);
    let mut files: Vec<_> = names.map(|it| tidy(&directory.join(it))).collect();
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(files)
}

/// The system's words for an error, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_file_that_includes() {
        let cases = [
            ("a.conf", "/etc/x/a.conf"),
            ("../a", "/etc/a"),
            ("./b//c/", "/etc/x/b/c"),
            ("../../../../a", "/a"),
            ("/x/../y", "/x/../y"),
        ];
        for (name, path) in cases {
            assert_eq!(
                resolve(name.as_bytes(), Path::new("/etc/x/main")),
                Path::new(path),
                "{name}"
            );
        }
        assert_eq!(resolve(b"../a", Path::new("x/main")), Path::new("a"));
        assert_eq!(resolve(b"../a", Path::new("main")), Path::new("../a"));
    }

    #[test]
    fn a_directory_gives_its_conf_files_in_byte_order() {
        let home = tempfile::tempdir().unwrap();
        for name in
            ["10.conf", "9.conf", "A.conf", ".h.conf", "x.conf~", "b.CONF", ".conf", "é.conf"]
        {
            fs::write(home.path().join(name), "").unwrap();
        }
        fs::create_dir(home.path().join("d.conf")).unwrap();
        let files = files_in(home.path(), &Disk).unwrap();
        let names: Vec<_> =
            files.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["10.conf", "9.conf", "A.conf", "é.conf"]);
    }

    #[test]
    fn what_is_no_file_does_not_make_anybody_wait() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(Disk.read(&pipe).unwrap(), b"");
        let error = Disk.read(home.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = Disk.read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn an_overlay_hides_what_is_on_the_disk() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        let overlay = Overlay::new(&Disk).with(&path, "new").with(home.path().join("b.conf"), "b");
        assert_eq!(overlay.read(&path).unwrap(), b"new");
        assert_eq!(files_in(home.path(), &overlay).unwrap().len(), 2);
    }
}
