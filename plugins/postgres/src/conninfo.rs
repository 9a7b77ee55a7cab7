//! Connection strings, as libpq reads them.
//!
//! A [`Conninfo`] is what was written: keywords and values, out of
//! `host=a user=b` or `postgresql://b@a/`. [`Conninfo::resolve`] adds what libpq
//! adds (the service file, the environment, the password file, the defaults)
//! and gives a [`Target`]: everything that is needed to connect, typed.
//!
//! ```
//! use hayloft_postgres::conninfo::{Conninfo, Environment};
//!
//! let conninfo: Conninfo = "postgresql://ann:s3cret@a,b:5433/shop?sslmode=require".parse()?;
//! assert_eq!(conninfo.get("host"), Some("a,b"));
//! assert_eq!(conninfo.to_string(), "dbname=shop host=a,b password=*** port=,5433 sslmode=require user=ann");
//!
//! let target = conninfo.resolve(&Environment::empty())?;
//! assert_eq!(target.hosts[1].port, 5433);
//! # Ok::<(), hayloft_postgres::conninfo::ConninfoError>(())
//! ```
//!
//! What is secret (`password`, `sslpassword` and a few others) is in no
//! message, and in no `Debug` or `Display` output; [`Conninfo::expose`] is the
//! one way to get it.
//!
//! The grammar is that of libpq 13 to 18, whose keywords are all known; tests
//! compare with the libpq of the system. It differs on purpose in three
//! things: GSSAPI, SSPI and OAuth are not spoken; service definitions
//! in LDAP are not looked up; and a value that libpq would only refuse when
//! connecting is refused by [`Conninfo::resolve`].

mod environment;
mod error;
mod keyword;
mod passfile;
mod resolve;
mod secret;
mod service;
mod target;
mod tls;
mod uri;
mod words;

use std::{collections::BTreeMap, fmt, str::FromStr};

pub use self::{
    environment::Environment,
    error::ConninfoError,
    keyword::{KEYWORDS, Keyword},
    passfile::{PassfileProblem, password_from_file},
    secret::Secret,
    target::{
        Address, ChannelBinding, HostTarget, Keepalives, NumericAddress, RequireAuth, SessionAttrs,
        Target,
    },
    tls::{RootCertificates, SslMode, SslNegotiation, TlsTarget, TlsVersion},
};

/// A connection string, taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Conninfo {
    values: BTreeMap<&'static str, String>,
}

impl Conninfo {
    /// Returns one with nothing in it: everything is a default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of a keyword, secret or not.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword).map(String::as_str)
    }

    /// Sets a value; it replaces what was there.
    ///
    /// # Errors
    ///
    /// [`ConninfoError::UnknownKeyword`].
    pub fn set(
        &mut self,
        keyword: &str,
        value: impl Into<String>,
    ) -> Result<&mut Self, ConninfoError> {
        let value = value.into();
        // `requiressl` is from before 8.0; libpq still takes it.
        let (keyword, value) = match (keyword, value.starts_with('1')) {
            ("requiressl", true) => ("sslmode", "require".to_owned()),
            ("requiressl", false) => ("sslmode", "prefer".to_owned()),
            _ => (keyword, value),
        };
        let known = keyword::find(keyword).ok_or_else(|| ConninfoError::unknown(keyword))?;
        self.values.insert(known.name, value);
        Ok(self)
    }

    /// Sets a value unless there is one.
    ///
    /// # Errors
    ///
    /// As [`Conninfo::set`].
    pub fn set_default(
        &mut self,
        keyword: &str,
        value: impl Into<String>,
    ) -> Result<&mut Self, ConninfoError> {
        if self.get(keyword).is_none() { self.set(keyword, value) } else { Ok(self) }
    }

    /// Removes a value.
    pub fn unset(&mut self, keyword: &str) -> &mut Self {
        self.values.remove(keyword);
        self
    }

    /// Returns keywords and values in the order of the keywords' names,
    /// secrets included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Tells whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the connection string with its secrets, for a program of
    /// PostgreSQL. Never put it into an argument: other users see those.
    pub fn expose(&self) -> Secret {
        let words = self.iter().map(|(name, value)| format!("{name}={}", words::quote(value)));
        Secret::new(words.collect::<Vec<_>>().join(" "))
    }

    /// Returns the same without anything secret: for arguments of programs
    /// that get the password in another way.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let open = |name: &&str| !keyword::find(name).is_some_and(|it| it.secret);
        let values = self.values.iter().filter(|(name, _)| open(name));
        Self { values: values.map(|(name, value)| (*name, value.clone())).collect() }
    }

    /// Returns it as programs of PostgreSQL should get it: with a name that
    /// they have in the server's lists, and with an empty search path, so that
    /// nobody's functions are called by accident; each unless it is there
    /// already.
    #[must_use]
    pub fn for_programs(&self, application_name: &str) -> Self {
        let mut all = self.clone();
        all.values.entry("application_name").or_insert_with(|| application_name.to_owned());
        all.values.entry("options").or_insert_with(|| "-csearch_path=".to_owned());
        all
    }

    /// Returns it for a connection of physical replication. The database
    /// is called `replication`, which password files know; dates come in ISO
    /// form unless there are options already.
    #[must_use]
    pub fn for_streaming(&self) -> Self {
        let mut all = self.clone();
        all.values.insert("dbname", "replication".to_owned());
        all.values.insert("replication", "true".to_owned());
        all.values.entry("options").or_insert_with(|| "-cdatestyle=iso".to_owned());
        all
    }

    /// Looks whether every value is one that its keyword can have, and whether
    /// they fit together, without a service file or the environment: for
    /// configurations, long before somebody connects.
    ///
    /// # Errors
    ///
    /// As [`Conninfo::resolve`].
    pub fn check(&self) -> Result<(), ConninfoError> {
        resolve::check(self)
    }

    /// Adds what libpq adds, and checks everything.
    ///
    /// Reads the service file and the password file that `environment` leads
    /// to, and nothing else.
    ///
    /// # Errors
    ///
    /// Every value that libpq would refuse, with its keyword.
    pub fn resolve(&self, environment: &Environment) -> Result<Target, ConninfoError> {
        resolve::resolve(self, environment)
    }
}

impl FromStr for Conninfo {
    type Err = ConninfoError;

    fn from_str(text: &str) -> Result<Self, ConninfoError> {
        // libpq gets a C string, which ends there.
        if text.contains('\0') {
            return Err(ConninfoError::NulByte);
        }
        match uri::without_scheme(text) {
            Some(rest) => uri::parse(rest),
            None => words::parse(text),
        }
    }
}

/// As `keyword=value` words; what is secret is `***`.
impl fmt::Display for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let blank = if i == 0 { "" } else { " " };
            let secret = keyword::find(name).is_some_and(|it| it.secret);
            let value = if secret { "***".to_owned() } else { words::quote(value) };
            write!(f, "{blank}{name}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conninfo({self})")
    }
}

#[cfg(test)]
mod tests;
