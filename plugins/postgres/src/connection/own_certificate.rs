//! Our own certificate, and its key.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::KeyProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};

use super::{certificate, error::ConnectProblem, tls::certificates, tls::unusable};
use crate::conninfo::{Secret, TlsTarget};

/// What hands over our certificate, and remembers that the server asked.
#[derive(Debug)]
pub(super) struct OwnCertificate {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl OwnCertificate {
    /// Reads the files that the target names, if they are there or must be.
    pub(super) fn read(
        target: &TlsTarget,
        keys: &dyn KeyProvider,
    ) -> Result<Arc<Self>, ConnectProblem> {
        let key = find(target, keys)?.map(Arc::new);
        Ok(Arc::new(Self { key, asked: AtomicBool::new(false) }))
    }

    /// Tells whether the server asked for a certificate, and got one.
    pub(super) fn was_sent(&self) -> bool {
        self.key.is_some() && self.asked.load(Ordering::Acquire)
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

fn find(
    target: &TlsTarget,
    keys: &dyn KeyProvider,
) -> Result<Option<CertifiedKey>, ConnectProblem> {
    let Some((path, named)) = target.cert.as_ref().filter(|_| target.cert_mode != "disable") else {
        return Ok(None);
    };
    if !path.exists() && !named {
        return Ok(None);
    }
    let chain = certificates(path)?;
    let file = target.key.as_deref().unwrap_or(Path::new(""));
    let key = read_key(file, target.key_password.as_ref())?;
    let key = keys.load_private_key(key).map_err(|e| unusable(file, e.to_string()))?;
    if !belongs(&*key, &chain) {
        return Err(unusable(file, format!("it is not the key of {}", path.display())));
    }
    Ok(Some(CertifiedKey::new(chain, key)))
}

/// Compares the public halves. The library's own check reads no certificates
/// of version 1.
fn belongs(key: &dyn SigningKey, chain: &[CertificateDer<'_>]) -> bool {
    let ours = key.public_key();
    let theirs = chain.first().and_then(certificate::public_key);
    match (ours, theirs) {
        (Some(ours), Some((_, bits))) => ours.ends_with(&bits),
        // The server notices.
        _ => true,
    }
}

fn read_key(
    path: &Path,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, ConnectProblem> {
    check_key_file(path)?;
    let bytes = fs::read(path).map_err(|e| unusable(path, e.to_string()))?;
    if contains(&bytes, b"BEGIN ENCRYPTED PRIVATE KEY") {
        return decrypt(path, &bytes, password);
    }
    if contains(&bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(unusable(
            path,
            "keys encrypted in the old way are not read; `openssl pkcs8 -topk8 -in … -out …` \
             makes one that is",
        ));
    }
    // libpq takes the bare form of ASN.1 too.
    let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
    let key = key.or_else(|| PrivateKeyDer::try_from(bytes).ok());
    key.ok_or_else(|| unusable(path, "it holds no private key"))
}

/// Takes the password off a key of the form PKCS #8.
fn decrypt(
    path: &Path,
    bytes: &[u8],
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, ConnectProblem> {
    let Some(password) = password else {
        return Err(unusable(path, "it needs a password (sslpassword), and none is given"));
    };
    let bad =
        |problem: &dyn std::fmt::Display| unusable(path, format!("cannot read it: {problem}"));
    let text = std::str::from_utf8(bytes).map_err(|e| bad(&e))?;
    // Other things may stand before and behind it.
    let begin = text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----").unwrap_or_default();
    let (_, document) = SecretDocument::from_pem(text[begin..].trim()).map_err(|e| bad(&e))?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|e| bad(&e))?;
    let plain = info.decrypt(password.expose().as_bytes());
    let plain = plain.map_err(|_| unusable(path, "its password (sslpassword) is another one"))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec())))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|it| it == word)
}

/// libpq's rule: nobody but the owner, or root and a group, may read a key.
fn check_key_file(path: &Path) -> Result<(), ConnectProblem> {
    let metadata = fs::metadata(path).map_err(|e: io::Error| unusable(path, e.to_string()))?;
    if !metadata.is_file() {
        return Err(unusable(path, "it is no plain file"));
    }
    let allowed = if metadata.uid() == 0 { 0o740 } else { 0o700 };
    if metadata.mode() & 0o777 & !allowed != 0 {
        return Err(unusable(
            path,
            "others may read it; its mode must be 0600, or 0640 if it belongs to root",
        ));
    }
    Ok(())
}
