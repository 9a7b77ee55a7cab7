//! azurite, Microsoft's server for tests, which `scripts/azurite` installs.

use std::net::{Ipv4Addr, SocketAddr};

use crate::external::{External, installed};

/// The one account that the server knows.
pub const AZURE_ACCOUNT: &str = "haytests";
/// Its access key.
pub const AZURE_KEY: &str = "YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCBsb25nIGVub3VnaA==";
/// The one container that there is.
pub const CONTAINER: &str = "backups";

/// Signs for the account with what Node.js brings along. `signature` is valid
/// for an hour; `ask` makes a request with one that may do everything.
const PRELUDE: &str = "
const crypto = require('crypto');
const signature = (permissions, minutes = 60) => {
  const until = new Date(Date.now() + minutes * 60000).toISOString().slice(0, 19) + 'Z';
  const fields = {sv: '2019-12-12', ss: 'b', srt: 'sco', sp: permissions, se: until};
  const text = [account, permissions, 'b', 'sco', '', until, '', '', fields.sv, ''].join('\\n');
  const sig = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'utf8');
  return new URLSearchParams({...fields, sig: sig.digest('base64')}).toString();
};
const ask = async (method, path, query = '', headers = {}, body = undefined) => {
  const url = `${endpoint}/${path}?${query}&${signature('racwdl')}`;
  const answer = await fetch(url, {method, headers, body});
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
};
";

/// A running azurite, with what it keeps in memory. Ended when dropped.
#[derive(Debug)]
pub struct Azurite {
    server: External,
}

impl Azurite {
    /// Starts a server with one empty container.
    ///
    /// # Panics
    ///
    /// If it is not installed: a test that cannot run must not pass.
    pub fn start() -> Self {
        let program = installed("azurite/node_modules/.bin/azurite-blob", "azurite");
        let server = External::start(&program, |command, port, _| {
            command.env("AZURITE_ACCOUNTS", format!("{AZURE_ACCOUNT}:{AZURE_KEY}"));
            command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
            command.args(["--inMemoryPersistence", "--skipApiVersionCheck"]);
            command.args(["--disableTelemetry", "--silent"]);
        });
        let it = Self { server };
        it.node(&format!("await ask('PUT', '{CONTAINER}', 'restype=container')"));
        it
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port).into()
    }

    /// Returns where clients find the account behind this address, which may
    /// be that of a proxy.
    pub fn endpoint_at(address: SocketAddr) -> String {
        format!("http://{address}/{AZURE_ACCOUNT}")
    }

    /// Returns where clients find the account.
    pub fn endpoint(&self) -> String {
        Self::endpoint_at(self.address())
    }

    /// Runs JavaScript and returns what it prints. `signature(permissions)`
    /// is a shared access signature, and `ask(method, path, query)` a request.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn node(&self, code: &str) -> String {
        let endpoint = self.endpoint();
        let code = format!(
            "const endpoint = '{endpoint}', account = '{AZURE_ACCOUNT}', key = '{AZURE_KEY}';\
             {PRELUDE}(async () => {{ {code} }})().catch(e => {{ console.error(e); process.exit(1); }});"
        );
        self.server.run("node", &["-e", &code])
    }
}
