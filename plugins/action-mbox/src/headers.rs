//! What the head of a message says: how long it is, and when it came.

use mail_parser::{Message, MessageParser};

use crate::from_line;

/// Heads beyond that are not looked at, in bytes.
pub(crate) const LONGEST: usize = 256 << 10;

/// Fields that programs which read mail change in a message that is there
/// already. They do not make it another message.
const VOLATILE: &[&str] = &[
    "status",
    "x-status",
    "x-uid",
    "x-imap",
    "x-imapbase",
    "x-keywords",
    "x-mozilla-status",
    "x-mozilla-status2",
    "x-mozilla-keys",
    "x-evolution",
    "content-length",
    "lines",
];

/// Tells whether a line of the head begins a field that programs change.
pub(crate) fn is_volatile(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|it| *it == b':') else { return false };
    let name = line[..colon].trim_ascii_end();
    VOLATILE.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(name))
}

/// Returns the length of the body, if the head, without the separator, says
/// it.
pub(crate) fn content_length(head: &[u8]) -> Option<u64> {
    let message = parse(head)?;
    message.header_raw("Content-Length")?.trim().parse().ok()
}

/// Returns when a message came, in seconds since 1970: the latest that its
/// separator, the programs that handed it on, and its sender say. `None`
/// if it may have come at any time: the separator must have a date, as that
/// is what the delivering program writes.
pub(crate) fn delivered(separator: &[u8], head: &[u8]) -> Option<i64> {
    let delivered = from_line::date(separator)?;
    let Some(message) = parse(head) else { return Some(delivered) };
    let received = message.received_all().filter_map(|it| it.date);
    let dates = received.chain(message.date().copied());
    dates.map(|it| it.to_timestamp()).chain([delivered]).max()
}

fn parse(head: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse_headers(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn what_programs_change_is_no_part_of_a_message() {
        let cases: [(&[u8], bool); 8] = [
            (b"Status: RO\n", true),
            (b"X-UID: 12\r\n", true),
            (b"x-imapbase : 1 2\n", true),
            (b"CONTENT-LENGTH: 3\n", true),
            (b"Subject: Status: RO\n", false),
            (b"X-Status-Of-Things: x\n", false),
            (b"no field\n", false),
            (b"\xff: x\n", false),
        ];
        for (line, expected) in cases {
            assert_eq!(is_volatile(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn lengths_are_read() {
        let cases = [
            ("Content-Length: 12\n\n", Some(12)),
            ("Subject: x\ncontent-length:  7 \nX: y\n\n", Some(7)),
            ("Content-Length: -1\n\n", None),
            ("Content-Length: 99999999999999999999999\n\n", None),
            ("Content-Length: x\n\n", None),
            ("Subject: x\n\n", None),
            ("", None),
        ];
        for (head, expected) in cases {
            assert_eq!(content_length(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn the_latest_date_counts_and_no_date_may_be_any() {
        const JAN: &str = "From a Sat Jan  3 01:05:34 2026\n";
        let day = 86_400;
        let jan = 1_767_402_334;
        let cases = [
            (JAN, "Subject: x\n\n", Some(jan)),
            (JAN, "Date: Fri, 2 Jan 2026 01:05:34 +0000\n\n", Some(jan)),
            (JAN, "Date: Sun, 4 Jan 2026 01:05:34 +0000\n\n", Some(jan + day)),
            (
                JAN,
                "Received: from x by y; Mon, 5 Jan 2026 01:05:34 +0000\n\
                 Received: from z by x; Sat, 3 Jan 2026 01:05:34 +0000\n\n",
                Some(jan + 2 * day),
            ),
            (JAN, "Date: whenever\n\n", Some(jan)),
            ("From a\n", "Date: Fri, 2 Jan 2026 01:05:34 +0000\n\n", None),
            ("From a Thu Jan  1 00:00:00 1970\n", "Subject: x\n\n", None),
        ];
        for (separator, head, expected) in cases {
            assert_eq!(delivered(separator.as_bytes(), head.as_bytes()), expected, "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn no_head_makes_it_panic(head in any::<Vec<u8>>(), line in any::<Vec<u8>>()) {
            let _ = (content_length(&head), delivered(&line, &head), is_volatile(&line));
        }
    }
}
