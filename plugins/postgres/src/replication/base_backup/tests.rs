//! The events of recorded and of impossible messages.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::{
    super::protocol::{Frame, LONGEST_FRAME, split_frame},
    *,
};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn row(columns: &[Option<&str>]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u16(u16::try_from(columns.len()).unwrap());
    for column in columns {
        match column {
            None => body.put_i32(-1),
            Some(text) => {
                body.put_i32(i32::try_from(text.len()).unwrap());
                body.put_slice(text.as_bytes());
            }
        }
    }
    message(b'D', &body)
}

/// What a server says, cut into messages and followed.
fn follow(major: u32, said: &[u8]) -> Result<Vec<BackupEvent>, String> {
    let (mut input, mut follower) = (BytesMut::from(said), Follower::new(major));
    while let Some(frame) = split_frame(&mut input, LONGEST_FRAME).map_err(|e| e.to_string())? {
        let message = Message::parse(frame).map_err(|e| e.to_string())?;
        if message != Message::Ready || !follower.is_done() {
            follower.take(message).map_err(|e| e.to_string())?;
        }
    }
    Ok(follower.events.into())
}

/// The shape of what servers of 14 were seen to send, with two archives.
fn of_14() -> Vec<Vec<u8>> {
    vec![
        message(b'T', b"recptr, tli"),
        row(&[Some("0/2000028"), Some("1")]),
        message(b'C', b"SELECT\0"),
        message(b'T', b"spcoid, spclocation, size"),
        row(&[Some("16384"), Some("/srv/ts"), Some("8")]),
        row(&[None, None, None]),
        message(b'C', b"SELECT\0"),
        message(b'H', &[0, 0, 0]),
        message(b'd', &[b't'; 512]),
        message(b'c', b""),
        message(b'H', &[0, 0, 0]),
        message(b'd', &[b'b'; 512]),
        message(b'c', b""),
        message(b'H', &[0, 0, 0]),
        message(b'd', b"{}"),
        message(b'c', b""),
        message(b'T', b"recptr, tli"),
        row(&[Some("0/2000100"), Some("1")]),
        message(b'C', b"SELECT\0"),
        message(b'C', b"BASE_BACKUP\0"),
        message(b'Z', b"I"),
    ]
}

#[test]
fn separate_copies_of_old_servers_are_the_same_events() {
    let events = follow(14, &of_14().concat()).unwrap();
    let zeros = BackupEvent::Data(Bytes::from_static(&[0; 1024]));
    let lsn = |text: &str| text.parse().unwrap();
    let first = crate::wal::TimelineId::FIRST;
    let space = Tablespace { oid: Some(16384), path: Some("/srv/ts".into()), size: Some(8192) };
    let base = Tablespace { oid: None, path: None, size: None };
    let expected = [
        BackupEvent::Start { position: lsn("0/2000028"), timeline: first },
        BackupEvent::Tablespaces(vec![space, base]),
        BackupEvent::Archive { name: "16384.tar".into(), tablespace: Some("/srv/ts".into()) },
        BackupEvent::Data(Bytes::from_static(&[b't'; 512])),
        zeros.clone(),
        BackupEvent::Progress(1536),
        BackupEvent::Archive { name: "base.tar".into(), tablespace: None },
        BackupEvent::Data(Bytes::from_static(&[b'b'; 512])),
        zeros,
        BackupEvent::Progress(3072),
        BackupEvent::Manifest,
        BackupEvent::ManifestData(Bytes::from_static(b"{}")),
        BackupEvent::End { position: lsn("0/2000100"), timeline: first },
    ];
    assert_eq!(events, expected);
}

#[test]
fn more_copies_than_there_can_be_are_refused() {
    let mut said = of_14();
    said.insert(16, message(b'H', &[0, 0, 0]));
    assert!(follow(14, &said.concat()).unwrap_err().contains("the end of a base backup"));
    let mut said = of_14();
    said.truncate(13);
    said.push(message(b'Z', b"I"));
    assert!(follow(14, &said.concat()).is_err(), "ready before the end");
}

proptest! {
    #[test]
    fn any_messages_are_events_or_an_error(
        messages in prop::collection::vec(
            (prop::sample::select(&b"TDCHdcEWG"[..]), prop::collection::vec(any::<u8>(), 0..20)),
            0..30,
        ),
        major in 13u32..=18,
    ) {
        let mut follower = Follower::new(major);
        for (tag, body) in messages {
            let Ok(message) = Message::parse(Frame { tag, body: body.into() }) else { continue };
            if follower.take(message).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_damaged_backup_is_events_or_an_error(at in 0usize..400, byte: u8, major in 13u32..=18) {
        let mut said = of_14().concat();
        let at = at % said.len();
        said[at] = byte;
        let _ = follow(major, &said);
    }
}
