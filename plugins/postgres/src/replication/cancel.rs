//! Stopping what a connection does, from another thread.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};

use super::stop::Stop;
use crate::{
    connection::{ConnectProblem, Place, open_place, runtime},
    conninfo::{HostTarget, Target},
};

/// How long the server may take to hear that something is to be cancelled.
const LIMIT: Duration = Duration::from_secs(5);
/// The code of the message: "`CancelRequest`".
const CODE: u32 = 80_877_102;

/// Stops what a connection does, from any thread, for good: whoever waits
/// gets [`ReplicationError::Cancelled`](super::ReplicationError::Cancelled)
/// at once, and the connection cannot be used any more.
#[derive(Debug, Clone)]
pub struct Canceller {
    pub(super) stop: Stop,
    pub(super) peer: Arc<Peer>,
}

/// What must be known to speak to the same server again.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) target: Target,
    pub(super) host: HostTarget,
    pub(super) place: Place,
    pub(super) encrypted: bool,
    pub(super) process: u32,
    pub(super) key: Bytes,
}

impl Canceller {
    /// Stops it here, without a word to the server. It does not wait, and
    /// never fails; the server notices when the connection is dropped, or when
    /// it next sends something.
    pub fn stop(&self) {
        self.stop.set();
    }

    /// Stops it here, and asks the server to stop too: it may be waiting for a
    /// checkpoint, or for WAL to be archived, and would go on to.
    ///
    /// # Errors
    ///
    /// A [`ConnectProblem`] if the server cannot be told within 5 s; this side
    /// has stopped anyway.
    pub fn cancel(&self) -> Result<(), ConnectProblem> {
        self.stop();
        let runtime = runtime().map_err(ConnectProblem::Runtime)?;
        runtime.block_on(async {
            let told = time::timeout(LIMIT, self.peer.cancel()).await;
            told.unwrap_or(Err(ConnectProblem::TimedOut(LIMIT)))
        })
    }
}

impl Peer {
    async fn cancel(&self) -> Result<(), ConnectProblem> {
        let opened = open_place(&self.target, &self.host, &self.place, self.encrypted).await?;
        let mut stream = opened.stream;
        stream.leave_startup_alone();
        let length = 12 + self.key.len();
        let mut message = BytesMut::with_capacity(length);
        message.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        message.put_u32(CODE);
        message.put_u32(self.process);
        message.put_slice(&self.key);
        let broken = |e: std::io::Error| ConnectProblem::Protocol(e.to_string());
        stream.write_all(&message).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        // The server answers nothing; it closes once it has passed it on.
        let _ = stream.read_u8().await;
        Ok(())
    }
}
