//! Where plugins are looked for, and in what order.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{problem::Problem, trust::check_directory};

/// The variable that names further directories, separated by colons.
pub const PATH_VARIABLE: &str = "HAYLOFT_PLUGIN_PATH";

/// Where packages put plugins.
const SYSTEM_DIRECTORY: &str = "/usr/lib/hayloft";

/// A file that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// `<plugin><file>`.
    pub path: PathBuf,
    /// `<plugin><sha256>`: the only content that is accepted.
    pub sha256: Option<String>,
}

/// Where to look for plugins. The order is that of the fields; of two plugins
/// with the same id, in two directories, the first is taken.
///
/// [`SearchRules::default`] looks nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRules {
    /// `<plugins><plugin>`: wins over everything else, what is built in too.
    pub files: Vec<Pinned>,
    /// `<plugins><dir>`.
    pub dirs: Vec<PathBuf>,
    /// What [`PATH_VARIABLE`] holds. Directories that others can change are
    /// passed over.
    pub env: Option<OsString>,
    /// The directory of this program. Libraries in it that are no plugins are
    /// passed over silently.
    pub beside: Option<PathBuf>,
    /// Directories where plugins are installed. Those that are not there are
    /// passed over silently.
    pub installed: Vec<PathBuf>,
}

impl SearchRules {
    /// Returns the rules of a running program: what the configuration names,
    /// the environment, beside the executable, `../lib/hayloft` from there, and
    /// `/usr/lib/hayloft`.
    pub fn standard(dirs: Vec<PathBuf>, files: Vec<Pinned>) -> Self {
        let beside = env::current_exe().ok().and_then(|it| it.parent().map(Path::to_owned));
        let mut installed: Vec<PathBuf> =
            beside.iter().map(|it| it.join("../lib/hayloft")).collect();
        installed.push(SYSTEM_DIRECTORY.into());
        Self { files, dirs, env: env::var_os(PATH_VARIABLE), beside, installed }
    }
}

/// What comes first when the same thing is found twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The configuration names the file.
    Configured,
    /// It is part of this program.
    BuiltIn,
    /// It lies in the directory of that number.
    Directory(usize),
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) rank: Rank,
    pub(super) sha256: Option<String>,
    /// Whether it is nothing special if it is no plugin.
    pub(super) may_be_foreign: bool,
}

/// A file or directory in which there is no plugin to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    pub problem: Problem,
    /// Whether the configuration names it: then it is a mistake there.
    pub configured: bool,
}

/// Lists the files to look at, the first to be preferred first.
pub(super) fn candidates(rules: &SearchRules) -> (Vec<Candidate>, Vec<Rejected>) {
    let mut search = Search::default();
    for file in &rules.files {
        search.found.push(Candidate {
            path: file.path.clone(),
            rank: Rank::Configured,
            sha256: file.sha256.clone(),
            may_be_foreign: false,
        });
    }
    for dir in &rules.dirs {
        search.directory(dir, Place::Configured);
    }
    for dir in rules.env.iter().flat_map(env::split_paths).filter(|it| it.is_absolute()) {
        match check_directory(&dir) {
            Ok(()) => search.directory(&dir, Place::Environment),
            Err(problem) => search.reject(dir, problem, false),
        }
    }
    if let Some(dir) = &rules.beside {
        search.directory(dir, Place::Beside);
    }
    for dir in &rules.installed {
        search.directory(dir, Place::Installed);
    }
    (search.found, search.rejected)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Configured,
    Environment,
    Beside,
    Installed,
}

#[derive(Default)]
struct Search {
    found: Vec<Candidate>,
    rejected: Vec<Rejected>,
    directories: usize,
}

impl Search {
    fn directory(&mut self, dir: &Path, place: Place) {
        let rank = Rank::Directory(self.directories);
        self.directories += 1;
        match libraries(dir) {
            Ok(paths) => self.found.extend(paths.into_iter().map(|path| Candidate {
                path,
                rank,
                sha256: None,
                may_be_foreign: place == Place::Beside,
            })),
            Err(e) if e.kind() == io::ErrorKind::NotFound && place == Place::Installed => {}
            Err(e) => {
                let problem = Problem::Unreadable(e.to_string());
                self.reject(dir.to_owned(), problem, place == Place::Configured);
            }
        }
    }

    fn reject(&mut self, path: PathBuf, problem: Problem, configured: bool) {
        self.rejected.push(Rejected { path, problem, configured });
    }
}

/// Lists what is called `*.so`, in the order of the names.
fn libraries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "so") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_the_rules_and_then_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        let dir = |name: &str, files: &[&str]| {
            let dir = root.path().join(name);
            fs::create_dir(&dir).unwrap();
            for file in files {
                fs::write(dir.join(file), "").unwrap();
            }
            dir
        };
        let rules = SearchRules {
            files: vec![Pinned { path: "/x/explicit.so".into(), sha256: None }],
            dirs: vec![dir("configured", &["b.so", "a.so", "readme.txt"])],
            env: Some(dir("env", &["c.so"]).into()),
            beside: Some(dir("beside", &["d.so"])),
            installed: vec![dir("installed", &["e.so"]), root.path().join("gone")],
        };
        let (found, rejected) = candidates(&rules);
        let names: Vec<_> = found.iter().filter_map(|it| it.path.file_name()).collect();
        assert_eq!(names, ["explicit.so", "a.so", "b.so", "c.so", "d.so", "e.so"]);
        assert!(found.is_sorted_by_key(|it| it.rank));
        assert_eq!(rejected, []);
    }

    #[test]
    fn a_configured_directory_that_is_not_there_is_reported() {
        let rules = SearchRules { dirs: vec!["/nonexistent/dir".into()], ..Default::default() };
        let (_, rejected) = candidates(&rules);
        assert_eq!(
            rejected[0].problem.to_string(),
            "it cannot be read: No such file or directory (os error 2)"
        );
        assert!(rejected[0].configured);
    }

    #[test]
    fn a_directory_of_the_environment_that_others_can_change_is_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.so"), "").unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let rules = SearchRules { env: Some(root.path().into()), ..Default::default() };
        let (found, rejected) = candidates(&rules);
        assert_eq!(found, []);
        assert!(matches!(rejected[0].problem, Problem::Untrusted(_)), "{rejected:?}");
    }
}
