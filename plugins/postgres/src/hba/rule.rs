//! A rule: one line of the file.

use super::{
    address::Address,
    error::{HbaError, RuleError},
    parse::parse_rule,
};
use crate::auth::word::{Word, fields, is_special_name, write_word};

/// What a server that is to read the file can do. Versions differ in what
/// they read, builds in the methods they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The major version, such as 15.
    pub major: u32,
    /// Methods that this build does not have.
    pub missing: Vec<Method>,
    /// Whether `ssl` is on. If not, `hostssl` never matches.
    pub tls: bool,
    /// Whether the build can encrypt with GSSAPI. If not, `hostgssenc` never
    /// matches.
    pub gss: bool,
    /// Whether `oauth_validator_libraries` is set (18 and later).
    pub oauth_validators: bool,
}

impl Server {
    /// Returns a server of a version as Linux distributions build it, with
    /// TLS switched on: everything but SSPI and BSD authentication.
    pub fn of(major: u32) -> Self {
        let missing = vec![Method::Sspi, Method::Bsd];
        Self { major, missing, tls: true, gss: true, oauth_validators: true }
    }
}

/// Which connections a rule is about: its first field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionKind {
    /// On the Unix socket.
    Local,
    /// Over TCP, encrypted or not.
    Host,
    /// Over TCP with TLS.
    HostSsl,
    /// Over TCP without TLS.
    HostNoSsl,
    /// Over TCP, encrypted with GSSAPI.
    HostGssEnc,
    /// Over TCP, not encrypted with GSSAPI.
    HostNoGssEnc,
}

impl ConnectionKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Local, "local"),
        (Self::Host, "host"),
        (Self::HostSsl, "hostssl"),
        (Self::HostNoSsl, "hostnossl"),
        (Self::HostGssEnc, "hostgssenc"),
        (Self::HostNoGssEnc, "hostnogssenc"),
    ];

    pub(super) fn of(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.1.as_bytes() == word).map(|it| it.0)
    }

    /// Returns the word in the file.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|it| it.0 == self).map_or("", |it| it.1)
    }
}

/// How a client must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Not at all.
    Trust,
    /// It cannot.
    Reject,
    /// A password: SCRAM, or MD5 where that is stored.
    Md5,
    /// A password in clear text.
    Password,
    /// A password by SCRAM.
    ScramSha256,
    /// An ident server.
    Ident,
    /// The system's user at the other end of a socket.
    Peer,
    /// A client certificate.
    Cert,
    /// GSSAPI.
    Gss,
    /// SSPI (Windows).
    Sspi,
    /// PAM.
    Pam,
    /// LDAP.
    Ldap,
    /// RADIUS.
    Radius,
    /// BSD authentication.
    Bsd,
    /// OAuth (18 and later).
    Oauth,
}

impl Method {
    const ALL: [(Self, &'static str); 15] = [
        (Self::Trust, "trust"),
        (Self::Reject, "reject"),
        (Self::Md5, "md5"),
        (Self::Password, "password"),
        (Self::ScramSha256, "scram-sha-256"),
        (Self::Ident, "ident"),
        (Self::Peer, "peer"),
        (Self::Cert, "cert"),
        (Self::Gss, "gss"),
        (Self::Sspi, "sspi"),
        (Self::Pam, "pam"),
        (Self::Ldap, "ldap"),
        (Self::Radius, "radius"),
        (Self::Bsd, "bsd"),
        (Self::Oauth, "oauth"),
    ];

    pub(super) fn of(word: &[u8], major: u32) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|it| it.1.as_bytes() == word)?;
        (found.0 != Self::Oauth || major >= 18).then_some(found.0)
    }

    /// Returns the word in the file.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|it| it.0 == self).map_or("", |it| it.1)
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which connections.
    pub kind: ConnectionKind,
    /// Which databases.
    pub databases: Vec<Word>,
    /// Which roles.
    pub users: Vec<Word>,
    /// From where; nothing for the socket.
    pub address: Option<Address>,
    /// How they prove who they are. `ident` on the socket is `peer`.
    pub method: Method,
    /// Options in the order given, each name and value.
    pub options: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Rule {
    /// Reads one rule from text, as it would stand in the file. `@file` words
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// [`HbaError::Rule`] if the server would refuse it;
    /// [`HbaError::NotOneRule`] for anything but one line with a rule.
    pub fn parse(text: &[u8], server: &Server) -> Result<Self, HbaError> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.contains(&b'\n') || text.contains(&0) {
            return Err(HbaError::NotOneRule);
        }
        let found = fields(text, server.major);
        let words: Vec<_> = found.fields.into_iter().map(|it| it.words).collect();
        if words.is_empty() || found.too_long {
            return Err(HbaError::NotOneRule);
        }
        parse_rule(&words, server).map_err(|source| HbaError::Rule { source })
    }

    /// Returns a word that means the database or role of just this name,
    /// whatever characters it has.
    ///
    /// # Errors
    ///
    /// [`RuleError::Slash`] for a name that begins with a slash, which from
    /// 16 on is a pattern even in quotes.
    pub fn name(name: impl AsRef<[u8]>, server: &Server) -> Result<Word, RuleError> {
        let text = name.as_ref().to_vec();
        if server.major >= 16 && text.starts_with(b"/") {
            return Err(RuleError::Slash { name: String::from_utf8_lossy(&text).into_owned() });
        }
        let quoted = is_special_name(&text);
        Ok(Word { text, quoted })
    }

    /// Returns the fields as they are to be written.
    ///
    /// # Errors
    ///
    /// [`RuleError::LineEnd`] for what cannot be written in one line.
    pub fn write_fields(&self) -> Result<Vec<Vec<u8>>, RuleError> {
        let mut fields = vec![self.kind.word().as_bytes().to_vec()];
        fields.push(write_words(&self.databases)?);
        fields.push(write_words(&self.users)?);
        if let Some(address) = &self.address {
            for word in address.words() {
                fields.push(write_words(&[word])?);
            }
        }
        fields.push(self.method.word().as_bytes().to_vec());
        for (name, value) in &self.options {
            let mut text = [name, &b"="[..]].concat();
            // Quotes within a word are fine; an empty value needs none.
            if !value.is_empty() {
                text.extend(write_words(&[Word::plain(value)])?);
            }
            fields.push(text);
        }
        Ok(fields)
    }
}

fn write_words(words: &[Word]) -> Result<Vec<u8>, RuleError> {
    let written: Option<Vec<_>> = words.iter().map(write_word).collect();
    written.map(|it| it.join(&b',')).ok_or(RuleError::LineEnd)
}
