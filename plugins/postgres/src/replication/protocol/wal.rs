//! What is in the copied data of a stream of WAL, and what is answered.

use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{Malformed, ended, take_u64};
use crate::wal::Lsn;

/// 2000-01-01, from which PostgreSQL counts, since 1970.
const EPOCH: Duration = Duration::from_hours(10_957 * 24);

/// One message of a stream of WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalMessage {
    /// WAL.
    Data {
        /// Where its first byte is.
        start: Lsn,
        /// How far the server's WAL goes.
        server_end: Lsn,
        /// When it was sent, by the server's clock.
        sent: SystemTime,
        /// The bytes.
        data: Bytes,
    },
    /// A sign of life.
    Keepalive {
        /// How far the server's WAL goes.
        server_end: Lsn,
        /// When it was sent, by the server's clock.
        sent: SystemTime,
        /// Whether the server will end the connection unless we answer soon.
        reply_requested: bool,
    },
}

impl WalMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is none.
    pub fn parse(mut body: Bytes) -> Result<Self, Malformed> {
        const WHAT: &str = "part of a stream of WAL";
        let kind = body.try_get_u8().map_err(|_| Malformed::Cut { what: WHAT })?;
        Ok(match kind {
            b'w' => {
                let start = Lsn::new(take_u64(&mut body, WHAT)?);
                let server_end = Lsn::new(take_u64(&mut body, WHAT)?);
                let sent = take_time(&mut body, WHAT)?;
                Self::Data { start, server_end, sent, data: body }
            }
            b'k' => {
                let server_end = Lsn::new(take_u64(&mut body, WHAT)?);
                let sent = take_time(&mut body, WHAT)?;
                let reply = body.try_get_u8().map_err(|_| Malformed::Cut { what: WHAT })?;
                ended(&body, WHAT)?;
                Self::Keepalive { server_end, sent, reply_requested: reply != 0 }
            }
            tag => return Err(Malformed::Unexpected { tag, what: WHAT }),
        })
    }
}

/// Reads microseconds since 2000; what no clock can show is the epoch.
fn take_time(body: &mut Bytes, what: &'static str) -> Result<SystemTime, Malformed> {
    let micros = body.try_get_i64().map_err(|_| Malformed::Cut { what })?;
    let base = SystemTime::UNIX_EPOCH + EPOCH;
    let distance = Duration::from_micros(micros.unsigned_abs());
    let time = if micros < 0 { base.checked_sub(distance) } else { base.checked_add(distance) };
    Ok(time.unwrap_or(base))
}

/// How far the receiver is. [`Lsn::ZERO`] claims nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Up to where WAL was written.
    pub written: Lsn,
    /// Up to where it is safe on disk. The server may remove what lies before,
    /// if the connection uses a slot, and takes synchronous transactions for
    /// safe.
    pub flushed: Lsn,
    /// Up to where it was replayed: nothing, for a receiver that only keeps it.
    pub applied: Lsn,
}

impl Progress {
    /// Says that everything up to here is safe on disk.
    pub const fn flushed_to(lsn: Lsn) -> Self {
        Self { written: lsn, flushed: lsn, applied: Lsn::ZERO }
    }
}

/// Returns the content of the message that tells the server how far we are
/// ("Standby status update").
pub fn status_update(progress: Progress, now: SystemTime, reply_wanted: bool) -> Bytes {
    let mut message = BytesMut::with_capacity(34);
    message.put_u8(b'r');
    message.put_u64(progress.written.bytes());
    message.put_u64(progress.flushed.bytes());
    message.put_u64(progress.applied.bytes());
    let since = now.duration_since(SystemTime::UNIX_EPOCH + EPOCH).unwrap_or_default();
    message.put_i64(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    message.put_u8(u8::from(reply_wanted));
    message.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sign_of_life_is_read() {
        let body = b"k\0\0\0\x01\0\0\0\x02\0\0\0\0\0\x0f\x42\x40\x01";
        let expected = WalMessage::Keepalive {
            server_end: "1/2".parse().unwrap(),
            sent: SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_801),
            reply_requested: true,
        };
        assert_eq!(WalMessage::parse(Bytes::from_static(body)).unwrap(), expected);
        assert!(WalMessage::parse(Bytes::from_static(&body[..17])).is_err());
        assert!(WalMessage::parse(Bytes::from_static(b"wshort")).is_err());
        assert!(WalMessage::parse(Bytes::from_static(b"")).is_err());
    }

    #[test]
    fn what_is_not_said_is_not_claimed() {
        let progress = Progress { written: Lsn::new(0x0102), ..Progress::default() };
        let message = status_update(progress, SystemTime::UNIX_EPOCH, true);
        assert_eq!(&message[..], &[&b"r\0\0\0\0\0\0\x01\x02"[..], &[0; 24], &[1]].concat()[..]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_wal_or_an_error(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = WalMessage::parse(Bytes::from(body));
        }

        #[test]
        fn wal_is_not_changed(start: u64, end: u64, time: i64, data: Vec<u8>) {
            let head = [&b"w"[..], &start.to_be_bytes(), &end.to_be_bytes(), &time.to_be_bytes()];
            let body = [&head.concat()[..], &data].concat();
            let WalMessage::Data { start: s, server_end, data: d, .. } =
                WalMessage::parse(Bytes::from(body)).unwrap() else { panic!("no WAL") };
            prop_assert_eq!((s.bytes(), server_end.bytes(), &d[..]), (start, end, &data[..]));
        }
    }
}
