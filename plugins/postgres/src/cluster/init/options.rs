//! What a new cluster is to be like.

use std::path::PathBuf;

use super::ClusterError;
use crate::{conninfo::Secret, version::ServerVersion};

/// Who compares texts in the new cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU; 15 and later, if built with it.
    Icu,
    /// PostgreSQL itself; 17 and later.
    Builtin,
}

/// What a new cluster is to be like; nothing given is `initdb`'s default, but
/// for the authentication, which is never trust unless said so: `peer` on the
/// socket and `scram-sha-256` elsewhere.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of `initdb` by itself")]
pub struct InitOptions {
    /// Where the programs are.
    pub programs: Option<PathBuf>,
    /// The major version; the newest one that is installed if not given.
    pub version: Option<ServerVersion>,
    /// Whom the cluster is to belong to; for root only. If not given, the
    /// owner of the empty directory that is there, or `postgres`.
    pub owner: Option<String>,
    /// The name of the first role; the owner's if not given.
    pub superuser: Option<String>,
    /// That role's password.
    pub password: Option<Secret>,
    /// How the socket asks who somebody is.
    pub auth_local: Option<String>,
    /// How TCP asks.
    pub auth_host: Option<String>,
    /// The encoding of databases, such as `UTF8`.
    pub encoding: Option<String>,
    /// The locale for everything.
    pub locale: Option<String>,
    /// Locales for parts: the part (`collate`, `ctype`, `messages`,
    /// `monetary`, `numeric`, `time`) and the locale.
    pub locales: Vec<(String, String)>,
    /// Who compares texts.
    pub provider: Option<LocaleProvider>,
    /// The locale for ICU; 15 and later.
    pub icu_locale: Option<String>,
    /// Rules for ICU; 16 and later.
    pub icu_rules: Option<String>,
    /// The locale for PostgreSQL's own provider: `C`, `C.UTF-8`, and from 18
    /// on `PG_UNICODE_FAST`.
    pub builtin_locale: Option<String>,
    /// Whether pages have checksums; 18 and later have them unless told not to.
    pub checksums: Option<bool>,
    /// Megabytes in a WAL segment: a power of two from 1 to 1024.
    pub wal_segment_size: Option<u32>,
    /// Another directory for WAL, absolute; empty or not there.
    pub wal_directory: Option<PathBuf>,
    /// Whether the owner's group may read everything (for backups).
    pub group_access: bool,
    /// Settings for a file of our own, `conf.d/00-hayloft.conf`.
    pub settings: Vec<(String, String)>,
    /// The default configuration of text search.
    pub text_search: Option<String>,
    /// Not to force anything to the disk; for scratch clusters only.
    pub no_sync: bool,
    /// `fsync` or `syncfs`; 17 and later.
    pub sync_method: Option<String>,
    /// Not to force data files to the disk; 18 and later.
    pub no_sync_data_files: bool,
    /// Where `initdb` finds its input files.
    pub input: Option<PathBuf>,
    /// Whether `initdb` and the servers that it starts say much of what they
    /// do.
    pub debug: bool,
    /// Whether these servers discard their caches all the time, which finds
    /// mistakes of PostgreSQL itself, slowly; 14 and later.
    pub discard_caches: bool,
    /// Whether a directory that could not be finished stays, to be looked at,
    /// until the next cluster of the same name is made.
    pub no_clean: bool,
}

const LOCAL: [&str; 9] =
    ["trust", "reject", "scram-sha-256", "md5", "password", "peer", "radius", "pam", "bsd"];
const HOST: [&str; 11] = [
    "trust",
    "reject",
    "scram-sha-256",
    "md5",
    "password",
    "ident",
    "radius",
    "pam",
    "gss",
    "sspi",
    "cert",
];
/// Methods that only some builds have, of both lists.
const BOTH: &str = "ldap";
const WITH_PASSWORD: [&str; 3] = ["scram-sha-256", "md5", "password"];
const PARTS: [&str; 6] = ["collate", "ctype", "messages", "monetary", "numeric", "time"];

fn bad(problem: impl Into<String>) -> ClusterError {
    ClusterError::BadOption { problem: problem.into(), by_version: false }
}

impl InitOptions {
    /// Returns how the socket asks who somebody is.
    pub fn local_method(&self) -> &str {
        self.auth_local.as_deref().unwrap_or("peer")
    }

    /// Returns how TCP asks who somebody is.
    pub fn host_method(&self) -> &str {
        self.auth_host.as_deref().unwrap_or("scram-sha-256")
    }

