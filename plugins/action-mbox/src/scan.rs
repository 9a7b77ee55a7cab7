//! Reads a mailbox from its file, with a buffer of fixed size.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::{
    from_line,
    splitter::{Line, Message, Splitter},
};

/// The size of the buffer; longer lines are taken in pieces.
const BUFFER: usize = 256 << 10;
/// How much is looked at where a message should end, in bytes.
const GLANCE: usize = 512;

/// What is in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The messages, in order; together they are the whole file.
    pub messages: Vec<Message>,
    /// Whether it is a mailbox at all.
    pub is_mailbox: bool,
}

/// Reads the first `size` bytes of a mailbox, and calls `seen` for each piece
/// of them, in order. `dates` tells whether it is needed when messages came.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if it is shorter, and those of reading
/// and of `seen`.
pub(crate) fn scan(
    file: &File,
    size: u64,
    dates: bool,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Contents> {
    let ends_at = |at| message_ends_at(file, size, at);
    let mut splitter = Splitter::new(dates);
    let mut buffer = vec![0; BUFFER];
    let (mut offset, mut begin, mut end) = (0, 0, 0);
    let mut begins = true;
    loop {
        let line = buffer[begin..end].iter().position(|it| *it == b'\n');
        let length = match line {
            Some(length) => length + 1,
            None if begin == 0 && end == BUFFER => BUFFER,
            None => {
                buffer.copy_within(begin..end, 0);
                end -= begin;
                begin = 0;
                let read = read_more(file, &mut buffer[end..], offset + end as u64, size)?;
                if read > 0 {
                    seen(&buffer[end..end + read])?;
                    end += read;
                    continue;
                }
                end
            }
        };
        if length == 0 {
            let (messages, is_mailbox) = splitter.finish(offset);
            return Ok(Contents { messages, is_mailbox });
        }
        let text = &buffer[begin..begin + length];
        splitter.line(Line { offset, text, begins }, &ends_at);
        begins = text.ends_with(b"\n");
        begin += length;
        offset += length as u64;
    }
}

/// Reads at `offset`, but nothing beyond `size`.
fn read_more(file: &File, buffer: &mut [u8], offset: u64, size: u64) -> io::Result<usize> {
    let left = usize::try_from(size - offset).unwrap_or(usize::MAX);
    let wanted = left.min(buffer.len());
    if wanted == 0 {
        return Ok(0);
    }
    loop {
        match file.read_at(&mut buffer[..wanted], offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Tells whether the mailbox ends at a place, or a separator follows there.
fn message_ends_at(file: &File, size: u64, at: u64) -> bool {
    if at >= size {
        return at == size;
    }
    // The byte before tells whether a line begins here.
    let from = at.saturating_sub(1);
    let mut bytes = [0; GLANCE];
    let wanted = usize::try_from(size - from).unwrap_or(GLANCE).min(GLANCE);
    if file.read_exact_at(&mut bytes[..wanted], from).is_err() {
        return false;
    }
    let (before, rest) = bytes[..wanted].split_at(usize::from(at > 0));
    let is_end = |it: &u8| matches!(it, b'\n' | b'\r');
    let ends = rest.iter().take_while(|it| is_end(it)).count();
    let begins = ends > 0 || before.last().is_none_or(is_end);
    let line = &rest[ends..];
    let line = line.split_inclusive(|it| *it == b'\n').next().unwrap_or_default();
    let at_end = line.is_empty() && from + wanted as u64 == size;
    at_end || (begins && from_line::is_one(line))
}

/// Copies a piece of a file.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if it is shorter, and those of reading
/// and of `seen`.
pub(crate) fn copy(
    file: &File,
    offset: u64,
    length: u64,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(BUFFER).min(BUFFER)];
    let mut at = offset;
    while at < offset + length {
        let read = read_more(file, &mut buffer, at, offset + length)?;
        seen(&buffer[..read])?;
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    fn all(text: &[u8]) -> Contents {
        let mut seen = Vec::new();
        let contents = scan(&file(text), text.len() as u64, true, |it| {
            seen.extend_from_slice(it);
            Ok(())
        })
        .unwrap();
        assert!(seen == text, "every byte is seen, once");
        let mut at = 0;
        for message in &contents.messages {
            assert_eq!(message.offset, at);
            at += message.length;
        }
        assert_eq!(at, text.len() as u64, "the messages are the whole file");
        contents
    }

    const A: &[u8] = b"From a Sat Jan  3 01:05:34 2026\nSubject: a\n\nbody of a\n\n";

    #[test]
    fn lines_and_messages_may_be_longer_than_the_buffer() {
        let mut text = A.to_vec();
        text.extend_from_slice(b"From b Sat Jan  3 01:05:34 2026\nX-Long: ");
        text.extend(vec![b'x'; 3 * BUFFER]);
        text.extend_from_slice(b"\n\n");
        // What follows a full buffer looks like a separator, and is none.
        text.extend(vec![b'y'; BUFFER]);
        text.extend_from_slice(b"From c Sat Jan  3 01:05:34 2026\n\n");
        text.extend_from_slice(A);
        let found = all(&text);
        assert_eq!(found.messages.len(), 3);
        assert_eq!(found.messages[0].digest, found.messages[2].digest);
    }

    #[test]
    fn a_length_counts_only_if_a_message_ends_there() {
        let body = "x\n\nFrom y Sat Jan  3 01:05:34 2026\nz\n";
        let mailbox = |length: usize, after: &str| {
            format!("From b Sat Jan  3 01:05:34 2026\nContent-Length: {length}\n\n{body}{after}")
        };
        let a = String::from_utf8_lossy(A);
        let cases = [
            (mailbox(body.len(), &format!("\n{a}")), 2),
            (mailbox(body.len(), &a), 2),
            (mailbox(body.len(), ""), 1),
            (mailbox(body.len(), "\n\n"), 1),
            (mailbox(body.len() - 1, ""), 1),
            (mailbox(5, &format!("\n{a}")), 3),
            (mailbox(usize::MAX, &format!("\n{a}")), 3),
        ];
        for (text, messages) in cases {
            assert_eq!(all(text.as_bytes()).messages.len(), messages, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_is_an_error() {
        let error = scan(&file(A), A.len() as u64 + 1, false, |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = copy(&file(A), 3, A.len() as u64, |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_that_grows_is_read_as_far_as_it_was() {
        let two = [A, A].concat();
        let found = scan(&file(&two), A.len() as u64, false, |_| Ok(())).unwrap();
        assert_eq!(found.messages.len(), 1);
    }

    proptest! {
        #[test]
        fn every_byte_of_anything_is_in_one_message(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "From a Sat Jan  3 01:05:34 2026\n", "\n", "\r\n", "Content-Length: 40\n", "x",
                "Subject: y\n", ">From a Sat Jan  3 01:05:34 2026\n", "From \n", "\u{0}\u{ff}",
                "Content-Length: 18446744073709551615\n",
            ]), 0..40),
        ) {
            let text = pieces.concat().into_bytes();
            let found = all(&text);
            let again = all(&text);
            prop_assert_eq!(found, again);
        }
    }
}
