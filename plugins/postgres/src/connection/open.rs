//! From a target to a session: which host, which encryption, who refuses.

use std::{future::Future, io, time::Duration};

use rand::seq::SliceRandom;
use tokio::time;
use tokio_postgres::{
    Client, Config, SimpleQueryMessage,
    config::{ChannelBinding as Binding, SslMode as ClientSslMode, SslNegotiation as Negotiation},
    tls::{ChannelBinding as BindingData, TlsConnect, TlsStream},
};

use super::{
    address::{self, Place},
    encryptions,
    error::{Attempt, ConnectError, ConnectProblem, ServerMessage, chain},
    stream::{self, Stream},
};
use crate::conninfo::{ChannelBinding, HostTarget, SessionAttrs, Target};

/// What a session runs on.
pub(super) type Driver = tokio_postgres::Connection<Stream, Stream>;

/// A session that was opened.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) host: HostTarget,
    pub(super) place: Place,
    pub(super) encrypted: bool,
    pub(super) auth_method: &'static str,
}

/// What is spoken once a stream is open: SQL, or replication.
pub(crate) trait Protocol {
    /// What comes of it.
    type Session;

    /// Authenticates at one place, with or without encryption.
    async fn begin(
        &self,
        host: &HostTarget,
        place: &Place,
        encrypted: bool,
    ) -> Result<Self::Session, ConnectProblem>;

    /// Asks the server of what kind it is.
    async fn kind(&self, session: &mut Self::Session) -> Result<ServerKind, ConnectProblem>;
}

/// What `target_session_attrs` is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerKind {
    /// Whether it is a standby.
    pub(crate) standby: bool,
    /// Whether sessions cannot write.
    pub(crate) read_only: bool,
}

/// SQL.
struct Sql<'a>(&'a Target);

impl Protocol for Sql<'_> {
    type Session = Session;

    async fn begin(
        &self,
        host: &HostTarget,
        place: &Place,
        encrypted: bool,
    ) -> Result<Session, ConnectProblem> {
        begin(self.0, host, place, encrypted).await
    }

    async fn kind(&self, session: &mut Session) -> Result<ServerKind, ConnectProblem> {
        kind(session).await
    }
}

/// The streams that we hand over are encrypted already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Negotiated;

impl TlsConnect<Stream> for Negotiated {
    type Stream = Stream;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Stream>>;

    fn connect(self, stream: Stream) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> BindingData {
        match Stream::channel_binding(self) {
            Some(hash) => BindingData::tls_server_end_point(hash.to_vec()),
            None => BindingData::none(),
        }
    }
}

/// Opens a session of SQL.
pub(super) async fn open(target: &Target) -> Result<Session, ConnectError> {
    open_with(target, &Sql(target)).await
}

/// Goes through the hosts.
pub(crate) async fn open_with<P: Protocol>(
    target: &Target,
    protocol: &P,
) -> Result<P::Session, ConnectError> {
    let mut hosts: Vec<&HostTarget> = target.hosts.iter().collect();
    if target.load_balance {
        hosts.shuffle(&mut rand::rng());
    }
    let rounds: &[SessionAttrs] = match target.session_attrs {
        SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
        SessionAttrs::Any => &[SessionAttrs::Any],
        SessionAttrs::ReadWrite => &[SessionAttrs::ReadWrite],
        SessionAttrs::ReadOnly => &[SessionAttrs::ReadOnly],
        SessionAttrs::Primary => &[SessionAttrs::Primary],
        SessionAttrs::Standby => &[SessionAttrs::Standby],
    };
    let mut attempts = Vec::new();
    let mut last = ConnectProblem::NoAddress;
    for attrs in rounds {
        attempts.clear();
        for host in &hosts {
            match open_host(target, protocol, host, *attrs).await {
                Ok(session) => return Ok(session),
                Err(problem) => {
                    let text = chain(&problem);
                    attempts.push(Attempt { place: host.to_string(), problem: text });
                    let ends = !problem.tries_next();
                    last = problem;
                    if ends {
                        return Err(ConnectError::new(
                            attempts,
                            last,
                            target.passfile_problem.clone(),
                        ));
                    }
                }
            }
        }
    }
    Err(ConnectError::new(attempts, last, target.passfile_problem.clone()))
}

/// Tries the addresses of a host.
async fn open_host<P: Protocol>(
    target: &Target,
    protocol: &P,
    host: &HostTarget,
    attrs: SessionAttrs,
) -> Result<P::Session, ConnectProblem> {
    let resolve = address::resolve(host, target.load_balance);
    let mut last = ConnectProblem::NoAddress;
    for place in within(target.connect_timeout, resolve).await? {
        let attempt = open_place(target, protocol, host, &place, attrs);
        match within(target.connect_timeout, attempt).await {
            Ok(session) => return Ok(session),
            Err(problem) if problem.tries_next() => last = problem,
            Err(problem) => return Err(problem),
        }
    }
    Err(last)
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, ConnectProblem>>,
) -> Result<T, ConnectProblem> {
    match limit {
        None => work.await,
        Some(limit) => {
            time::timeout(limit, work).await.unwrap_or(Err(ConnectProblem::TimedOut(limit)))
        }
    }
}

