//! Which messages of a mailbox are new.

use std::collections::HashMap;

use crate::{digest::Digest, splitter::Message};

/// Messages, and how many copies of each there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts(HashMap<Digest, u32>);

impl Counts {
    /// Adds a copy of a message.
    pub(crate) fn add(&mut self, digest: Digest) {
        self.add_many(digest, 1);
    }

    /// Adds copies of a message.
    pub(crate) fn add_many(&mut self, digest: Digest, number: u32) {
        let count = self.0.entry(digest).or_default();
        *count = count.saturating_add(number);
    }

    /// Adds everything of another.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (digest, number) in &other.0 {
            self.add_many(*digest, *number);
        }
    }

    /// Takes a copy away, if there is one.
    fn take(&mut self, digest: Digest) -> bool {
        match self.0.get_mut(&digest) {
            Some(number) if *number > 0 => {
                *number -= 1;
                true
            }
            _ => false,
        }
    }

    /// Returns everything, in order.
    pub(crate) fn sorted(&self) -> Vec<(Digest, u32)> {
        let mut all: Vec<_> = self.0.iter().map(|(digest, number)| (*digest, *number)).collect();
        all.sort_unstable();
        all
    }
}

/// What is known of a mailbox from before.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    /// Nothing: every message is new.
    Nothing,
    /// When a program that remembers nothing else last backed it up, in
    /// seconds since 1970.
    Since(i64),
    /// What was backed up.
    Known(Counts),
}

/// How long before a backup a message may have come that is not in it: its
/// date may be in any time zone, and its delivery may have taken a while.
const MARGIN: i64 = 26 * 3600;

/// Returns the messages that are new, by their numbers.
///
/// A message is new unless a copy of it is known for each copy that there is.
/// Where only a time is known, all messages from the first one on are new
/// that cannot have been in that backup for certain: mail is added at the end.
pub(crate) fn choose(messages: &[Message], before: &Before) -> Vec<usize> {
    match before {
        Before::Nothing => (0..messages.len()).collect(),
        Before::Since(time) => {
            let limit = time.saturating_sub(MARGIN);
            let is_old = |it: &Message| it.delivered.is_some_and(|it| it < limit);
            let old = messages.iter().take_while(|it| is_old(it)).count();
            (old..messages.len()).collect()
        }
        Before::Known(counts) => {
            let mut left = counts.clone();
            (0..messages.len()).filter(|it| !left.take(messages[*it].digest)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    fn messages(texts: &[(&str, Option<i64>)]) -> Vec<Message> {
        let message = |(text, delivered): &(&str, Option<i64>)| Message {
            offset: 0,
            length: 1,
            digest: digest::of(text.as_bytes()),
            delivered: *delivered,
        };
        texts.iter().map(message).collect()
    }

    #[test]
    fn each_copy_of_a_message_is_backed_up() {
        let all = messages(&[("a", None), ("b", None), ("a", None), ("a", None)]);
        let mut known = Counts::default();
        assert_eq!(choose(&all, &Before::Known(known.clone())), [0, 1, 2, 3]);
        known.add_many(digest::of(b"a"), 2);
        assert_eq!(choose(&all, &Before::Known(known.clone())), [1, 3]);
        known.add(digest::of(b"b"));
        known.add(digest::of(b"a"));
        assert!(choose(&all, &Before::Known(known)).is_empty());
        assert_eq!(choose(&all, &Before::Nothing), [0, 1, 2, 3]);
    }

    #[test]
    fn where_only_a_time_is_known_nothing_that_may_be_new_is_left_out() {
        let last = 1_000_000_000;
        let (old, just) = (Some(last - 30 * 3600), Some(last - 3600));
        let cases: [(&[Option<i64>], &[usize]); 6] = [
            (&[old, old], &[]),
            (&[old, just], &[1]),
            (&[old, Some(last + 5)], &[1]),
            (&[old, None, old], &[1, 2]),
            // It was moved here, after a message that came later.
            (&[old, just, old], &[1, 2]),
            (&[], &[]),
        ];
        for (dates, expected) in cases {
            let texts: Vec<_> = dates.iter().map(|it| ("x", *it)).collect();
            assert_eq!(choose(&messages(&texts), &Before::Since(last)), expected, "{dates:?}");
        }
    }
}
