//! The slot of a receiver.

use std::time::Duration;

use super::{
    error::ReceiveError,
    figures::News,
    options::{ReceiveOptions, SlotUse, Supervisor},
};
use crate::{
    connection::Connection,
    replication::{PhysicalSlot, ReplicationConnection, ReplicationError, SlotOptions, SlotState},
    roles::quote_literal,
};

/// How long a server may take to tell of a slot by SQL.
const LIMIT: Duration = Duration::from_secs(10);
/// What can be asked of a slot by the replication protocol since 15 only.
const SINCE: u32 = 15;

/// Sees to it that the slot is there, and returns what it keeps.
pub(super) fn prepare(
    connection: &mut ReplicationConnection,
    options: &ReceiveOptions,
    supervisor: &dyn Supervisor,
) -> Result<Option<PhysicalSlot>, ReceiveError> {
    let Some(slot) = &options.slot else { return Ok(None) };
    if connection.version().major() < SINCE {
        if slot.create {
            make(connection, slot, supervisor)?;
        }
        return Ok(by_sql(options, &slot.name));
    }
    let read = |connection: &mut ReplicationConnection| connection.read_slot(&slot.name);
    match read(connection)? {
        SlotState::Physical(found) => return Ok(Some(found)),
        SlotState::Missing if slot.create => make(connection, slot, supervisor)?,
        SlotState::Missing => return Err(missing(&slot.name)),
    }
    match read(connection)? {
        SlotState::Physical(found) => Ok(Some(found)),
        SlotState::Missing => Err(missing(&slot.name)),
    }
}

fn missing(name: &str) -> ReceiveError {
    ReplicationError::NoSlot { slot: name.to_owned() }.into()
}

fn make(
    connection: &mut ReplicationConnection,
    slot: &SlotUse,
    supervisor: &dyn Supervisor,
) -> Result<(), ReceiveError> {
    let options = SlotOptions { temporary: false, reserve_wal: true };
    match connection.create_slot(&slot.name, options) {
        Ok(()) => supervisor.say(&News::SlotMade { slot: slot.name.clone() }),
        Err(ReplicationError::SlotExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// What SQL tells; nothing if it cannot be had, which is no reason not to
/// stream.
fn by_sql(options: &ReceiveOptions, name: &str) -> Option<PhysicalSlot> {
    let connection = Connection::open_within(options.sql.as_ref()?, Some(LIMIT)).ok()?;
    connection.set_limit(LIMIT);
    let name = quote_literal(name);
    let question = format!(
        "SELECT restart_lsn FROM pg_catalog.pg_replication_slots \
         WHERE slot_name = {name} AND slot_type = 'physical'"
    );
    let rows = connection.simple(&question).ok()?;
    let restart = rows.first()?.first()?.as_deref()?.parse().ok()?;
    Some(PhysicalSlot { restart: Some(restart), timeline: None })
}
