//! Everything that is needed to connect.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use super::{PassfileProblem, Secret, TlsTarget};

/// Where and how to connect, with all defaults filled in.
#[derive(Debug, Clone)]
pub struct Target {
    /// The hosts, in the order of the connection string; there is at least
    /// one.
    pub hosts: Vec<HostTarget>,
    /// Whether they, and the addresses of each, are tried in random order.
    pub load_balance: bool,
    /// The role.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// What the server is to call us.
    pub application_name: Option<String>,
    /// Settings of the session, as `-c name=value`.
    pub options: Option<String>,
    /// The encoding of texts, if asked for; `auto` is UTF-8 to us.
    pub client_encoding: Option<String>,
    /// The `replication` parameter, for a connection that streams.
    pub replication: Option<String>,
    /// How long each address of each host may take; `None` is for ever.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive of TCP.
    pub keepalives: Keepalives,
    /// How long sent data may stay unacknowledged; `None` is the system's.
    pub tcp_user_timeout: Option<Duration>,
    /// Which kind of server will do.
    pub session_attrs: SessionAttrs,
    /// How the connection is encrypted.
    pub tls: TlsTarget,
    /// Whether the password is bound to the encrypted connection.
    pub channel_binding: ChannelBinding,
    /// Which ways to authenticate are allowed; `None` is all.
    pub require_auth: Option<RequireAuth>,
    /// The operating system's user that must own the other end of a socket.
    pub requirepeer: Option<String>,
    /// Why the password file was not used.
    pub passfile_problem: Option<PassfileProblem>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTarget {
    /// Where it is.
    pub address: Address,
    /// The port; also part of a socket's name.
    pub port: u16,
    /// The password for it, of the connection string or the password file.
    pub password: Option<Secret>,
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The directory of a Unix socket.
    Socket(PathBuf),
    /// The "directory" of a socket without a file, without the leading `@`.
    Abstract(String),
    /// Another machine, or this one through TCP.
    Tcp {
        /// The name, to be looked up and for certificates.
        name: Option<String>,
        /// The address, if it need not be looked up.
        addr: Option<NumericAddress>,
    },
}

/// An address in numbers, as `hostaddr` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumericAddress {
    /// The address.
    pub ip: IpAddr,
    /// The network that it is on, by name or number, for an address that every
    /// network may have: `eth0` of `fe80::1%eth0`.
    pub scope: Option<String>,
}

impl FromStr for NumericAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ip, scope) = match text.split_once('%') {
            Some((ip, scope)) => (ip, Some(scope)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(drop)?;
        if scope.is_some_and(str::is_empty) || scope.is_some() && ip.is_ipv4() {
            return Err(());
        }
        Ok(Self { ip, scope: scope.map(ToOwned::to_owned) })
    }
}

impl fmt::Display for NumericAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{}%{scope}", self.ip),
            None => self.ip.fmt(f),
        }
    }
}

impl HostTarget {
    /// Returns the file of a socket, for a host that has one.
    pub fn socket_file(&self) -> Option<PathBuf> {
        match &self.address {
            Address::Socket(directory) => {
                Some(Path::new(directory).join(format!(".s.PGSQL.{}", self.port)))
            }
            _ => None,
        }
    }

    /// Tells whether it is a Unix socket.
    pub fn is_local(&self) -> bool {
        !matches!(self.address, Address::Tcp { .. })
    }
}

/// As libpq names it in its messages: `db:5432`, or the socket's file.
impl fmt::Display for HostTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.address {
            Address::Socket(directory) => {
                write!(f, "{}", directory.join(format!(".s.PGSQL.{port}")).display())
            }
            Address::Abstract(name) => write!(f, "@{name}/.s.PGSQL.{port}"),
            Address::Tcp { name: Some(name), addr: Some(addr) } => {
                write!(f, "{name} ({addr}), port {port}")
            }
            Address::Tcp { name: Some(name), addr: None } => write!(f, "{name}, port {port}"),
            Address::Tcp { name: None, addr: Some(addr) } => write!(f, "{addr}, port {port}"),
            Address::Tcp { name: None, addr: None } => write!(f, "port {port}"),
        }
    }
}

/// Keep-alive of TCP; what is `None` is the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether there is any.
    pub enabled: bool,
    /// How long nothing is said before the first.
    pub idle: Option<Duration>,
    /// How long until the next.
    pub interval: Option<Duration>,
    /// How many may be lost.
    pub count: Option<u32>,
}

/// Which kind of server will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionAttrs {
    /// Every one.
    #[default]
    Any,
    /// Sessions can write.
    ReadWrite,
    /// Sessions cannot write.
    ReadOnly,
    /// No standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or any if there is none.
    PreferStandby,
}

/// Whether the password is bound to the encrypted connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If both sides can.
    #[default]
    Prefer,
    /// Always; anything else fails.
    Require,
}

/// Which ways to authenticate are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequireAuth {
    /// The allowed ones, or the forbidden ones.
    pub methods: Vec<String>,
    /// Whether the methods are those that are forbidden.
    pub negated: bool,
}

impl RequireAuth {
    /// Tells whether a method is allowed: `none`, `password`, `md5`,
    /// `scram-sha-256`, `gss` or `sspi`.
    pub fn allows(&self, method: &str) -> bool {
        self.methods.iter().any(|it| it == method) != self.negated
    }
}
