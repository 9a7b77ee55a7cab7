//! Where the programs of a version are.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{account::Account, error::ClusterError};
use crate::version::ServerVersion;

/// The programs of one installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    directory: PathBuf,
    version: ServerVersion,
}

impl Programs {
    /// Takes those of a directory, and asks `postgres` for its version.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoProgram`], [`ClusterError::Program`].
    pub fn in_directory(directory: &Path, account: &Account) -> Result<Self, ClusterError> {
        let postgres = directory.join("postgres");
        if !postgres.is_file() {
            return Err(ClusterError::NoProgram { what: postgres.display().to_string() });
        }
        let version = version_of(&postgres, account)?;
        Ok(Self { directory: directory.to_owned(), version })
    }

    /// Finds those of a major version, or the newest ones: in `directory` if
    /// one is given, or else where distributions put them, and in `path`.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoProgram`], [`ClusterError::VersionMismatch`] if those
    /// in `directory` are of another version.
    pub fn find(search: &Search<'_>, account: &Account) -> Result<Self, ClusterError> {
        if let Some(directory) = search.directory {
            let found = Self::in_directory(directory, account)?;
            return match search.version {
                Some(wanted) if wanted.major() != found.version.major() => {
                    Err(ClusterError::VersionMismatch {
                        what: format!("postgres in {}", directory.display()),
                        found: found.version.major_text(),
                        needed: wanted.major_text(),
                    })
                }
                _ => Ok(found),
            };
        }
        let mut best: Option<Self> = None;
        for directory in candidates(search) {
            let Ok(found) = Self::in_directory(&directory, account) else { continue };
            match search.version {
                Some(wanted) if wanted.major() == found.version.major() => return Ok(found),
                None if best.as_ref().is_none_or(|it| it.version < found.version) => {
                    best = Some(found);
                }
                _ => {}
            }
        }
        best.ok_or_else(|| {
            let version = search.version.map(|it| format!(" {}", it.major_text()));
            let version = version.unwrap_or_default();
            ClusterError::NoProgram { what: format!("the programs of PostgreSQL{version}") }
        })
    }

    /// Returns the version, as `postgres --version` says it.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Asks a program for its version; it must be that of `postgres`.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoProgram`], [`ClusterError::VersionMismatch`].
    pub(super) fn version_of(
        &self,
        name: &str,
        account: &Account,
    ) -> Result<ServerVersion, ClusterError> {
        let path = self.path(name);
        if !path.is_file() {
            return Err(ClusterError::NoProgram { what: path.display().to_string() });
        }
        let version = version_of(&path, account)?;
        if version.major() == self.version.major() {
            return Ok(version);
        }
        Err(ClusterError::VersionMismatch {
            what: path.display().to_string(),
            found: version.to_string(),
            needed: self.version.to_string(),
        })
    }

    /// Returns the path of a program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search<'a> {
    /// The only directory that will do.
    pub directory: Option<&'a Path>,
    /// The major version; the newest one if none is given.
    pub version: Option<ServerVersion>,
}

fn candidates(search: &Search<'_>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let homes = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt", "pgsql-")];
    for (parent, prefix) in homes {
        if let Some(version) = search.version {
            all.push(Path::new(parent).join(format!("{prefix}{}/bin", version.major_text())));
            continue;
        }
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let names = entries.map(|it| it.file_name()).filter(|it: &OsString| {
            it.to_str()
                .and_then(|it| it.strip_prefix(prefix))
                .is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
        });
        all.extend(names.map(|it| Path::new(parent).join(it).join("bin")));
    }
    all.push("/usr/local/pgsql/bin".into());
    let path = std::env::var_os("PATH").unwrap_or_default();
    all.extend(std::env::split_paths(&path).filter(|it| it.is_absolute()));
    all.retain(|it| it.join("postgres").is_file());
    all
}

fn version_of(postgres: &Path, account: &Account) -> Result<ServerVersion, ClusterError> {
    let output = account.command(postgres).arg("--version").output();
    let output = output.map_err(ClusterError::io("run", postgres))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ServerVersion::of_program(&text).ok_or_else(|| ClusterError::Program {
        program: format!("{} --version", postgres.display()),
        message: String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        let cases = [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some(150_020)),
            ("postgres (PostgreSQL) 18.4\n", Some(180_004)),
            ("postgres (PostgreSQL) 19beta1\n", Some(190_000)),
            ("initdb (PostgreSQL) 13.23", Some(130_023)),
            ("nothing", None),
        ];
        for (text, number) in cases {
            assert_eq!(
                ServerVersion::of_program(text).map(ServerVersion::number),
                number,
                "{text}"
            );
        }
    }
}
