//! Who streams WAL from a server.

use serde::Deserialize;

use super::{Reading, Why};
use crate::wal::Lsn;

// Everything by name: later versions add columns. Who may not see more than
// that somebody is there gets NULL for the state, which has a value otherwise.
pub(super) const CLIENTS: &str = "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
    'pid', c.pid, 'user', c.usename, 'slot', s.slot_name, \
    'details', CASE WHEN c.state IS NOT NULL THEN pg_catalog.json_build_object(\
    'application_name', c.application_name, 'address', pg_catalog.host(c.client_addr), \
    'state', c.state, 'sync_state', c.sync_state, 'sync_priority', c.sync_priority, \
    'sent', c.sent_lsn, 'written', c.write_lsn, 'flushed', c.flush_lsn, \
    'replayed', c.replay_lsn, 'write_lag', extract(epoch FROM c.write_lag), \
    'flush_lag', extract(epoch FROM c.flush_lag), \
    'replay_lag', extract(epoch FROM c.replay_lag), \
    'replied', extract(epoch FROM c.reply_time), \
    'started', extract(epoch FROM c.backend_start)) END) \
    ORDER BY c.sync_state DESC, c.sync_priority, c.pid), '[]') \
    FROM pg_catalog.pg_stat_replication c \
    LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = c.pid \
    WHERE s.slot_type IS NULL OR s.slot_type = 'physical'";

/// Somebody who streams WAL: a standby, or a program that stores it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Row")]
pub struct ReplicationClient {
    /// The number of the server's process for it.
    pub pid: u32,
    /// Its role; none if that was dropped meanwhile.
    pub user: Option<String>,
    /// The slot it uses, if it uses one.
    pub slot: Option<String>,
    /// What it does; only `pg_read_all_stats` and superusers may see it.
    pub details: Reading<ClientDetails>,
}

/// What a client does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClientDetails {
    /// What it calls itself.
    pub application_name: String,
    /// Where it comes from; none for a local socket.
    pub address: Option<String>,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub state: String,
    /// `sync`, `async`, `potential`, `quorum`.
    pub sync_state: String,
    /// Its place among the synchronous ones; 0 for others.
    pub sync_priority: i32,
    /// What was sent.
    pub sent: Option<Lsn>,
    /// What it says that it has written; none before it has said anything.
    pub written: Option<Lsn>,
    /// What it has made durable.
    pub flushed: Option<Lsn>,
    /// What it has replayed; only standbys do.
    pub replayed: Option<Lsn>,
    /// How long ago was written what it has written now, in seconds; none if
    /// it has caught up and nothing happens.
    pub write_lag: Option<f64>,
    /// The same for what it has made durable.
    pub flush_lag: Option<f64>,
    /// The same for what it has replayed.
    pub replay_lag: Option<f64>,
    /// When it last said how far it is, by its own clock, in seconds since
    /// 1970.
    pub replied: Option<f64>,
    /// When it connected, likewise, by the server's clock.
    pub started: f64,
}

/// What Barman tells apart: standbys, and programs that store WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// It replays what it gets.
    Standby,
    /// It stores it, as `pg_receivewal` does, or takes a base backup.
    Receiver,
}

impl ReplicationClient {
    /// Tells what it is. A standby that has only just connected has not said
    /// yet that it replays, and looks like a receiver.
    pub fn kind(&self) -> Reading<ClientKind> {
        self.details.as_ref().map(|it| match it.replayed {
            Some(_) => ClientKind::Standby,
            None => ClientKind::Receiver,
        })
    }
}

/// A row as the server gives it.
#[derive(Deserialize)]
struct Row {
    pid: u32,
    user: Option<String>,
    slot: Option<String>,
    details: Option<ClientDetails>,
}

impl From<Row> for ReplicationClient {
    fn from(row: Row) -> Self {
        let Row { pid, user, slot, details } = row;
        let hidden = || Reading::Unknown(Why::Privilege("pg_read_all_stats".to_owned()));
        Self { pid, user, slot, details: details.map_or_else(hidden, Reading::Value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(state: Option<&str>, replayed: Option<&str>) -> ReplicationClient {
        let details = state.map(|state| {
            serde_json::json!({
                "application_name": "a", "address": null, "state": state, "sync_state": "async",
                "sync_priority": 0, "sent": "0/10", "written": null, "flushed": null,
                "replayed": replayed, "write_lag": null, "flush_lag": null, "replay_lag": null,
                "replied": null, "started": 1.5,
            })
        });
        let row = serde_json::json!({ "pid": 7, "user": "u", "slot": null, "details": details });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_client_that_cannot_be_seen_is_neither_standby_nor_receiver() {
        let cases = [
            (client(Some("streaming"), Some("0/8")), Reading::Value(ClientKind::Standby)),
            (client(Some("streaming"), None), Reading::Value(ClientKind::Receiver)),
        ];
        for (client, kind) in cases {
            assert_eq!(client.kind(), kind, "{client:?}");
            assert_eq!(client.details.value().unwrap().sent, Some(Lsn::new(16)));
        }
        let hidden = client(None, None);
        assert!(matches!(hidden.kind().why(), Some(Why::Privilege(_))), "{hidden:?}");
    }
}
