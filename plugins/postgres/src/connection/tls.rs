//! Encryption with rustls, as libpq's settings want it.

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, ServerName, UnixTime, pem::PemObject,
    },
    version,
};
use thiserror::Error;
use tokio_rustls::TlsConnector;

use super::{certificate, error::ConnectProblem, own_certificate::OwnCertificate};
use crate::conninfo::{
    Address, HostTarget, RootCertificates, SslMode, SslNegotiation, TlsTarget, TlsVersion,
};

/// What can be done about a certificate of the server, and of ours.
const ROOT: &str =
    "sslrootcert must name the file with the authority that signed the server's certificate";
const SERVER: &str = "the server needs another certificate: ssl_cert_file of its configuration";
const NAME: &str = "let `host` be a name that is in the certificate (`hostaddr` may say where it \
                    is), or give the server a certificate with that name";
const REVOKED: &str = "sslcrl and sslcrldir must name a list of every authority in the chain";
const OURS: &str = "sslcert must name a certificate that is signed by an authority of the \
                    server's ssl_ca_file, with all authorities in between";
const MODERN: &str = "the server needs a certificate of version 3 that an authority has signed: \
                      `openssl x509 -req -extfile …` makes one";
const VERSIONS: &str = "check ssl_min_protocol_version and ssl_max_protocol_version, here and on \
                        the server; it must know TLS 1.2 or 1.3";

/// The protocol's name for servers that encrypt at once.
const ALPN: &[u8] = b"postgresql";

/// What is needed to encrypt a connection to a host.
pub(super) struct Connector {
    pub(super) tls: TlsConnector,
    pub(super) name: ServerName<'static>,
    pub(super) own: Arc<OwnCertificate>,
}

/// Prepares encryption to a host.
pub(super) fn connector(
    target: &TlsTarget,
    host: &HostTarget,
) -> Result<Connector, ConnectProblem> {
    let name = match &host.address {
        Address::Tcp { name: Some(name), .. } => Some(name.clone()),
        _ => None,
    };
    if target.mode == SslMode::VerifyFull && name.is_none() {
        let problem = "sslmode=verify-full needs the name of the host";
        return Err(failed(problem, "give the name in `host`, besides `hostaddr`"));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let own = OwnCertificate::read(target, provider.key_provider)?;
    let verifier = Verifier::new(target, name.clone(), &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(target))
        .map_err(|e| failed(e.to_string(), VERSIONS))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = config.with_client_cert_resolver(Arc::clone(&own) as Arc<_>);
    if target.negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    let server_name = name.and_then(|it| ServerName::try_from(it).ok());
    config.enable_sni = target.sni && matches!(server_name, Some(ServerName::DnsName(_)));
    // Never sent, and never compared: our verifier has the real name.
    let placeholder = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    let name = server_name.unwrap_or(placeholder);
    Ok(Connector { tls: TlsConnector::from(Arc::new(config)), name, own })
}

/// An encryption that failed.
pub(super) fn failed(problem: impl Into<String>, remedy: &'static str) -> ConnectProblem {
    ConnectProblem::Tls { problem: problem.into(), remedy }
}

fn versions(target: &TlsTarget) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::V1_2, &version::TLS12), (TlsVersion::V1_3, &version::TLS13)];
    let wanted = |it: &TlsVersion| {
        target.min.is_none_or(|min| *it >= min) && target.max.is_none_or(|max| *it <= max)
    };
    all.into_iter().filter(|(it, _)| wanted(it)).map(|(_, it)| it).collect()
}

