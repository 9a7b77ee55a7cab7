//! Cedar Backup's state of a repository, read once when there is none of
//! ours.
//!
//! It is a pickle of an integer. A pickle can run programs; this reader knows
//! the instructions that Python writes for an integer, in every protocol, and
//! refuses every other.

use thiserror::Error;

/// Why a `.svnlast` cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("it is no number of a revision as Cedar Backup writes it")]
pub(crate) struct NotARevision;

/// Reads the revision that was dumped last.
///
/// # Errors
///
/// If there is anything but one pickled integer that can be a revision.
pub(crate) fn read(data: &[u8]) -> Result<u64, NotARevision> {
    pickled(data).and_then(|it| u64::try_from(it).ok()).ok_or(NotARevision)
}

fn pickled(data: &[u8]) -> Option<i64> {
    let data = data.strip_suffix(b".")?;
    let (protocol, data) = match data.strip_prefix(&[0x80]) {
        Some([version @ 2..=5, rest @ ..]) => (*version, rest),
        Some(_) => return None,
        None => (0, data),
    };
    // Protocol 4 may put a frame around it, whose length counts the `.` too.
    let data = match data.strip_prefix(&[0x95]) {
        Some(framed) if protocol >= 4 => {
            let (length, rest) = framed.split_first_chunk::<8>()?;
            (u64::from_le_bytes(*length) == rest.len() as u64 + 1).then_some(rest)?
        }
        _ => data,
    };
    let (instruction, rest) = data.split_first()?;
    match (instruction, rest) {
        (b'I', text) => decimal(text.strip_suffix(b"\n")?),
        (b'L', text) => {
            let text = text.strip_suffix(b"\n")?;
            decimal(text.strip_suffix(b"L").unwrap_or(text))
        }
        (b'K', &[byte]) => Some(byte.into()),
        (b'M', &[low, high]) => Some(u16::from_le_bytes([low, high]).into()),
        (b'J', bytes) => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        (0x8a, [length, bytes @ ..]) => {
            (usize::from(*length) == bytes.len()).then(|| little_endian(bytes))?
        }
        (0x8b, bytes) => {
            let (length, bytes) = bytes.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
            (length == bytes.len()).then(|| little_endian(bytes))?
        }
        _ => None,
    }
}

/// `I00` and `I01` are false and true, not numbers.
fn decimal(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let number = digits == b"0" || digits.first().is_some_and(|it| *it != b'0');
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    (number && plain).then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// Two's complement, as long as need be; nothing at all is 0.
fn little_endian(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|it| *it >= 0x80);
    let mut number = [if negative { 0xff } else { 0 }; 8];
    number.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn what_python_writes_for_a_revision_is_read() {
        // Made with pickle.dumps(number, protocol) of Python 3.11 and 2.7.
        let cases: &[(&[u8], u64)] = &[
            (b"I3\n.", 3),
            (b"I0\n.", 0),
            (b"L2147483648L\n.", 2_147_483_648),
            (b"K\x03.", 3),
            (b"M\xe8\x03.", 1000),
            (b"\x80\x02K\x03.", 3),
            (b"\x80\x03J@\xe2\x01\x00.", 123_456),
            (b"\x80\x02\x8a\x05\x00\x00\x00\x80\x00.", 2_147_483_648),
            (b"\x80\x02\x8a\x00.", 0),
            (b"\x80\x04K\x03.", 3),
            (b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00M\xe8\x03.", 1000),
            (b"\x80\x05\x95\x06\x00\x00\x00\x00\x00\x00\x00J@\xe2\x01\x00.", 123_456),
            (b"\x80\x02\x8b\x02\x00\x00\x00\xe8\x03.", 1000),
        ];
        for (data, revision) in cases {
            assert_eq!(read(data), Ok(*revision), "{data:?}");
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        let cases: &[&[u8]] = &[
            b"",
            b".",
            b"I3\n",
            b"I3.",
            b"I3\n.\n",
            b"I3\n.I4\n.",
            b"I-1\n.",
            b"I01\n.",
            b"I00\n.",
            b"I+3\n.",
            b"I 3\n.",
            b"I3\nI4\n.",
            b"L99999999999999999999999L\n.",
            b"N.",
            b"\x88.",
            b"J\xff\xff\xff\xff.",
            b"\x80\x06K\x03.",
            b"\x80\x02\x8a\x09\x00\x00\x00\x80\x00\x00\x00\x00\x00.",
            b"\x80\x02\x8b\xff\xff\xff\xff.",
            b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00M\xe8\x03.",
            b"cos\nsystem\n(S'true'\ntR.",
            b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
            b"3\n",
        ];
        for data in cases {
            assert_eq!(read(data), Err(NotARevision), "{:?}", String::from_utf8_lossy(data));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_revision_or_not(data in vec(any::<u8>(), 0..40)) {
            let _ = read(&data);
            let _ = read(&[b"\x80\x04".as_slice(), &data, b"."].concat());
        }

        #[test]
        fn every_revision_survives(revision in 0..=i64::MAX) {
            let number = u64::try_from(revision).unwrap();
            prop_assert_eq!(read(format!("I{revision}\n.").as_bytes()), Ok(number));
            prop_assert_eq!(read(format!("L{revision}L\n.").as_bytes()), Ok(number));
            let bytes = revision.to_le_bytes();
            let long = [b"\x80\x03\x8a\x08".as_slice(), &bytes, b"."].concat();
            prop_assert_eq!(read(&long), Ok(number));
        }
    }
}
