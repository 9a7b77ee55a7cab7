//! Replication slots.

use super::{
    command,
    error::{About, ReplicationError},
    session::ReplicationConnection,
};
use crate::wal::{Lsn, TimelineId};

/// How a slot is to be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotOptions {
    /// Whether it goes with the connection.
    pub temporary: bool,
    /// Whether it keeps WAL from now on, instead of from its first use.
    pub reserve_wal: bool,
}

/// What a physical slot keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalSlot {
    /// The oldest WAL that it keeps; `None` if it has never been used.
    pub restart: Option<Lsn>,
    /// The timeline of that, if the server knows it.
    pub timeline: Option<TimelineId>,
}

/// What `READ_REPLICATION_SLOT` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotState {
    /// There is none of that name.
    Missing,
    /// It is a physical slot.
    Physical(PhysicalSlot),
}

impl ReplicationConnection {
    /// Makes a physical slot (`CREATE_REPLICATION_SLOT`).
    ///
    /// # Errors
    ///
    /// [`ReplicationError::SlotExists`], [`ReplicationError::SlotName`],
    /// [`ReplicationError::TooManySlots`], [`ReplicationError::WalLevel`],
    /// [`ReplicationError::NoRight`].
    pub fn create_slot(
        &mut self,
        name: &str,
        options: SlotOptions,
    ) -> Result<(), ReplicationError> {
        let SlotOptions { temporary, reserve_wal } = options;
        let command = command::create_slot(name, temporary, reserve_wal, self.version())?;
        self.row(&command, About::Slot(name)).map(drop)
    }

    /// Removes a slot (`DROP_REPLICATION_SLOT`). With `wait` it waits until
    /// nobody uses it, however long that takes; a
    /// [`Canceller`](super::Canceller) ends that.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::NoSlot`], [`ReplicationError::SlotInUse`].
    pub fn drop_slot(&mut self, name: &str, wait: bool) -> Result<(), ReplicationError> {
        self.usable()?;
        let command = command::drop_slot(name, wait)?;
        let mut patience = self.for_answers();
        if wait {
            patience.limit = None;
        }
        let rows = self.wire.rows(&command, About::Slot(name), patience);
        self.runtime.block_on(rows).map(drop)
    }

    /// Tells what a slot keeps (`READ_REPLICATION_SLOT`, from 15 on). Before,
    /// the view `pg_replication_slots` does.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Version`]; [`ReplicationError::Server`] if it is a
    /// logical slot.
    pub fn read_slot(&mut self, name: &str) -> Result<SlotState, ReplicationError> {
        self.needs(15, "READ_REPLICATION_SLOT", "15 or later")?;
        let name = command::slot(name)?;
        let row = self.row(&format!("READ_REPLICATION_SLOT {name}"), About::Command)?;
        if row.text(0, "the type of a slot")?.is_none() {
            return Ok(SlotState::Missing);
        }
        let (restart, timeline) = (row.get(1, "a position")?, row.get(2, "a timeline")?);
        Ok(SlotState::Physical(PhysicalSlot { restart, timeline }))
    }
}
