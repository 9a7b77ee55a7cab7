//! More that an authority does: others below it, lists of what was revoked.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, thread, time::Duration};

use super::certificates::{Authority, openssl};

impl Authority {
    /// Another authority, which this one has signed.
    pub(crate) fn below(&self) -> Self {
        self.sign("below", "/CN=an authority below", "basicConstraints = critical, CA:TRUE", "3");
        let it = Self { directory: tempfile::tempdir().unwrap() };
        fs::copy(self.path("below.crt"), it.path("ca.crt")).unwrap();
        fs::copy(self.path("below.key"), it.path("ca.key")).unwrap();
        it
    }

    /// Appends a certificate to a file of them.
    pub(crate) fn append(&self, name: &str, other: &Path) {
        let both = [fs::read(self.path(name)).unwrap(), fs::read(other).unwrap()].concat();
        fs::write(self.path(name), both).unwrap();
    }

    /// Writes a list of revoked certificates, which has these.
    pub(crate) fn revoke(&self, list: &str, names: &[&str]) {
        let directory = self.directory.path();
        fs::write(directory.join("index"), "").unwrap();
        fs::write(directory.join("number"), "01\n").unwrap();
        let settings = "[ca]\ndefault_ca = it\n[it]\ndatabase = index\ncrlnumber = number\n\
                        default_md = sha256\ndefault_crl_days = 3\n";
        fs::write(directory.join("ca.cnf"), settings).unwrap();
        let ca = ["ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.crt"];
        for name in names {
            openssl(directory, &[&ca[..], &["-revoke", &format!("{name}.crt")]].concat());
        }
        openssl(directory, &[&ca[..], &["-gencrl", "-out", list]].concat());
    }

    /// Waits until a certificate has expired.
    pub(crate) fn wait_for_the_end(&self, name: &str) {
        let file = self.path(&format!("{name}.crt"));
        let valid = || {
            let mut command = Command::new("openssl");
            command.args(["x509", "-checkend", "0", "-noout", "-in"]).arg(&file);
            command.output().unwrap().status.success()
        };
        while valid() {
            thread::sleep(Duration::from_millis(50));
        }
        // The end of the second that it names belongs to it.
        thread::sleep(Duration::from_secs(1));
    }

    /// Puts a password on a key: `NAME.secret`.
    pub(crate) fn encrypt(&self, name: &str, password: &str) {
        let (from, to) = (format!("{name}.key"), format!("{name}.secret"));
        let password = format!("pass:{password}");
        let arguments = ["pkcs8", "-topk8", "-in", &from, "-out", &to, "-passout", &password];
        openssl(self.directory.path(), &arguments);
        fs::set_permissions(self.path(&to), fs::Permissions::from_mode(0o600)).unwrap();
    }
}
