//! A certificate authority for tests, and a certificate for 127.0.0.1.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// A certificate for 127.0.0.1, made for this test with `openssl`.
#[derive(Debug)]
pub struct Certificate {
    directory: TempDir,
}

impl Certificate {
    /// Makes one, and the authority that signs it.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let it = Self { directory };
        it.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Tests \
             -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE \
             -addext keyUsage=critical,keyCertSign",
        );
        it.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr",
        );
        let names = it.directory.path().join("names");
        fs::write(&names, "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            .expect("our own directory is writable");
        it.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem",
        );
        it
    }

    /// Returns the file with the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Returns the file with the server's certificate and the one with its key.
    pub(crate) fn files(&self) -> (PathBuf, PathBuf) {
        let at = |name: &str| self.directory.path().join(name);
        (at("server.pem"), at("server.key"))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let (certificate, key) = self.files();
        let certificate = CertificateDer::from_pem_file(certificate);
        let key = PrivateKeyDer::from_pem_file(key);
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.expect("openssl writes PEM")],
                key.expect("openssl writes PEM"),
            )
            .expect("the key is that of the certificate");
        TlsAcceptor::from(Arc::new(config))
    }

    fn openssl(&self, arguments: &str) {
        openssl(self.directory.path(), arguments);
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("openssl (package openssl) is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}:\n{complaint}");
}
