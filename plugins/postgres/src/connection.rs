//! Connections to servers: SQL from plain threads, and the stream below it.
//!
//! [`Connection::open`] goes through the hosts of a [`Target`] as libpq does,
//! and gives a session that is used from a plain thread; a runtime of this
//! crate's own drives it. [`Connection::guard`] watches a session that a
//! backup depends on. [`open_stream`] is the lower half, for other protocols
//! than SQL: a socket, encrypted as the target says, before the first message.
//!
//! ```no_run
//! use hayloft_postgres::{
//!     conninfo::{Conninfo, Environment},
//!     connection::Connection,
//! };
//!
//! let conninfo: Conninfo = "host=db user=hayloft sslmode=verify-full".parse()?;
//! let target = conninfo.resolve(&Environment::of_process())?;
//! let connection = Connection::open(&target)?;
//! let rows = connection.query("SELECT pg_catalog.version()", &[])?;
//! let version: String = rows[0].get(0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! * Hosts are tried in order, each address of each; the next one is tried if
//!   nobody answers, the server is starting up or shutting down, or it is not
//!   of the kind that `target_session_attrs` wants. A server that refuses the
//!   role or the password, has no encryption where there must be some, or
//!   cannot prove who it is, ends it, as with libpq; one that only closes the
//!   connection, as a proxy with nobody behind it does, does not.
//! * `connect_timeout` bounds each address: socket, encryption and
//!   authentication together.
//! * Encryption is rustls with aws-lc-rs: TLS 1.2 and 1.3. Certificates are
//!   judged as libpq judges them: `require` checks them only if there is a root
//!   certificate; `verify-full` takes the common name where there is no
//!   alternative one; certificates of version 1, and a server's own certificate
//!   as its root, will do. Keys with a password are read in the form PKCS #8.
//! * A password is bound to the connection (SCRAM-SHA-256-PLUS) where both
//!   sides can.
//! * No message contains a secret.

mod address;
mod certificate;
mod error;
mod guard;
mod open;
mod own_certificate;
mod runtime;
mod session;
mod stream;
mod tls;
mod watch;

use crate::conninfo::{HostTarget, Target};

pub(crate) use self::{
    address::Place,
    error::{chain, seconds},
    open::{Protocol, ServerKind, open_with},
    runtime::handle as runtime,
    stream::open as open_place,
};
pub use self::{
    error::{Attempt, ConnectError, ConnectProblem, QueryError, ServerMessage},
    guard::{Guard, Heartbeat, Lost},
    session::{Connection, Row},
    stream::{Opened, Stream},
};

/// Opens a stream to one host: socket and encryption, nothing more.
///
/// What `sslmode` allows without encryption is tried in the order in which
/// libpq tries it; `encrypted` chooses between them, see [`encryptions`].
///
/// # Errors
///
/// A [`ConnectProblem`].
pub async fn open_stream(
    target: &Target,
    host: &HostTarget,
    encrypted: bool,
) -> Result<Opened, ConnectProblem> {
    let mut last = None;
    for address in address::resolve(host, target.load_balance).await? {
        match stream::open(target, host, &address, encrypted).await {
            Ok(opened) => return Ok(opened),
            Err(problem) => last = Some(problem),
        }
    }
    Err(last.unwrap_or(ConnectProblem::NoAddress))
}

/// Returns which kinds of connection to a host are to be tried: encrypted
/// (`true`) or not, in their order. The second is tried only if the server
/// cannot have, or does not want, the first.
pub fn encryptions(target: &Target, host: &HostTarget) -> &'static [bool] {
    use crate::conninfo::SslMode;
    if host.is_local() {
        return &[false];
    }
    match target.tls.mode {
        SslMode::Disable => &[false],
        SslMode::Allow => &[false, true],
        SslMode::Prefer => &[true, false],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[true],
    }
}
