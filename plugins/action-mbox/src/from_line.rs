//! The lines that separate messages: `From ann@example.com Sat Jan  3 01:05:34 2026`.

use mail_parser::mailbox::mbox::MessageIterator;

/// How every separator begins.
const FROM: &[u8] = b"From ";
/// Longer lines are no separators.
const LONGEST: usize = 4096;
/// Dates before that, in seconds since 1970, are the fallbacks of programs
/// that had none.
const EARLIEST: u64 = 315_532_800;

/// Tells whether a line begins like a separator.
pub(crate) fn begins_like_one(line: &[u8]) -> bool {
    line.starts_with(FROM)
}

/// Tells whether a line is a separator: it begins like one, and has a time
/// and a year in it. Text that begins with `From ` rarely has.
pub(crate) fn is_one(line: &[u8]) -> bool {
    if !begins_like_one(line) || line.len() > LONGEST {
        return false;
    }
    let mut words = line.split(u8::is_ascii_whitespace);
    let mut words_too = words.clone();
    words.any(is_time) && words_too.any(is_year)
}

fn is_time(word: &[u8]) -> bool {
    let parts: Vec<_> = word.split(|it| *it == b':').collect();
    let digits = |it: &&[u8]| matches!(it.len(), 1 | 2) && it.iter().all(u8::is_ascii_digit);
    matches!(parts.len(), 2 | 3) && parts.iter().all(digits)
}

fn is_year(word: &[u8]) -> bool {
    word.len() == 4
        && word.iter().all(u8::is_ascii_digit)
        && (word.starts_with(b"19") || word.starts_with(b"2"))
}

/// Returns when the message was delivered, in seconds since 1970, as far as
/// the separator says; whose time zone it is in is not known.
pub(crate) fn date(line: &[u8]) -> Option<i64> {
    let mut text = line.trim_ascii_end().to_vec();
    text.extend_from_slice(b"\n\n");
    let message = MessageIterator::new(text.as_slice()).next()?.ok()?;
    let date = Some(message.internal_date()).filter(|it| *it >= EARLIEST)?;
    i64::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told_from_text() {
        let cases: [(&str, bool); 15] = [
            ("From ann@example.com Sat Jan  3 01:05:34 2026\n", true),
            ("From ann@example.com Sat Jan  3 01:05:34 2026\r\n", true),
            ("From ann@example.com Sat Jan  3 01:05:34 2026", true),
            ("From - Sat Jan 03 01:05:34 2026\n", true),
            ("From MAILER-DAEMON Sat Jan  3 01:05:34 1996\n", true),
            ("From \"ann b\"@x Sat Jan  3 01:05 2026 remote from y\n", true),
            ("From ann Sat Jan  3 01:05:34 CET 2026\n", true),
            ("From ann Sat, 3 Jan 2026 01:05:34 +0100\n", true),
            ("From the beginning, at 10:30 we met\n", false),
            ("From 2026 on\n", false),
            ("From ann\n", false),
            (">From ann@example.com Sat Jan  3 01:05:34 2026\n", false),
            ("from ann@example.com Sat Jan  3 01:05:34 2026\n", false),
            ("From: ann 01:05:34 2026\n", false),
            ("", false),
        ];
        for (line, expected) in cases {
            assert_eq!(is_one(line.as_bytes()), expected, "{line:?}");
        }
        let long = format!("From {} Sat Jan  3 01:05:34 2026\n", "x".repeat(5000));
        assert!(!is_one(long.as_bytes()));
    }

    #[test]
    fn dates_are_read_and_fallbacks_are_none() {
        let cases = [
            ("From ann Sat Jan  3 01:05:34 2026\n", Some(1_767_402_334)),
            ("From ann Sat Jan  3 01:05:34 2026\r\n", Some(1_767_402_334)),
            ("From ann Thu Jan  1 00:00:00 1970\n", None),
            ("From ann Xxx Yyy 99 01:05:34 2026\n", None),
            ("From ann\n", None),
            ("From \u{fffd} \n", None),
        ];
        for (line, expected) in cases {
            assert_eq!(date(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(date(b"From \xff Sat Jan  3 01:05:34 2026\n"), None);
    }
}
