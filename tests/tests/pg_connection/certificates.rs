//! Certificates for a server, made with openssl.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use hayloft_tests::postgres::Postgres;

/// An authority, and what it signs.
pub(crate) struct Authority {
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|e| panic!("this test needs openssl: {e}"));
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    pub(crate) fn new() -> Self {
        let it = Self { directory: tempfile::tempdir().unwrap() };
        let mut arguments = vec!["req", "-x509", "-days", "3", "-subj", "/CN=an authority"];
        arguments.extend(KEY);
        arguments.extend(["-keyout", "ca.key", "-out", "ca.crt"]);
        openssl(it.directory.path(), &arguments);
        it
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Signs a certificate: `NAME.crt` and `NAME.key`. Without extensions it
    /// is one of version 1, as PostgreSQL's documentation makes them.
    pub(crate) fn sign(&self, name: &str, subject: &str, extensions: &str, days: &str) {
        let directory = self.directory.path();
        let (key, request, certificate, settings) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.crt"),
            format!("{name}.ext"),
        );
        let mut arguments = vec!["req", "-subj", subject];
        arguments.extend(KEY);
        arguments.extend(["-keyout", &key, "-out", &request]);
        openssl(directory, &arguments);
        let mut arguments = vec!["x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey"];
        arguments.extend(["ca.key", "-CAcreateserial", "-days", days, "-out", &certificate]);
        if !extensions.is_empty() {
            fs::write(directory.join(&settings), extensions).unwrap();
            arguments.extend(["-extfile", &settings]);
        }
        openssl(directory, &arguments);
        fs::set_permissions(directory.join(&key), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Turns on encryption in a server, with a certificate of this authority.
    pub(crate) fn install(&self, server: &Postgres, name: &str) {
        let data = server.data_dir();
        let owner = fs::metadata(&data).unwrap();
        for (from, to) in [
            (format!("{name}.crt"), "server.crt"),
            (format!("{name}.key"), "server.key"),
            ("ca.crt".to_owned(), "root.crt"),
        ] {
            let to = data.join(to);
            fs::copy(self.path(&from), &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        server.sql("postgres", "ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
        server.sql("postgres", "ALTER SYSTEM SET ssl = on");
        server.reload();
    }
}
