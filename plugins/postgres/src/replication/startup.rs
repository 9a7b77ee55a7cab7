//! From a stream to a connection that takes commands.

use bytes::Bytes;
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256},
    },
    message::frontend,
};

use super::{
    error::{About, ReplicationError},
    protocol::{Authentication, Message},
    wire::{Patience, Wire},
};
use crate::{
    connection::{ConnectProblem, Place, Protocol, ServerKind, chain, open_place},
    conninfo::{ChannelBinding, HostTarget, Target},
};

/// Whoever opens the connection bounds it as a whole.
const BEGIN: Patience = Patience { limit: None, during: "the connection began" };

/// Replication, to those who open connections.
pub(super) struct Physical<'a>(pub(super) &'a Target);

/// What has begun.
pub(super) struct Begun {
    pub(super) wire: Wire,
    pub(super) host: HostTarget,
    pub(super) place: Place,
    pub(super) encrypted: bool,
    pub(super) bound: bool,
    pub(super) auth_method: &'static str,
    pub(super) process: u32,
    pub(super) key: Bytes,
}

impl Protocol for Physical<'_> {
    type Session = Begun;

    async fn begin(
        &self,
        host: &HostTarget,
        place: &Place,
        encrypted: bool,
    ) -> Result<Begun, ConnectProblem> {
        let mut opened = open_place(self.0, host, place, encrypted).await?;
        opened.stream.leave_startup_alone();
        let encrypted = opened.stream.is_encrypted();
        let watch = opened.stream.auth_watch().clone();
        let mut login = Login {
            target: self.0,
            host,
            wire: Wire::new(opened.stream),
            scram: None,
            bound: false,
            key: (0, Bytes::new()),
        };
        login.run().await.map_err(|problem| match watch.forbidden() {
            Some(method) => ConnectProblem::AuthMethod { method: method.to_owned() },
            None => problem,
        })?;
        let Login { wire, bound, key: (process, key), .. } = login;
        let auth_method = watch.method().unwrap_or("none");
        let place = opened.place;
        Ok(Begun { wire, host: host.clone(), place, encrypted, bound, auth_method, process, key })
    }

    /// From 14 on a server tells it without being asked (`in_hot_standby`).
    async fn kind(&self, session: &mut Begun) -> Result<ServerKind, ConnectProblem> {
        let told = &session.wire.parameters;
        let is_on = |name: &str| told.get(name).map(|it| it == "on");
        if let (Some(standby), Some(by_default)) =
            (is_on("in_hot_standby"), is_on("default_transaction_read_only"))
        {
            return Ok(ServerKind { standby, read_only: standby || by_default });
        }
        let rows = session.wire.rows("SHOW transaction_read_only", About::Command, BEGIN).await;
        let rows = rows.map_err(|e| problem(&e))?;
        let read_only = rows.first().and_then(|it| it.bytes(0)).is_some_and(|it| &it[..] == b"on");
        // 13 tells a standby apart from a read-only primary in SQL only.
        Ok(ServerKind { standby: read_only, read_only })
    }
}

/// A login under way.
struct Login<'a> {
    target: &'a Target,
    host: &'a HostTarget,
    wire: Wire,
    scram: Option<ScramSha256>,
    /// Whether the password is bound to the encryption, and the server has
    /// proved that it knows it.
    bound: bool,
    key: (u32, Bytes),
}