pub(super) fn unusable(path: &Path, problem: impl Into<String>) -> ConnectProblem {
    ConnectProblem::CertificateFile { path: path.to_owned(), problem: problem.into() }
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectProblem> {
    let text = fs::read(path).map_err(|e| unusable(path, e.to_string()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(unusable(path, "it holds no certificates in PEM form")),
    }
}

/// Judges a server's certificate as libpq does.
#[derive(Debug)]
struct Verifier {
    /// `None` accepts every certificate.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    /// Whether there are lists of revoked certificates.
    revocable: bool,
    /// The name that the certificate must be for.
    name: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(
        target: &TlsTarget,
        name: Option<String>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, ConnectProblem> {
        let algorithms = provider.signature_verification_algorithms;
        let roots = read_roots(target)?;
        let Some(roots) = roots else {
            return Ok(Self {
                webpki: None,
                roots: Vec::new(),
                revocable: false,
                name: None,
                algorithms,
            });
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let lists = revocation_lists(target)?;
        let revocable = !lists.is_empty();
        let webpki = builder.with_crls(lists).build();
        let webpki = webpki.map_err(|e| failed(e.to_string(), ROOT))?;
        let name = name.filter(|_| target.mode == SslMode::VerifyFull);
        Ok(Self { webpki: Some(webpki), roots, revocable, name, algorithms })
    }

    /// Checks a signature of the handshake with a key that webpki does not
    /// read.
    fn verify_raw(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let bad = || rustls::Error::from(CertificateError::BadSignature);
        let (kind, key) = certificate::public_key(cert).ok_or_else(bad)?;
        let mut candidates = self.algorithms.mapping.iter().filter(|it| it.0 == signed.scheme);
        let good = candidates.any(|(_, all)| {
            all.iter().any(|it| {
                it.public_key_alg_id().as_ref() == kind
                    && it.verify_signature(&key, message, signed.signature()).is_ok()
            })
        });
        if good { Ok(HandshakeSignatureValid::assertion()) } else { Err(bad()) }
    }
}

/// Returns the accepted authorities; `None` if nothing is to be checked.
fn read_roots(target: &TlsTarget) -> Result<Option<Vec<CertificateDer<'static>>>, ConnectProblem> {
    let must_check = target.mode >= SslMode::VerifyCa;
    match &target.roots {
        RootCertificates::System => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let problem = "the system has no certificates of authorities";
                return Err(failed(problem, "install them: the package ca-certificates"));
            }
            Ok(Some(found.certs))
        }
        RootCertificates::File(path) if path.exists() || must_check => certificates(path).map(Some),
        RootCertificates::None if must_check => {
            Err(failed(format!("sslmode={} needs sslrootcert", target.mode.name()), ROOT))
        }
        RootCertificates::File(_) | RootCertificates::None => Ok(None),
    }
}

/// Reads the lists that are named, or that are there. One that cannot be read
/// must not be taken for one that is empty.
fn revocation_lists(
    target: &TlsTarget,
) -> Result<Vec<CertificateRevocationListDer<'static>>, ConnectProblem> {
    const NONE: &str = "it holds no revocation list in PEM form";
    let read = |path: &Path| {
        let text = fs::read(path).map_err(|e| unusable(path, e.to_string()))?;
        let all: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
        all.map_err(|_| unusable(path, NONE))
    };
    let mut lists = Vec::new();
    if let Some((path, named)) = &target.crl
        && (*named || path.exists())
    {
        lists.extend(read(path)?);
        if lists.is_empty() {
            return Err(unusable(path, NONE));
        }
    }
    if let Some(directory) = &target.crl_dir {
        let before = lists.len();
        let entries = fs::read_dir(directory).map_err(|e| unusable(directory, e.to_string()))?;
        for path in entries.filter_map(|it| Some(it.ok()?.path())).filter(|it| it.is_file()) {
            lists.extend(read(&path)?);
        }
        if lists.len() == before {
            return Err(unusable(directory, NONE));
        }
    }
    Ok(lists)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(webpki) = &self.webpki else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Err(error) = verified
            && !is_about_name(&error)
        {
            let accepts = certificate::is_accepted_directly;
            if !accepts(end_entity, &self.roots, &self.algorithms, now) {
                return Err(error);
            }
            // Nobody has looked whether it was revoked.
            if self.revocable {
                let problem = "its certificate cannot be looked up in a list of revoked ones";
                return Err(Verdict { problem: problem.to_owned(), remedy: MODERN }.into());
            }
        }
        if let Some(name) = &self.name {
            certificate::check_name(end_entity, name)
                .map_err(|problem| Verdict { problem, remedy: NAME })?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.algorithms)
            .or_else(|_| self.verify_raw(message, cert, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.algorithms)
            .or_else(|_| self.verify_raw(message, cert, signed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The name is the last thing that webpki looks at, and is ours to judge.
fn is_about_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// Says what failed, for people, and what mends it.
pub(super) fn explain(error: &io::Error) -> ConnectProblem {
    use rustls::{AlertDescription as Alert, Error};
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        None => failed(error.to_string(), VERSIONS),
        Some(Error::InvalidCertificate(problem)) => explain_certificate(problem),
        Some(Error::InvalidCertRevocationList(_)) => {
            failed("a list of revoked certificates cannot be used for the server's", REVOKED)
        }
        Some(Error::AlertReceived(
            Alert::UnknownCA
            | Alert::DecryptError
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown,
        )) => failed("the server does not accept our certificate (sslcert)", OURS),
        Some(Error::AlertReceived(Alert::CertificateRequired)) => {
            failed("the server wants a certificate of us (sslcert, sslkey)", OURS)
        }
        Some(other) => failed(other.to_string(), VERSIONS),
    }
}

fn explain_certificate(problem: &CertificateError) -> ConnectProblem {
    use CertificateError as Bad;
    match problem {
        Bad::Expired | Bad::ExpiredContext { .. } => {
            failed("the server's certificate has expired", SERVER)
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            failed("the server's certificate is not valid yet", SERVER)
        }
        Bad::Revoked => failed("the server's certificate has been revoked", SERVER),
        Bad::UnknownRevocationStatus
        | Bad::ExpiredRevocationList
        | Bad::ExpiredRevocationListContext { .. } => {
            failed("nothing tells whether the server's certificate has been revoked", REVOKED)
        }
        // An authority of the same name with another key signs badly.
        Bad::UnknownIssuer | Bad::BadSignature => unknown_authority(),
        Bad::Other(other) => match other.0.downcast_ref::<Verdict>() {
            Some(Verdict { problem, remedy }) => {
                failed(format!("the server does not prove who it is: {problem}"), remedy)
            }
            // One of version 1 that no authority of ours has signed.
            None => unknown_authority(),
        },
        other => failed(format!("the server does not prove who it is: {other}"), SERVER),
    }
}

fn unknown_authority() -> ConnectProblem {
    failed("the server's certificate is not signed by an authority that we know", ROOT)
}

/// Our own judgement of a certificate, on its way through the library.
#[derive(Debug, Error)]
#[error("{problem}")]
struct Verdict {
    problem: String,
    remedy: &'static str,
}

impl From<Verdict> for rustls::Error {
    fn from(verdict: Verdict) -> Self {
        let other = OtherError(Arc::new(verdict));
        Self::InvalidCertificate(CertificateError::Other(other))
    }
}