    /// Returns the arguments for the `initdb` of a version, without directory
    /// and password.
    ///
    /// # Errors
    ///
    /// [`ClusterError::BadOption`] for what makes no sense, and for what this
    /// version does not have.
    pub fn arguments(&self, version: ServerVersion) -> Result<Vec<String>, ClusterError> {
        self.check_version(version)?;
        self.check_roles()?;
        self.check_locales(version)?;
        let mut all = vec![
            format!("--auth-local={}", self.local_method()),
            format!("--auth-host={}", self.host_method()),
        ];
        let mut put = |option: &str, value: Option<&String>| {
            all.extend(value.map(|it| format!("--{option}={it}")));
        };
        put("username", self.superuser.as_ref());
        put("encoding", self.encoding.as_ref());
        put("locale", self.locale.as_ref());
        for (part, locale) in &self.locales {
            put(&format!("lc-{part}"), Some(locale));
        }
        put("icu-locale", self.icu_locale.as_ref());
        put("icu-rules", self.icu_rules.as_ref());
        put("builtin-locale", self.builtin_locale.as_ref());
        put("text-search-config", self.text_search.as_ref());
        put("sync-method", self.sync_method.as_ref());
        put("wal-segsize", self.wal_segment_size.map(|it| it.to_string()).as_ref());
        put("waldir", path(self.wal_directory.as_ref())?.as_ref());
        if let Some(input) = path(self.input.as_ref())? {
            all.extend(["-L".to_owned(), input]);
        }
        let provider = self.provider.map(|it| match it {
            LocaleProvider::Libc => "libc",
            LocaleProvider::Icu => "icu",
            LocaleProvider::Builtin => "builtin",
        });
        all.extend(provider.map(|it| format!("--locale-provider={it}")));
        all.extend(self.flags(version).map(ToOwned::to_owned));
        Ok(all)
    }

    /// Options without a value.
    fn flags(&self, version: ServerVersion) -> impl Iterator<Item = &'static str> {
        let flags = [
            (self.checksums == Some(true), "--data-checksums"),
            (self.checksums == Some(false) && version.major() >= 18, "--no-data-checksums"),
            (self.group_access, "--allow-group-access"),
            (self.no_sync, "--no-sync"),
            (self.no_sync_data_files, "--no-sync-data-files"),
            (self.debug, "--debug"),
            (self.discard_caches, "--discard-caches"),
            (self.no_clean, "--no-clean"),
            (version.major() >= 14, "--no-instructions"),
        ];
        flags.into_iter().filter(|it| it.0).map(|it| it.1)
    }

    fn check_version(&self, version: ServerVersion) -> Result<(), ClusterError> {
        let builtin =
            self.builtin_locale.is_some() || self.provider == Some(LocaleProvider::Builtin);
        let fast = self.builtin_locale.as_deref() == Some("PG_UNICODE_FAST");
        let needs = [
            ("a locale provider", 15, self.provider.is_some()),
            ("an ICU locale", 15, self.icu_locale.is_some()),
            ("rules for ICU", 16, self.icu_rules.is_some()),
            ("the builtin locale provider", 17, builtin),
            ("the builtin locale PG_UNICODE_FAST", 18, fast),
            ("a method to sync", 17, self.sync_method.is_some()),
            ("to leave data files unsynced", 18, self.no_sync_data_files),
            ("to discard caches", 14, self.discard_caches),
        ];
        match needs.iter().find(|(_, since, asked)| *asked && version.major() < *since) {
            None => Ok(()),
            Some((what, since, _)) => Err(ClusterError::BadOption {
                problem: format!(
                    "{what} can be chosen from PostgreSQL {since} on, and this is {version}"
                ),
                by_version: true,
            }),
        }
    }

    fn check_roles(&self) -> Result<(), ClusterError> {
        if let Some(name) = &self.superuser
            && (name.is_empty() || name.starts_with("pg_") || name.contains('\0'))
        {
            return Err(bad(format!("`{name}` cannot be the name of a superuser")));
        }
        let (local, host) = (self.local_method(), self.host_method());
        if local != BOTH && !LOCAL.contains(&local) {
            return Err(bad(format!("`{local}` is no way to authenticate on a socket")));
        }
        if host != BOTH && !HOST.contains(&host) {
            return Err(bad(format!("`{host}` is no way to authenticate over TCP")));
        }
        match self.password.as_ref().map(Secret::expose) {
            Some("") => Err(bad("the password is empty")),
            Some(it) if it.contains(['\n', '\r', '\0']) => {
                Err(bad("the password holds a line end or a zero byte"))
            }
            None if WITH_PASSWORD.contains(&local) && WITH_PASSWORD.contains(&host) => {
                Err(bad("a password is needed: nobody could log in otherwise"))
            }
            _ => Ok(()),
        }
    }

    fn check_locales(&self, version: ServerVersion) -> Result<(), ClusterError> {
        if let Some((part, _)) = self.locales.iter().find(|it| !PARTS.contains(&&*it.0)) {
            return Err(bad(format!("`{part}` is no part of a locale")));
        }
        let icu = self.provider == Some(LocaleProvider::Icu);
        if !icu && (self.icu_locale.is_some() || self.icu_rules.is_some()) {
            return Err(bad("an ICU locale or rules need the provider icu"));
        }
        if icu && version.major() == 15 && self.icu_locale.is_none() {
            return Err(bad("PostgreSQL 15 needs an ICU locale for the provider icu"));
        }
        if icu && self.encoding.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("SQL_ASCII")) {
            return Err(bad("ICU cannot be used with the encoding SQL_ASCII"));
        }
        if self.builtin_locale.is_some() && self.provider != Some(LocaleProvider::Builtin) {
            return Err(bad("a builtin locale needs the provider builtin"));
        }
        if let Some(it) = &self.builtin_locale
            && !["C", "C.UTF-8", "C.UTF8", "PG_UNICODE_FAST"].contains(&it.as_str())
        {
            return Err(bad(format!("`{it}` is no builtin locale")));
        }
        if let Some(size) = self.wal_segment_size
            && !(size.is_power_of_two() && size <= 1024)
        {
            return Err(bad(format!("a WAL segment cannot have {size} MB: 1, 2, 4, … 1024")));
        }
        if let Some(method) = &self.sync_method
            && !["fsync", "syncfs"].contains(&method.as_str())
        {
            return Err(bad(format!("`{method}` is no method to sync: fsync or syncfs")));
        }
        if self.wal_directory.as_ref().is_some_and(|it| !it.is_absolute()) {
            return Err(bad("the directory for WAL must be given with its whole path"));
        }
        Ok(())
    }
}

