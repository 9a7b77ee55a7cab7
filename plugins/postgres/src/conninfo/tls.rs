//! The part of a target that is about encryption.

use std::path::PathBuf;

use super::{Conninfo, ConninfoError, Environment, Secret};

/// How much encryption there must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// None.
    Disable,
    /// None if the server lets us, else encryption.
    Allow,
    /// Encryption if the server can, else none.
    #[default]
    Prefer,
    /// Encryption; the certificate is checked only if there is a root
    /// certificate.
    Require,
    /// Encryption, with a certificate of a known authority.
    VerifyCa,
    /// The same, for the name of the host.
    VerifyFull,
}

impl SslMode {
    /// Returns the name in connection strings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// How encryption begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SslNegotiation {
    /// The server is asked whether it can.
    #[default]
    Postgres,
    /// At once, with the protocol's name in ALPN; servers from 17 on.
    Direct,
}

/// The authorities whose certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those of the system.
    System,
    /// Those of a file, which may be missing as long as nothing is to be
    /// checked.
    File(PathBuf),
    /// There is no home directory to have the default file in.
    None,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2; older ones count as it, since we speak none.
    V1_2,
    /// 1.3.
    V1_3,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsTarget {
    /// How much there must be.
    pub mode: SslMode,
    /// How it begins.
    pub negotiation: SslNegotiation,
    /// The accepted authorities.
    pub roots: RootCertificates,
    /// Our certificate, and whether it was named, so that it must be there.
    pub cert: Option<(PathBuf, bool)>,
    /// The key of it.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub key_password: Option<Secret>,
    /// Whether our certificate may be sent, or must be: `disable`, `allow`,
    /// `require`.
    pub cert_mode: &'static str,
    /// Revoked certificates, and whether the file was named.
    pub crl: Option<(PathBuf, bool)>,
    /// A directory of such files.
    pub crl_dir: Option<PathBuf>,
    /// Whether the host's name is sent.
    pub sni: bool,
    /// The oldest version of TLS.
    pub min: Option<TlsVersion>,
    /// The newest version of TLS.
    pub max: Option<TlsVersion>,
}

const MODES: [SslMode; 6] = [
    SslMode::Disable,
    SslMode::Allow,
    SslMode::Prefer,
    SslMode::Require,
    SslMode::VerifyCa,
    SslMode::VerifyFull,
];

pub(super) fn read(
    conninfo: &Conninfo,
    environment: &Environment,
) -> Result<TlsTarget, ConninfoError> {
    let given = |keyword: &'static str| conninfo.get(keyword).filter(|it| !it.is_empty());
    let roots = match given("sslrootcert") {
        Some("system") => RootCertificates::System,
        Some(path) => RootCertificates::File(path.into()),
        None => environment
            .in_home(".postgresql/root.crt")
            .map_or(RootCertificates::None, RootCertificates::File),
    };
    let mode = read_mode(conninfo.get("sslmode"), &roots)?;
    let negotiation = match conninfo.get("sslnegotiation") {
        None | Some("postgres") => SslNegotiation::Postgres,
        Some("direct") if mode < SslMode::Require => {
            return Err(ConninfoError::WeakSslMode {
                mode: mode.name(),
                setting: "sslnegotiation=direct",
                needed: "require",
            });
        }
        Some("direct") => SslNegotiation::Direct,
        Some(other) => {
            return Err(refused("sslnegotiation", other, "postgres or direct"));
        }
    };
    let named = |keyword: &'static str, default: &str| match given(keyword) {
        Some(path) => Some((PathBuf::from(path), true)),
        None => environment.in_home(default).map(|it| (it, false)),
    };
    let min = version(given("ssl_min_protocol_version"), "ssl_min_protocol_version")?;
    let max = version(given("ssl_max_protocol_version"), "ssl_max_protocol_version")?;
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(refused(
            "ssl_max_protocol_version",
            given("ssl_max_protocol_version").unwrap_or_default(),
            "at least ssl_min_protocol_version",
        ));
    }
    let cert_mode = match conninfo.get("sslcertmode") {
        Some("disable") => "disable",
        None | Some("allow") => "allow",
        Some("require") => "require",
        Some(other) => return Err(refused("sslcertmode", other, "disable, allow or require")),
    };
    Ok(TlsTarget {
        mode,
        negotiation,
        roots,
        cert: named("sslcert", ".postgresql/postgresql.crt"),
        key: named("sslkey", ".postgresql/postgresql.key").map(|(path, _)| path),
        key_password: given("sslpassword").map(Secret::new),
        cert_mode,
        crl: named("sslcrl", ".postgresql/root.crl"),
        crl_dir: given("sslcrldir").map(PathBuf::from),
        sni: given("sslsni") != Some("0"),
        min,
        max,
    })
}

fn read_mode(given: Option<&str>, roots: &RootCertificates) -> Result<SslMode, ConninfoError> {
    let system = *roots == RootCertificates::System;
    let Some(name) = given else {
        return Ok(if system { SslMode::VerifyFull } else { SslMode::Prefer });
    };
    let found = MODES.into_iter().find(|it| it.name() == name);
    let mode = found.ok_or_else(|| {
        refused("sslmode", name, "disable, allow, prefer, require, verify-ca or verify-full")
    })?;
    if system && mode != SslMode::VerifyFull {
        return Err(ConninfoError::WeakSslMode {
            mode: mode.name(),
            setting: "sslrootcert=system",
            needed: "verify-full",
        });
    }
    Ok(mode)
}

fn version(
    given: Option<&str>,
    keyword: &'static str,
) -> Result<Option<TlsVersion>, ConninfoError> {
    let Some(name) = given else { return Ok(None) };
    match name.to_ascii_lowercase().as_str() {
        "tlsv1" | "tlsv1.1" if keyword == "ssl_max_protocol_version" => {
            Err(ConninfoError::Unsupported { setting: "ssl_max_protocol_version below TLSv1.2" })
        }
        "tlsv1" | "tlsv1.1" | "tlsv1.2" => Ok(Some(TlsVersion::V1_2)),
        "tlsv1.3" => Ok(Some(TlsVersion::V1_3)),
        _ => Err(refused(keyword, name, "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")),
    }
}

fn refused(keyword: &'static str, value: &str, expected: &'static str) -> ConninfoError {
    ConninfoError::Value { keyword, value: value.to_owned(), expected }
}
