//! From hosts to sockets.

use std::{
    io,
    net::SocketAddr,
    os::linux::net::SocketAddrExt,
    os::unix::net::{SocketAddr as UnixAddr, UnixStream as StdUnixStream},
    path::PathBuf,
};

use rand::seq::SliceRandom;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::{error::ConnectProblem, stream::Socket};
use crate::conninfo::{Address, HostTarget, NumericAddress, Target};

/// One thing that a socket can be opened to.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// An address.
    Tcp(SocketAddr),
    /// The file of a socket.
    File(PathBuf),
    /// A name without a file.
    Abstract(String),
}

/// Returns the addresses of a host.
pub(super) async fn resolve(
    host: &HostTarget,
    shuffle: bool,
) -> Result<Vec<Place>, ConnectProblem> {
    let (name, port) = match &host.address {
        Address::Socket(_) => {
            return Ok(host.socket_file().into_iter().map(Place::File).collect());
        }
        Address::Abstract(name) => {
            return Ok(vec![Place::Abstract(format!("{name}/.s.PGSQL.{}", host.port))]);
        }
        Address::Tcp { addr: Some(NumericAddress { ip, scope: None }), .. } => {
            return Ok(vec![Place::Tcp(SocketAddr::new(*ip, host.port))]);
        }
        // The system knows the numbers of networks.
        Address::Tcp { addr: Some(addr), .. } => (addr.to_string(), host.port),
        Address::Tcp { name, .. } => {
            (name.clone().unwrap_or_else(|| "localhost".to_owned()), host.port)
        }
    };
    let found = lookup_host((name.as_str(), port)).await.map_err(ConnectProblem::Resolve)?;
    let mut places: Vec<Place> = found.map(Place::Tcp).collect();
    if shuffle {
        places.shuffle(&mut rand::rng());
    }
    Ok(places)
}

/// Opens the socket.
pub(super) async fn connect(target: &Target, place: &Place) -> Result<Socket, ConnectProblem> {
    match place {
        Place::Tcp(address) => {
            let socket = TcpStream::connect(address).await.map_err(ConnectProblem::Socket)?;
            configure(target, &socket).map_err(ConnectProblem::Socket)?;
            Ok(Socket::Tcp(socket))
        }
        Place::File(path) => {
            let socket = UnixStream::connect(path).await.map_err(ConnectProblem::Socket)?;
            check_peer(target, socket)
        }
        Place::Abstract(name) => {
            let socket = connect_abstract(name).map_err(ConnectProblem::Socket)?;
            check_peer(target, socket)
        }
    }
}

fn connect_abstract(name: &str) -> io::Result<UnixStream> {
    let address = UnixAddr::from_abstract_name(name)?;
    let socket = StdUnixStream::connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

fn configure(target: &Target, socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    if let Some(timeout) = target.tcp_user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    let wanted = target.keepalives;
    if !wanted.enabled {
        return Ok(());
    }
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = wanted.idle {
        keepalive = keepalive.with_time(idle);
    }
    if let Some(interval) = wanted.interval {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(count) = wanted.count {
        keepalive = keepalive.with_retries(count);
    }
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(&keepalive)
}

fn check_peer(target: &Target, socket: UnixStream) -> Result<Socket, ConnectProblem> {
    if let Some(wanted) = &target.requirepeer {
        let uid = socket.peer_cred().map_err(ConnectProblem::Socket)?.uid();
        let found = nix::unistd::User::from_uid(uid.into()).ok().flatten();
        let found = found.map_or_else(|| format!("user {uid}"), |it| it.name);
        if found != *wanted {
            return Err(ConnectProblem::Peer { found, wanted: wanted.clone() });
        }
    }
    Ok(Socket::Unix(socket))
}