fn path(path: Option<&PathBuf>) -> Result<Option<String>, ClusterError> {
    let Some(path) = path else { return Ok(None) };
    match path.to_str() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(bad(format!("the path {} is no UTF-8", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_options() {
        type Change = fn(&mut InitOptions);
        let cases: [(&str, Change, u32); 9] = [
            (
                "icu",
                |it| {
                    it.provider = Some(LocaleProvider::Icu);
                    it.icu_locale = Some("de".into());
                },
                15,
            ),
            (
                "rules",
                |it| {
                    it.provider = Some(LocaleProvider::Icu);
                    it.icu_locale = Some("de".into());
                    it.icu_rules = Some("&a < b".into());
                },
                16,
            ),
            (
                "builtin",
                |it| {
                    it.provider = Some(LocaleProvider::Builtin);
                    it.builtin_locale = Some("C".into());
                },
                17,
            ),
            (
                "fast",
                |it| {
                    it.provider = Some(LocaleProvider::Builtin);
                    it.builtin_locale = Some("PG_UNICODE_FAST".into());
                },
                18,
            ),
            ("sync", |it| it.sync_method = Some("syncfs".into()), 17),
            ("data files", |it| it.no_sync_data_files = true, 18),
            ("caches", |it| it.discard_caches = true, 14),
            ("debug", |it| it.debug = true, 13),
            ("clean", |it| it.no_clean = true, 13),
        ];
        for (what, change, since) in cases {
            for major in 13..=18 {
                let mut options = InitOptions::default();
                change(&mut options);
                let result = options.arguments(ServerVersion::from_major(major));
                assert_eq!(result.is_ok(), major >= since, "{what} {major}: {result:?}");
            }
        }
    }

    #[test]
    fn nobody_is_trusted_unless_it_is_said() {
        for major in 13..=18 {
            let version = ServerVersion::from_major(major);
            let all = InitOptions::default().arguments(version).unwrap();
            assert_eq!(all[..2], ["--auth-local=peer", "--auth-host=scram-sha-256"]);
            assert!(!all.iter().any(|it| it.contains("trust")));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        type Change = fn(&mut InitOptions);
        let cases: [Change; 12] = [
            |it| it.superuser = Some("pg_x".into()),
            |it| it.superuser = Some(String::new()),
            |it| it.auth_local = Some("ident".into()),
            |it| it.auth_host = Some("peer".into()),
            |it| it.auth_local = Some("md5".into()),
            |it| it.password = Some(Secret::new("")),
            |it| it.password = Some(Secret::new("a\nb")),
            |it| it.wal_segment_size = Some(3),
            |it| it.wal_segment_size = Some(0),
            |it| it.wal_directory = Some("wal".into()),
            |it| it.locales = vec![("x".into(), "C".into())],
            |it| it.provider = Some(LocaleProvider::Icu),
        ];
        for (at, change) in cases.iter().enumerate() {
            let mut options = InitOptions::default();
            change(&mut options);
            assert!(options.arguments(ServerVersion::from_major(15)).is_err(), "case {at}");
        }
    }
}
