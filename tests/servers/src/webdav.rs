//! WsgiDAV, a WebDAV server by others, which `scripts/wsgidav` installs.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::external::{External, installed};

/// The one user that the server knows.
pub const DAV_USER: &str = "backup";
/// The user's password.
pub const DAV_PASSWORD: &str = "a secret of the tests";

/// A running WebDAV server, with a directory of its own. Ended when dropped.
#[derive(Debug)]
pub struct WebDavServer {
    server: External,
}

impl WebDavServer {
    /// Starts a server with an empty directory `backups`.
    ///
    /// # Panics
    ///
    /// If it is not installed: a test that cannot run must not pass.
    pub fn start() -> Self {
        let program = installed("wsgidav/bin/wsgidav", "wsgidav");
        let server = External::start(&program, |command, port, directory| {
            let root = directory.join("root");
            fs::create_dir_all(root.join("backups")).expect("our directory is writable");
            let text = format!(
                "{{\"host\": \"127.0.0.1\", \"port\": {port}, \"verbose\": 1,
                 \"provider_mapping\": {{\"/\": {{\"root\": \"{}\"}}}},
                 \"simple_dc\": {{\"user_mapping\": {{\"*\": {{\"{DAV_USER}\": \
                 {{\"password\": \"{DAV_PASSWORD}\"}}}}}}}},
                 \"http_authenticator\": {{\"accept_basic\": true, \"accept_digest\": false, \
                 \"default_to_digest\": false}},
                 \"lock_storage\": false, \"property_manager\": null, \
                 \"dir_browser\": {{\"enable\": false}}}}",
                root.display()
            );
            let file = directory.join("server.json");
            fs::write(&file, text).expect("our directory is writable");
            command.arg("-c").arg(file);
        });
        Self { server }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port).into()
    }

    /// Returns where clients find the directory.
    pub fn url(&self) -> String {
        format!("http://{}/backups", self.address())
    }

    /// Returns the directory, to look at or to change from outside.
    pub fn directory(&self) -> PathBuf {
        self.server.directory.path().join("root/backups")
    }

    /// Returns all files that are there, with their content.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let (root, mut found) = (self.directory(), BTreeMap::new());
        gather(&root, &root, &mut found);
        found
    }
}

fn gather(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            gather(root, &path, found);
            continue;
        }
        let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
        found.insert(name, fs::read(&path).expect("files can be read"));
    }
}
