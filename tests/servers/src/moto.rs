//! moto, an S3 server by others, which `scripts/moto` installs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::{
    certificate::Certificate,
    external::{External, installed},
};

/// A running moto server; it does not look at keys. Ended when dropped.
#[derive(Debug)]
pub struct Moto {
    server: External,
}

impl Moto {
    /// Starts a server without any bucket.
    ///
    /// # Panics
    ///
    /// If it is not installed: a test that cannot run must not pass.
    pub fn start() -> Self {
        Self::build(None)
    }

    /// Starts a server that encrypts.
    ///
    /// # Panics
    ///
    /// As [`Moto::start`].
    pub fn encrypted(certificate: &Certificate) -> Self {
        Self::build(Some(&certificate.files()))
    }

    fn build(files: Option<&(PathBuf, PathBuf)>) -> Self {
        let program = installed("moto/bin/moto_server", "moto");
        let server = External::start(&program, |command, port, _| {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            if let Some((certificate, key)) = files {
                command.arg("-c").arg(certificate).arg("-k").arg(key);
            }
        });
        Self { server }
    }

    /// Returns where clients find it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port).into()
    }

    /// Runs Python with `s3`, a client of Amazon's own library, and returns
    /// what it prints.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn python(&self, code: &str) -> String {
        let begin = format!(
            "import boto3\ns3 = boto3.client('s3', endpoint_url='{}', region_name='us-east-1', \
             aws_access_key_id='a', aws_secret_access_key='b')\n",
            self.endpoint()
        );
        self.server.run(installed("moto/bin/python", "moto"), &["-c", &(begin + code)])
    }
}
