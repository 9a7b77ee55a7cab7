//! Which installation's programs are used.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use hayloft_plugin_api::{Error, ErrorKind, Node};

/// Where distributions install the programs of each major version.
const PLACES: &[(&str, &str)] = &[("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// Chooses between the programs in `$PATH` and those of other versions.
///
/// Those in `$PATH` are taken as long as they do. If there are none, or if
/// they are older than the server, which they refuse then, others are looked
/// for where distributions install them. What `<override>` names is never
/// replaced.
#[derive(Debug)]
pub(crate) struct Programs {
    overridden: Vec<String>,
    installed: Vec<(u32, PathBuf)>,
    chosen: Mutex<Option<PathBuf>>,
}

impl Programs {
    /// Looks at the overrides in the configuration, and at what is installed.
    pub(crate) fn new(document: &Node) -> Self {
        let options = document.child("options");
        let overrides = options.into_iter().flat_map(|it| it.children_named("override"));
        let commands = overrides.filter_map(|it| it.child("command"));
        let installed = PLACES.iter().flat_map(|(place, prefix)| versions(place, prefix));
        Self {
            overridden: commands.map(|it| it.first_text.trim().to_owned()).collect(),
            installed: installed.collect(),
            chosen: Mutex::new(None),
        }
    }

    /// Returns the name or path by which to start `program`.
    pub(crate) fn locate(&self, program: &str) -> String {
        if self.is_overridden(program) {
            return program.to_owned();
        }
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*chosen {
            Some(directory) => directory.join(program).to_string_lossy().into_owned(),
            None => program.to_owned(),
        }
    }

    fn is_overridden(&self, program: &str) -> bool {
        self.overridden.iter().any(|it| it == program)
    }

    /// Changes to an installation that has `program` and can dump a server of
    /// version `server`: of the same one or, if there is none, the newest.
    /// Returns whether that is another than `tried`.
    pub(crate) fn change(&self, program: &str, tried: &str, server: Option<u32>) -> bool {
        if self.is_overridden(program) {
            return false;
        }
        let Some(directory) = choose(&self.installed, server, program) else { return false };
        let other = directory.join(program).to_string_lossy() != *tried;
        if other {
            tracing::debug!("using the programs in {}", directory.display());
            let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
            *chosen = Some(directory.to_owned());
        }
        other
    }
}

fn choose<'a>(
    installed: &'a [(u32, PathBuf)],
    server: Option<u32>,
    program: &str,
) -> Option<&'a Path> {
    let able = installed.iter().filter(|(version, directory)| {
        server.is_none_or(|server| *version >= server) && directory.join(program).is_file()
    });
    let best = able.max_by_key(|(version, _)| (Some(*version) == server, *version));
    best.map(|(_, directory)| directory.as_path())
}

fn versions(place: &str, prefix: &str) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect()
}

/// Says what to do about a program that could not be started.
pub(crate) fn missing(program: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::NOT_FOUND {
        return error;
    }
    error.hint(format!(
        "install PostgreSQL's client programs, on Debian with `apt-get install postgresql-client`, \
         or give the path of {program} with <override> in <options>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_version_is_taken_before_a_newer_one() {
        let root = tempfile::tempdir().unwrap();
        let installed: Vec<_> = [13, 15, 17]
            .map(|version: u32| {
                let bin = root.path().join(version.to_string()).join("bin");
                fs::create_dir_all(&bin).unwrap();
                fs::write(bin.join("pg_dump"), "").unwrap();
                (version, bin)
            })
            .into();
        let chosen = |server| {
            choose(&installed, server, "pg_dump").map(|it| it.parent().unwrap().to_owned())
        };
        let place = |version: &str| Some(root.path().join(version));
        assert_eq!(chosen(Some(15)), place("15"));
        assert_eq!(chosen(Some(16)), place("17"));
        assert_eq!(chosen(Some(18)), None);
        assert_eq!(chosen(None), place("17"));
        assert_eq!(choose(&installed, None, "pg_dumpall"), None);
    }
}