impl Login<'_> {
    async fn run(&mut self) -> Result<(), ConnectProblem> {
        let parameters = parameters(self.target);
        let put = frontend::startup_message(parameters, &mut self.wire.output);
        put.map_err(|e| ConnectProblem::Protocol(e.to_string()))?;
        self.send().await?;
        loop {
            match self.wire.message(BEGIN).await.map_err(|e| problem(&e))? {
                Message::Authentication(request) => self.answer(request).await?,
                Message::Error(error) => return Err(ConnectProblem::Refused(error)),
                Message::Key(process, key) => self.key = (process, key),
                Message::Ready => return Ok(()),
                _ => return Err(garbage("it does not answer as PostgreSQL does")),
            }
        }
    }

    async fn send(&mut self) -> Result<(), ConnectProblem> {
        self.wire.send(BEGIN).await.map_err(|e| problem(&e))
    }

    fn password(&self) -> Result<&str, ConnectProblem> {
        match &self.host.password {
            Some(password) => Ok(password.expose()),
            None => Err(ConnectProblem::PasswordMissing),
        }
    }

    async fn answer(&mut self, request: Authentication) -> Result<(), ConnectProblem> {
        let must_bind = self.target.channel_binding == ChannelBinding::Require;
        match request {
            Authentication::Ok if must_bind && !self.bound => {
                return Err(ConnectProblem::ChannelBinding);
            }
            // The server has to prove itself before it may say that all is well.
            Authentication::Ok if self.scram.is_some() => {
                return Err(unproved("the server did not prove that it knows the password"));
            }
            Authentication::Ok => return Ok(()),
            Authentication::Password | Authentication::Md5(_) if must_bind => {
                return Err(ConnectProblem::ChannelBinding);
            }
            Authentication::Password => {
                let password = self.password()?.to_owned();
                self.put(|out| frontend::password_message(password.as_bytes(), out))?;
            }
            Authentication::Md5(salt) => {
                let password = self.password()?.as_bytes();
                let hash = md5_hash(self.target.user.as_bytes(), password, salt);
                self.put(|out| frontend::password_message(hash.as_bytes(), out))?;
            }
            Authentication::Sasl(mechanisms) => self.begin_scram(&mechanisms)?,
            Authentication::SaslContinue(data) => {
                let mut scram = self.scram.take().ok_or_else(|| garbage("no SCRAM has begun"))?;
                scram.update(&data).map_err(|e| unproved(&e.to_string()))?;
                self.put(|out| frontend::sasl_response(scram.message(), out))?;
                self.scram = Some(scram);
            }
            Authentication::SaslFinal(data) => {
                let mut scram = self.scram.take().ok_or_else(|| garbage("no SCRAM has begun"))?;
                return scram.finish(&data).map_err(|e| unproved(&e.to_string()));
            }
            Authentication::Unknown(kind) => {
                let text = format!("the server wants a method that is not spoken here ({kind})");
                return Err(ConnectProblem::Authentication(text));
            }
        }
        self.send().await
    }

    fn put(
        &mut self,
        put: impl FnOnce(&mut bytes::BytesMut) -> std::io::Result<()>,
    ) -> Result<(), ConnectProblem> {
        put(&mut self.wire.output).map_err(|e| ConnectProblem::Authentication(e.to_string()))
    }

    fn begin_scram(&mut self, mechanisms: &[String]) -> Result<(), ConnectProblem> {
        let wanted = self.target.channel_binding;
        let has = |name: &str| mechanisms.iter().any(|it| it == name);
        let hash = self.wire.stream().channel_binding().map(<[u8]>::to_vec);
        let plus = has(SCRAM_SHA_256_PLUS) && wanted != ChannelBinding::Disable;
        let (mechanism, binding, bound) = match hash {
            Some(hash) if plus => (SCRAM_SHA_256_PLUS, Binding::tls_server_end_point(hash), true),
            _ if wanted == ChannelBinding::Require => return Err(ConnectProblem::ChannelBinding),
            _ if !has(SCRAM_SHA_256) => {
                return Err(unproved("the server offers no mechanism that is spoken here"));
            }
            // We could have; should somebody on the way have taken the offer
            // out, then the server notices.
            Some(_) if wanted == ChannelBinding::Prefer => {
                (SCRAM_SHA_256, Binding::unrequested(), false)
            }
            _ => (SCRAM_SHA_256, Binding::unsupported(), false),
        };
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        self.put(|out| frontend::sasl_initial_response(mechanism, scram.message(), out))?;
        self.scram = Some(scram);
        self.bound = bound;
        Ok(())
    }
}

/// Physical replication knows no database; the one that is named matters
/// to connection poolers and to nobody else.
fn parameters(target: &Target) -> Vec<(&str, &str)> {
    let mut all = vec![
        ("user", target.user.as_str()),
        ("database", target.dbname.as_str()),
        ("replication", "true"),
        // Paths of tablespaces are bytes. In any other encoding the server would
        // refuse to send one that is no text.
        ("client_encoding", "SQL_ASCII"),
    ];
    if let Some(options) = &target.options {
        all.push(("options", options));
    }
    if let Some(name) = &target.application_name {
        all.push(("application_name", name));
    }
    all
}

fn unproved(text: &str) -> ConnectProblem {
    ConnectProblem::Authentication(text.to_owned())
}

fn garbage(text: &str) -> ConnectProblem {
    ConnectProblem::Protocol(text.to_owned())
}

fn problem(error: &ReplicationError) -> ConnectProblem {
    match error.refusal() {
        Some(message) => ConnectProblem::Refused(message.clone()),
        None => ConnectProblem::Protocol(chain(error)),
    }
}
