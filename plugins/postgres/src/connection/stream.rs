//! The stream below the protocol: a socket, perhaps encrypted.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

use super::{
    address::{self, Place},
    certificate,
    error::ConnectProblem,
    tls,
    watch::AuthWatch,
};
use crate::conninfo::{HostTarget, SslNegotiation, Target};

/// What asks a server whether it can encrypt: length and code of the message
/// (protocol documentation, "`SSLRequest`").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The stream, before the first message of the protocol.
    pub stream: Stream,
    /// The place that it leads to, for cancelling.
    pub(crate) place: Place,
}

/// A socket, perhaps encrypted, that watches how the server authenticates us.
pub struct Stream {
    inner: Inner,
    channel_binding: Option<Vec<u8>>,
    watch: AuthWatch,
    startup: Startup,
}

/// What becomes of the first message that is written.
enum Startup {
    /// Nothing.
    Done,
    /// These parameters go into it; the client knows no way to say them.
    Extend(Vec<u8>),
    /// It is being written: what is left of it.
    Writing(Vec<u8>),
}

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Returns what a password is bound to with SCRAM-SHA-256-PLUS: the hash
    /// of the server's certificate (`tls-server-end-point`, RFC 5929).
    pub fn channel_binding(&self) -> Option<&[u8]> {
        self.channel_binding.as_deref()
    }

    /// Tells whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.inner, Inner::Tls(_))
    }

    /// What is sent first is no startup message.
    pub(crate) fn leave_startup_alone(&mut self) {
        self.startup = Startup::Done;
    }

    pub(crate) fn auth_watch(&self) -> &AuthWatch {
        &self.watch
    }
}

/// Opens the socket, and encrypts it if that is wanted.
pub(crate) async fn open(
    target: &Target,
    host: &HostTarget,
    place: &Place,
    encrypted: bool,
) -> Result<Opened, ConnectProblem> {
    let socket = address::connect(target, place).await?;
    let watch = AuthWatch::new(target.require_auth.clone());
    let must_send = target.tls.cert_mode == "require";
    let (inner, channel_binding) = match socket {
        _ if must_send && !encrypted => return Err(certificate_not_sent()),
        Socket::Unix(socket) => (Inner::Unix(socket), None),
        Socket::Tcp(socket) if !encrypted => (Inner::Tcp(socket), None),
        Socket::Tcp(socket) => {
            let (stream, sent) = encrypt(target, host, socket).await?;
            if must_send && !sent {
                return Err(certificate_not_sent());
            }
            let certificate = stream.get_ref().1.peer_certificates().and_then(|it| it.first());
            let binding = certificate.and_then(|it| certificate::end_point_hash(it));
            (Inner::Tls(Box::new(stream)), binding)
        }
    };
    let startup = match &target.replication {
        None => Startup::Done,
        Some(value) => Startup::Extend(format!("replication\0{value}\0").into_bytes()),
    };
    let stream = Stream { inner, channel_binding, watch, startup };
    Ok(Opened { stream, place: place.clone() })
}

/// `sslcertmode=require`: the server must know us by our certificate.
fn certificate_not_sent() -> ConnectProblem {
    tls::failed(
        "sslcertmode is `require`, and no certificate of ours went to the server",
        "the server asks for one if its ssl_ca_file is set; sslcert and sslkey name ours, and a \
         socket of this machine has no encryption",
    )
}

/// Encrypts, and tells whether our certificate was sent.
async fn encrypt(
    target: &Target,
    host: &HostTarget,
    mut socket: TcpStream,
) -> Result<(TlsStream<TcpStream>, bool), ConnectProblem> {
    let connector = tls::connector(&target.tls, host)?;
    if target.tls.negotiation == SslNegotiation::Postgres {
        let broken = |e: io::Error| ConnectProblem::Protocol(e.to_string());
        socket.write_all(&SSL_REQUEST).await.map_err(broken)?;
        match socket.read_u8().await.map_err(broken)? {
            b'S' => {}
            b'N' => return Err(ConnectProblem::NoEncryption),
            _ => {
                return Err(ConnectProblem::Protocol(
                    "it does not answer as PostgreSQL does".to_owned(),
                ));
            }
        }
    }
    let stream = connector.tls.connect(connector.name, socket).await;
    Ok((stream.map_err(|e| tls::explain(&e))?, connector.own.was_sent()))
}

/// Puts parameters into a startup message: a length of four bytes, the
/// version, pairs of texts, and a zero byte.
fn extended(message: &[u8], parameters: &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(message.get(..4)?.try_into().ok()?);
    if usize::try_from(length).ok()? != message.len() || message.last() != Some(&0) {
        return None;
    }
    let length = length.checked_add(u32::try_from(parameters.len()).ok()?)?;
    let (body, end) = message[4..].split_at(message.len() - 5);
    Some([&length.to_be_bytes(), body, parameters, end].concat())
}

impl Inner {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(it) => Pin::new(it).poll_write(cx, data),
            Self::Unix(it) => Pin::new(it).poll_write(cx, data),
            Self::Tls(it) => Pin::new(it).poll_write(cx, data),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut this.inner {
            Inner::Tcp(it) => Pin::new(it).poll_read(cx, buffer),
            Inner::Unix(it) => Pin::new(it).poll_read(cx, buffer),
            Inner::Tls(it) => Pin::new(it).poll_read(cx, buffer),
        };
        if matches!(read, Poll::Ready(Ok(()))) {
            this.watch.see(&buffer.filled()[before..])?;
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Startup::Extend(parameters) = &this.startup {
            this.startup = match extended(data, parameters) {
                Some(message) => Startup::Writing(message),
                None => Startup::Done,
            };
        }
        while let Startup::Writing(rest) = &mut this.startup {
            let written = ready!(this.inner.poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.drain(..written);
            if rest.is_empty() {
                this.startup = Startup::Done;
                return Poll::Ready(Ok(data.len()));
            }
        }
        this.inner.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Tcp(it) => Pin::new(it).poll_flush(cx),
            Inner::Unix(it) => Pin::new(it).poll_flush(cx),
            Inner::Tls(it) => Pin::new(it).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Tcp(it) => Pin::new(it).poll_shutdown(cx),
            Inner::Unix(it) => Pin::new(it).poll_shutdown(cx),
            Inner::Tls(it) => Pin::new(it).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("encrypted", &self.is_encrypted()).finish_non_exhaustive()
    }
}
