//! What can go wrong with connections and queries.

use std::{fmt, io, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{
    conninfo::PassfileProblem,
    error::{ErrorKind, Failure},
    version::ServerVersion,
};

/// Why there is no connection.
#[derive(Debug, Error)]
#[error("cannot connect to PostgreSQL{}", places(attempts))]
pub struct ConnectError {
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Why the password file was not used, if that was so.
    pub passfile: Option<PassfileProblem>,
    #[source]
    last: Box<ConnectProblem>,
}

/// One place that was tried, and what happened there.
#[derive(Debug)]
pub struct Attempt {
    /// Where.
    pub place: String,
    /// What went wrong, as text.
    pub problem: String,
}

/// A time for people: `2`, `0.5`.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

fn places(attempts: &[Attempt]) -> String {
    match attempts {
        [] => String::new(),
        [one] => format!(" at {}", one.place),
        all => {
            let all: Vec<String> =
                all.iter().map(|it| format!("{} ({})", it.place, it.problem)).collect();
            format!(" at {}", all.join(", nor at "))
        }
    }
}

impl ConnectError {
    pub(crate) fn new(
        attempts: Vec<Attempt>,
        last: ConnectProblem,
        passfile: Option<PassfileProblem>,
    ) -> Self {
        Self { attempts, passfile, last: Box::new(last) }
    }

    /// Returns what went wrong last.
    pub fn problem(&self) -> &ConnectProblem {
        &self.last
    }

    /// Tells whether the server was reached, and said no.
    pub fn refusal(&self) -> Option<&ServerMessage> {
        match &*self.last {
            ConnectProblem::Refused(message) => Some(message),
            _ => None,
        }
    }
}

/// What went wrong at one place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectProblem {
    /// The runtime of this crate cannot be started.
    #[error("cannot start a thread for connections")]
    Runtime(#[source] io::Error),
    /// The host's name leads nowhere.
    #[error("cannot find the host")]
    Resolve(#[source] io::Error),
    /// The name is known, and has no address.
    #[error("the host has no address")]
    NoAddress,
    /// The socket cannot be opened.
    #[error("cannot reach the server")]
    Socket(#[source] io::Error),
    /// It took too long.
    #[error("the server did not answer within {} s", seconds(*_0))]
    TimedOut(Duration),
    /// The socket belongs to somebody else than `requirepeer` says.
    #[error("the socket belongs to {found}, and must belong to {wanted}")]
    Peer {
        /// The user it belongs to.
        found: String,
        /// The user it must belong to.
        wanted: String,
    },
    /// The server has no encryption.
    #[error("the server does not support encryption")]
    NoEncryption,
    /// A file of certificates or keys cannot be used.
    #[error("cannot use {}: {problem}", path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The encryption failed, most often because of a certificate.
    #[error("the encrypted connection failed: {problem}")]
    Tls {
        /// What went wrong.
        problem: String,
        /// What can be done about it.
        remedy: &'static str,
    },
    /// The server wants another way to authenticate than is allowed.
    #[error("the server wants the authentication method {method}, which require_auth forbids")]
    AuthMethod {
        /// The method.
        method: String,
    },
    /// The server wants a password, and there is none.
    #[error("the server wants a password, and none is given")]
    PasswordMissing,
    /// `channel_binding=require`, and the server cannot.
    #[error("the server did not bind the password to the encrypted connection")]
    ChannelBinding,
    /// The server does not know the password itself: it could be anybody.
    #[error("the authentication failed: {0}")]
    Authentication(String),
    /// The server said no.
    #[error("{0}")]
    Refused(ServerMessage),
    /// The server is of another kind than is wanted.
    #[error("the server {found}, and `target_session_attrs` is {wanted}")]
    SessionAttrs {
        /// What it is.
        found: &'static str,
        /// What is wanted.
        wanted: &'static str,
    },
    /// What came is no PostgreSQL, or the connection broke.
    #[error("the connection broke while it began: {0}")]
    Protocol(String),
}

impl ConnectProblem {
    /// Tells whether the next host is to be tried: nobody was there to say no.
    pub(super) fn tries_next(&self) -> bool {
        match self {
            // Starting up, shutting down, recovering.
            Self::Refused(message) => message.code == "57P03",
            Self::Resolve(_)
            | Self::NoAddress
            | Self::Socket(_)
            | Self::TimedOut(_)
            | Self::Protocol(_)
            | Self::SessionAttrs { .. } => true,
            _ => false,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut(_) => ErrorKind::TimedOut,
            Self::CertificateFile { .. } => ErrorKind::BadConfiguration,
            Self::Refused(message) => message.kind(),
            Self::PasswordMissing | Self::Authentication(_) | Self::Peer { .. } => {
                ErrorKind::PermissionDenied
            }
            Self::AuthMethod { .. } | Self::ChannelBinding | Self::NoEncryption => {
                ErrorKind::Unsupported
            }
            _ => ErrorKind::Connection,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Resolve(_) | Self::NoAddress => "check `host` of the connection string",
            Self::Socket(_) => {
                "check that the server runs, and `host` and `port`; listen_addresses of the \
                 server must name its address, and a firewall must let us through"
            }
            Self::TimedOut(_) => "the server hangs, or something on the way drops what we send",
            Self::NoEncryption => "turn on `ssl` in postgresql.conf, or use another sslmode",
            Self::CertificateFile { .. } => {
                "sslrootcert, sslcert, sslkey and sslcrl of the connection string name the files"
            }
            Self::Tls { remedy, .. } => remedy,
            Self::ChannelBinding => {
                "channel_binding=require needs sslmode=require or more, and scram-sha-256 in \
                 pg_hba.conf of the server"
            }
            Self::AuthMethod { .. } => {
                "allow the method in require_auth, or change it in pg_hba.conf of the server"
            }
            Self::PasswordMissing => {
                "put it into a password file (~/.pgpass, mode 0600) or the configuration's login"
            }
            Self::Refused(message) => return message.remedy(),
            Self::SessionAttrs { .. } => "name all hosts of the cluster in `host`",
            _ => return None,
        })
    }
}

impl Failure for ConnectError {
    fn kind(&self) -> ErrorKind {
        self.last.kind()
    }

    fn hint(&self) -> Option<String> {
        let refused_password = self.refusal().is_some_and(|it| it.code == "28P01");
        if (refused_password || matches!(*self.last, ConnectProblem::PasswordMissing))
            && let Some(problem) = &self.passfile
        {
            return Some(problem.to_string());
        }
        self.last.hint().map(ToOwned::to_owned)
    }
}

/// What a server said when it refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The five letters of its kind (SQLSTATE), such as `28P01`.
    pub code: String,
    /// The message.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server thinks can be done.
    pub hint: Option<String>,
}

impl ServerMessage {
    pub(super) fn of(error: &tokio_postgres::error::DbError) -> Self {
        Self {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(ToOwned::to_owned),
            hint: error.hint().map(ToOwned::to_owned),
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self.code.as_str() {
            "57P03" | "57P01" | "57P02" => ErrorKind::Connection,
            "53300" | "53400" => ErrorKind::UsedUp,
            "55006" => ErrorKind::InUse,
            "25006" => ErrorKind::InRecovery,
            "28000" | "28P01" | "42501" => ErrorKind::PermissionDenied,
            "3D000" | "42704" | "42P01" => ErrorKind::NotFound,
            "42710" => ErrorKind::AlreadyExists,
            "57014" => ErrorKind::TimedOut,
            _ => ErrorKind::Server,
        }
    }

    /// The server uses 28000 for whoever it does not let in for another reason
    /// than a wrong password (`invalid_authorization_specification`). The name
    /// of the file is in no translation of its messages; the rest is told apart
    /// where they are in English.
    fn remedy_of_refusal(&self) -> &'static str {
        if self.message.contains("pg_hba.conf") {
            return "no password was asked for: add a line for us to pg_hba.conf of the server \
                    (`hayloft pg hba effective` shows which rule decides), and reload it";
        }
        if self.message.contains("is not permitted to log in") {
            return "the role is there and may not log in: ALTER ROLE … LOGIN on the server";
        }
        if self.message.contains("does not exist") {
            return "check `user`: the server has no such role; `hayloft pg server grant-sql` \
                    prints the SQL that makes one";
        }
        "the password was not what was wrong: the rule in pg_hba.conf that decides has another \
         way to know who we are (peer, ident, cert, …); run this as that user, map the name in \
         pg_ident.conf, or let the rule ask for a password"
    }

    pub(crate) fn remedy(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "28P01" => "check `user`, and the password: it may have been changed",
            "28000" => self.remedy_of_refusal(),
            "3D000" => "`dbname` must name a database that is there, such as postgres",
            // The names of settings are in no translation.
            "53300" if self.message.contains("max_wal_senders") => {
                "raise max_wal_senders of the server and restart it, or end one of those that \
                 pg_stat_replication lists"
            }
            "53300" => "raise max_connections of the server, or the role's CONNECTION LIMIT",
            "53400" => {
                "raise max_replication_slots of the server and restart it, or drop a slot that \
                 nobody needs: pg_replication_slots lists them"
            }
            "57P03" => "wait until the server has started",
            "42501" => "`hayloft pg server grant-sql` prints the rights that are needed",
            _ => return None,
        })
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server says: {}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

/// Why a query has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The server refused.
    #[error("{0}")]
    Server(ServerMessage),
    /// The connection is gone.
    #[error("the connection to the server is lost: {0}")]
    Lost(String),
    /// It took too long, and was cancelled.
    #[error("the server did not answer within {} s", seconds(*_0))]
    TimedOut(Duration),
    /// The answer is not what this crate expects.
    #[error("the server's answer cannot be read: {0}")]
    Answer(String),
    /// Only a primary can do it, and the server is a standby, or recovers.
    #[error("the server is a standby or recovers; only a primary can do that")]
    InRecovery,
    /// The end of a backup waited for the archive of the server in vain.
    #[error(
        "the server did not archive the WAL of the backup within {} s, and the backup is void",
        seconds(*limit)
    )]
    NotArchived {
        /// How long was waited.
        limit: Duration,
    },
    /// This version of the server cannot do it.
    #[error("{what} needs PostgreSQL {needs}, and the server is {found}")]
    Version {
        /// What was asked for.
        what: &'static str,
        /// Which versions can.
        needs: &'static str,
        /// The server's.
        found: ServerVersion,
    },
}

impl QueryError {
    /// Returns what the server said, if it was the server that refused.
    pub fn refusal(&self) -> Option<&ServerMessage> {
        match self {
            Self::Server(message) => Some(message),
            _ => None,
        }
    }

    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self::Server(ServerMessage::of(error));
        }
        let text = chain(error);
        if error.is_closed() || text.contains("communicating") {
            Self::Lost(text)
        } else {
            Self::Answer(text)
        }
    }
}

/// An error of the client with its causes, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

impl Failure for QueryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Server(message) => message.kind(),
            Self::Lost(_) => ErrorKind::Connection,
            Self::TimedOut(_) | Self::NotArchived { .. } => ErrorKind::TimedOut,
            Self::Answer(_) => ErrorKind::Server,
            Self::InRecovery => ErrorKind::InRecovery,
            Self::Version { .. } => ErrorKind::Unsupported,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Server(message) => {
                message.hint.clone().or_else(|| message.remedy().map(ToOwned::to_owned))
            }
            Self::InRecovery => Some("ask the primary".to_owned()),
            Self::NotArchived { .. } => Some(
                "pg_stat_archiver tells whether archiving fails; on a standby, the primary must \
                 finish a segment: CHECKPOINT and SELECT pg_switch_wal() there"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
