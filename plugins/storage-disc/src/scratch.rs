//! Temporary files and directories, and the removal of those that a killed
//! run has left.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use hayloft_plugin_api::{Error, Result};
use rustix::process::{Pid, test_kill_process};
use tracing::{info, warn};

const PREFIX: &str = ".hayloft-disc-";

/// What a temporary thing is, which decides how it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// An image.
    Image,
    /// A directory that something is mounted at.
    Mount,
    /// A directory with copies or links in it.
    Tree,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Image, Self::Mount, Self::Tree];

    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Mount => "mount",
            Self::Tree => "tree",
        }
    }
}

/// Something temporary; it is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    shape: Shape,
}

impl Scratch {
    /// Creates an empty file for an image, readable by nobody else.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn image(directory: &Path) -> Result<Self> {
        Self::create(directory, Shape::Image)
    }

    /// Creates a directory to mount a disc at.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn mount_point(directory: &Path) -> Result<Self> {
        Self::create(directory, Shape::Mount)
    }

    /// Creates a directory for copies or links.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn tree(directory: &Path) -> Result<Self> {
        Self::create(directory, Shape::Tree)
    }

    fn create(directory: &Path, shape: Shape) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{}-{count}", shape.name(), std::process::id());
            let path = directory.join(name);
            let made = match shape {
                Shape::Image => {
                    let mut options = OpenOptions::new();
                    options.write(true).create_new(true).mode(0o600).open(&path).map(drop)
                }
                Shape::Mount | Shape::Tree => fs::create_dir(&path)
                    .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700))),
            };
            match made {
                Ok(()) => return Ok(Self { path, shape }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let message = format!("cannot create {}", path.display());
                    return Err(Error::from(error).context(message));
                }
            }
        }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps it: it has got another name meanwhile.
    pub fn release(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = remove(&self.path, self.shape) {
            warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn remove(path: &Path, shape: Shape) -> io::Result<()> {
    match shape {
        Shape::Image => absent_is_fine(fs::remove_file(path)),
        // Never into something that is mounted: it could be writable.
        Shape::Mount if is_mounted(path) => Err(io::Error::other("something is mounted there")),
        Shape::Mount | Shape::Tree => remove_tree(path),
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a directory. What was copied from a disc cannot be written, so that
/// its directories have to be opened first.
fn remove_tree(directory: &Path) -> io::Result<()> {
    let metadata = match directory.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.is_dir() {
        return fs::remove_file(directory);
    }
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        remove_tree(&entry?.path())?;
    }
    fs::remove_dir(directory)
}

/// Tells whether something is mounted at a place, or may be.
pub fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| path.symlink_metadata().map(|it| it.dev());
    let above = path.parent().map_or_else(|| device(path), device);
    match (device(path), above) {
        (Ok(here), Ok(above)) => here != above,
        (Err(error), _) => error.kind() != io::ErrorKind::NotFound,
        (_, Err(_)) => true,
    }
}

/// Removes what runs have left in a directory that are not there any more.
/// `unmount` is called for what is still mounted.
pub fn sweep(directory: &Path, unmount: impl Fn(&Path)) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Some((shape, process)) = parse(&entry.file_name()) else { continue };
        if is_alive(process) {
            continue;
        }
        let path = entry.path();
        if shape == Shape::Mount && is_mounted(&path) {
            unmount(&path);
        }
        match remove(&path, shape) {
            Ok(()) => info!("removed {}, left by a run that was killed", path.display()),
            Err(error) => warn!("cannot remove {}: {error}", path.display()),
        }
    }
}

/// Tells whether a path was left by a run that is not there any more.
pub fn is_abandoned(path: &Path) -> bool {
    path.file_name().and_then(parse).is_some_and(|(_, process)| !is_alive(process))
}

fn parse(name: &OsStr) -> Option<(Shape, i32)> {
    let (shape, rest) = name.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
    let shape = Shape::ALL.into_iter().find(|it| it.name() == shape)?;
    let (process, _) = rest.split_once('-')?;
    Some((shape, process.parse().ok()?))
}

/// Tells whether a process is at work that may have made such things: it runs
/// this program, and has not ended without anybody taking notice.
fn is_alive(process: i32) -> bool {
    if u32::try_from(process) == Ok(std::process::id()) {
        return true;
    }
    let about = PathBuf::from(format!("/proc/{process}"));
    let Ok(stat) = fs::read(about.join("stat")) else {
        let Some(process) = Pid::from_raw(process) else { return false };
        return !matches!(test_kill_process(process), Err(rustix::io::Errno::SRCH));
    };
    // The state follows the name, which is in parentheses and may have some.
    let state = stat.iter().rposition(|it| *it == b')').and_then(|at| stat.get(at + 2));
    let program = |about: &Path| fs::read_link(about.join("exe"));
    let other = match (program(&about), program(Path::new("/proc/self"))) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        // It belongs to somebody else.
        _ => false,
    };
    !matches!(state, Some(b'Z' | b'X')) && !other
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_temporary_vanishes_whatever_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let image = Scratch::image(directory.path()).unwrap();
        assert_eq!(image.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let tree = Scratch::tree(directory.path()).unwrap();
        fs::create_dir(tree.path().join("a")).unwrap();
        fs::write(tree.path().join("a/b"), "x").unwrap();
        fs::set_permissions(tree.path().join("a"), Permissions::from_mode(0o500)).unwrap();
        let mount = Scratch::mount_point(directory.path()).unwrap();
        assert_eq!(names(directory.path()).len(), 3);
        drop((image, tree, mount));
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_sweep_removes_what_the_dead_have_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        // Nobody has taken notice yet: it is a zombie, or another program.
        thread::sleep(Duration::from_millis(50));
        let at = |name: String| directory.path().join(name);
        fs::write(at(format!("{PREFIX}image-{dead}-0")), "half an image").unwrap();
        fs::create_dir_all(at(format!("{PREFIX}tree-{dead}-1/x/y"))).unwrap();
        fs::create_dir(at(format!("{PREFIX}mount-{dead}-2"))).unwrap();
        fs::write(at(format!("{PREFIX}image-{}-9", std::process::id())), "").unwrap();
        let others = [format!("{PREFIX}image-x-0"), format!("{PREFIX}other-{dead}-0"), "a".into()];
        for other in others {
            fs::write(at(other), "").unwrap();
        }
        sweep(directory.path(), |_| panic!("nothing is mounted"));
        let left = names(directory.path());
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(left.iter().all(|it| !it.contains(&format!("-{dead}-")) || it.contains("other")));
        child.wait().unwrap();
        assert!(!is_alive(i32::try_from(dead).unwrap()));
        assert!(is_alive(i32::try_from(std::process::id()).unwrap()));
    }
}