/// Tries the kinds of encryption.
async fn open_place<P: Protocol>(
    target: &Target,
    protocol: &P,
    host: &HostTarget,
    place: &Place,
    attrs: SessionAttrs,
) -> Result<P::Session, ConnectProblem> {
    let kinds = encryptions(target, host);
    let mut first = None;
    for encrypted in kinds {
        match protocol.begin(host, place, *encrypted).await {
            Ok(session) => return check_attrs(protocol, session, attrs).await,
            Err(problem) if !tries_other_kind(&problem) || kinds.len() == 1 => return Err(problem),
            // What went wrong with the kind that is preferred says most, unless
            // there is no such kind.
            Err(problem) => match first {
                None | Some(ConnectProblem::NoEncryption) => first = Some(problem),
                Some(_) => {}
            },
        }
    }
    Err(first.unwrap_or(ConnectProblem::NoAddress))
}

/// The server may want, or refuse, encryption by its `pg_hba.conf`.
fn tries_other_kind(problem: &ConnectProblem) -> bool {
    match problem {
        ConnectProblem::Refused(message) => message.code == "28000",
        ConnectProblem::NoEncryption | ConnectProblem::Tls { .. } => true,
        _ => false,
    }
}

/// Opens the stream and authenticates.
async fn begin(
    target: &Target,
    host: &HostTarget,
    place: &Place,
    encrypted: bool,
) -> Result<Session, ConnectProblem> {
    let opened = stream::open(target, host, place, encrypted).await?;
    let encrypted = opened.stream.is_encrypted();
    let watch = opened.stream.auth_watch().clone();
    let config = config(target, host);
    let connected = config.connect_raw(opened.stream, Negotiated).await;
    let (client, driver) = connected.map_err(|error| match watch.forbidden() {
        Some(method) => ConnectProblem::AuthMethod { method: method.to_owned() },
        None => problem(&error),
    })?;
    let auth_method = watch.method().unwrap_or("none");
    let host = host.clone();
    Ok(Session { client, driver, host, place: opened.place, encrypted, auth_method })
}

fn config(target: &Target, host: &HostTarget) -> Config {
    let mut config = Config::new();
    config.user(target.user.as_str()).dbname(target.dbname.as_str());
    if let Some(password) = &host.password {
        config.password(password.expose());
    }
    if let Some(options) = &target.options {
        config.options(options.as_str());
    }
    if let Some(name) = &target.application_name {
        config.application_name(name.as_str());
    }
    config.channel_binding(match target.channel_binding {
        ChannelBinding::Disable => Binding::Disable,
        ChannelBinding::Prefer => Binding::Prefer,
        ChannelBinding::Require => Binding::Require,
    });
    // "Direct" asks nothing of the server: the stream is ready as it is.
    config.ssl_mode(ClientSslMode::Require).ssl_negotiation(Negotiation::Direct);
    config
}

fn problem(error: &tokio_postgres::Error) -> ConnectProblem {
    if let Some(error) = error.as_db_error() {
        return ConnectProblem::Refused(ServerMessage::of(error));
    }
    // With TLS 1.3 the server judges our certificate after the handshake.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(it) = found.downcast_ref::<io::Error>()
            && it.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        {
            return super::tls::explain(it);
        }
        cause = found.source();
    }
    let text = chain(error);
    if text.contains("password missing") {
        ConnectProblem::PasswordMissing
    } else if text.contains("channel binding") {
        ConnectProblem::ChannelBinding
    } else if text.contains("authentication") || text.contains("SCRAM") {
        ConnectProblem::Authentication(text)
    } else {
        ConnectProblem::Protocol(text)
    }
}

const ASK: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
                   pg_catalog.current_setting('transaction_read_only')";

/// Asks the server of what kind it is.
async fn kind(session: &mut Session) -> Result<ServerKind, ConnectProblem> {
    let broken = |e: &tokio_postgres::Error| ConnectProblem::Protocol(chain(e));
    let ask = session.client.simple_query(ASK);
    let answer = tokio::select! {
        answer = ask => answer.map_err(|e| broken(&e))?,
        ended = &mut session.driver => {
            let text = ended.err().map_or_else(|| "closed".to_owned(), |e| chain(&e));
            return Err(ConnectProblem::Protocol(text));
        }
    };
    let row = answer.iter().find_map(|it| match it {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let value = |i| row.and_then(|it| it.get(i)).unwrap_or_default();
    Ok(ServerKind { standby: value(0) == "t", read_only: value(1) == "on" || value(0) == "t" })
}

/// Refuses a server of another kind than is wanted, if that matters.
async fn check_attrs<P: Protocol>(
    protocol: &P,
    mut session: P::Session,
    attrs: SessionAttrs,
) -> Result<P::Session, ConnectProblem> {
    if attrs == SessionAttrs::Any {
        return Ok(session);
    }
    let ServerKind { standby, read_only } = protocol.kind(&mut session).await?;
    let (found, wanted) = match attrs {
        SessionAttrs::ReadWrite if read_only => ("is read-only", "read-write"),
        SessionAttrs::ReadOnly if !read_only => ("can be written to", "read-only"),
        SessionAttrs::Primary if standby => ("is a standby", "primary"),
        SessionAttrs::Standby if !standby => ("is no standby", "standby"),
        _ => return Ok(session),
    };
    Err(ConnectProblem::SessionAttrs { found, wanted })
}
