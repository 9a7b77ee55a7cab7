//! Messages cut out of the stream of bytes.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The longest message that is taken from a server, in bytes. The longest
/// that there are hold 128 KiB of WAL, or a history file.
pub const LONGEST_FRAME: usize = 16 << 20;

/// Tag and length.
const HEAD: usize = 5;

/// One message of the server, not yet looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub tag: u8,
    /// What is in it.
    pub body: Bytes,
}

/// What a server sent cannot be understood: it is none, or something on the
/// way damaged it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A message is shorter than its own head, or longer than any can be.
    #[error("a message of kind {} says that it has {length} bytes", shown(*tag))]
    Length {
        /// Its kind.
        tag: u8,
        /// What it says.
        length: u32,
    },
    /// A message ends before it is whole, or goes on behind its end.
    #[error("a message is cut off or too long: {what}")]
    Cut {
        /// Which.
        what: &'static str,
    },
    /// There is no such message, or not here.
    #[error("a message of kind {} is not expected: {what}", shown(*tag))]
    Unexpected {
        /// Its kind.
        tag: u8,
        /// What was expected.
        what: &'static str,
    },
    /// A value is none of those it can be.
    #[error("{what} cannot be `{value}`")]
    Value {
        /// What it is.
        what: &'static str,
        /// The value.
        value: String,
    },
}

fn shown(tag: u8) -> String {
    if tag.is_ascii_graphic() { format!("`{}`", char::from(tag)) } else { format!("{tag:#04x}") }
}

impl Malformed {
    pub(crate) fn value(what: &'static str, value: &[u8]) -> Self {
        Self::Value { what, value: String::from_utf8_lossy(&value[..value.len().min(100)]).into() }
    }
}

/// Cuts the next message out of what came, if it is there as a whole. Its
/// body is not copied.
///
/// # Errors
///
/// [`Malformed::Length`] as soon as the head is there, so that nobody waits
/// for what will not come.
pub fn split_frame(input: &mut BytesMut, longest: usize) -> Result<Option<Frame>, Malformed> {
    let Some(&[tag, a, b, c, d]) = input.first_chunk::<HEAD>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]);
    let bad = Malformed::Length { tag, length };
    let Ok(whole) = usize::try_from(length) else { return Err(bad) };
    if !(HEAD - 1..=longest).contains(&whole) {
        return Err(bad);
    }
    if input.len() <= whole {
        return Ok(None);
    }
    let mut frame = input.split_to(whole + 1);
    frame.advance(HEAD);
    Ok(Some(Frame { tag, body: frame.freeze() }))
}

/// Takes bytes off the front.
pub(super) fn take(body: &mut Bytes, count: usize, what: &'static str) -> Result<Bytes, Malformed> {
    if body.len() < count { Err(Malformed::Cut { what }) } else { Ok(body.split_to(count)) }
}

/// Takes a number off the front.
pub(super) fn take_u64(body: &mut Bytes, what: &'static str) -> Result<u64, Malformed> {
    body.try_get_u64().map_err(|_| Malformed::Cut { what })
}

/// Takes a text that ends with a zero byte off the front.
pub(super) fn take_text(body: &mut Bytes, what: &'static str) -> Result<Bytes, Malformed> {
    let end = body.iter().position(|it| *it == 0).ok_or(Malformed::Cut { what })?;
    let text = body.split_to(end);
    body.advance(1);
    Ok(text)
}

/// Nothing may be left.
pub(super) fn ended(body: &Bytes, what: &'static str) -> Result<(), Malformed> {
    if body.is_empty() { Ok(()) } else { Err(Malformed::Cut { what }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_that_cannot_be_is_found_at_once() {
        for length in [0u32, 3, 16 << 20 | 1, u32::MAX] {
            let mut input = BytesMut::from(&[&b"d"[..], &length.to_be_bytes()].concat()[..]);
            let error = split_frame(&mut input, LONGEST_FRAME).unwrap_err();
            assert_eq!(error, Malformed::Length { tag: b'd', length });
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..50)), 0..20),
            size in 1..40usize,
        ) {
            let mut all = Vec::new();
            for (tag, body) in &messages {
                all.push(*tag);
                all.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
                all.extend(body);
            }
            let (mut input, mut found) = (BytesMut::new(), Vec::new());
            for piece in all.chunks(size) {
                input.extend_from_slice(piece);
                while let Some(frame) = split_frame(&mut input, LONGEST_FRAME).unwrap() {
                    found.push((frame.tag, frame.body.to_vec()));
                }
            }
            prop_assert_eq!(found, messages);
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_messages_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = split_frame(&mut input, 1 << 10) {}
        }
    }
}
