//! Splits a mailbox into messages, line by line.
//!
//! A message begins with a separator at the beginning of the mailbox or after
//! an empty line, or where a `Content-Length` says so and there is one. What
//! cannot be told apart stays together: two messages that are taken for one
//! are both backed up when either is new.

use crate::{
    digest::{Digest, Hasher},
    from_line, headers,
};

/// A message, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes, with everything up to the next one.
    pub length: u64,
    /// By what it is known again.
    pub digest: Digest,
    /// When it came, in seconds since 1970, if that was asked for and can be
    /// told.
    pub delivered: Option<i64>,
}

/// A line, or a piece of one that is too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its text, with its end.
    pub text: &'a [u8],
    /// Whether it is a beginning, and not the rest of a long line.
    pub begins: bool,
}

impl Line<'_> {
    fn is_blank(&self) -> bool {
        self.begins && matches!(self.text, b"\n" | b"\r\n")
    }
}

/// Looks whether a message ends at a place: the mailbox ends there, or a
/// separator follows.
pub(crate) type EndsAt<'a> = &'a dyn Fn(u64) -> bool;

/// Splits a mailbox.
pub(crate) struct Splitter {
    dates: bool,
    is_mailbox: Option<bool>,
    after_blank: bool,
    current: Option<Current>,
    messages: Vec<Message>,
}

/// A message that is being read.
struct Current {
    offset: u64,
    hasher: Hasher,
    separator: Vec<u8>,
    place: Place,
    /// The head so far; emptied when it has been looked at.
    head: Vec<u8>,
    /// Whether the field is one that programs change.
    volatile: bool,
    delivered: Option<i64>,
    /// Up to where there is no separator, as its length is known.
    body_until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the separator of the first message.
    Before,
    Head,
    Body,
}

impl Splitter {
    /// Begins a mailbox; `dates` tells whether [`Message::delivered`] is
    /// needed.
    pub(crate) fn new(dates: bool) -> Self {
        Self { dates, is_mailbox: None, after_blank: true, current: None, messages: Vec::new() }
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, line: Line<'_>, ends_at: EndsAt<'_>) {
        if self.is_mailbox.is_none() && !line.is_blank() {
            self.is_mailbox = Some(from_line::begins_like_one(line.text));
            if let Some(current) = self.current.as_mut().filter(|_| self.is_mailbox == Some(true)) {
                // Blank lines before the first message are not part of it.
                current.hasher = Hasher::default();
            }
        }
        if self.is_separator(line) {
            self.end_message(line.offset);
        }
        self.after_blank = line.is_blank();
        let current = self.current.get_or_insert_with(|| Current::new(line.offset));
        if self.is_mailbox == Some(true) {
            current.line(line, self.dates, ends_at);
        } else {
            current.hasher.add(line.text);
        }
    }

    fn is_separator(&self, line: Line<'_>) -> bool {
        let Some(current) = self.current.as_ref().filter(|_| self.is_mailbox == Some(true)) else {
            return false;
        };
        let known = current.body_until > 0;
        line.begins
            && current.place != Place::Before
            && line.offset >= current.body_until
            && (self.after_blank || known)
            && from_line::is_one(line.text)
    }

    fn end_message(&mut self, end: u64) {
        let Some(mut current) = self.current.take() else { return };
        if self.dates && current.place == Place::Head {
            current.delivered = headers::delivered(&current.separator, &current.head);
        }
        self.messages.push(Message {
            offset: current.offset,
            length: end - current.offset,
            digest: current.hasher.finish(),
            delivered: current.delivered,
        });
    }

    /// Ends the mailbox at `end`; returns its messages, and whether it is one
    /// at all. What is none is a single message.
    pub(crate) fn finish(mut self, end: u64) -> (Vec<Message>, bool) {
        self.end_message(end);
        (self.messages, self.is_mailbox != Some(false))
    }
}

impl Current {
    fn new(offset: u64) -> Self {
        Self {
            offset,
            hasher: Hasher::default(),
            separator: Vec::new(),
            place: Place::Before,
            head: Vec::new(),
            volatile: false,
            delivered: None,
            body_until: 0,
        }
    }

    fn line(&mut self, line: Line<'_>, dates: bool, ends_at: EndsAt<'_>) {
        match self.place {
            Place::Before => {
                self.separator = line.text.to_vec();
                self.place = Place::Head;
            }
            Place::Head if line.is_blank() => self.end_head(line, dates, ends_at),
            Place::Head => self.field(line),
            Place::Body => {}
        }
        if self.place == Place::Body || !self.volatile {
            self.hasher.add(line.text);
        }
    }

    fn field(&mut self, line: Line<'_>) {
        let continued = !line.begins || line.text.starts_with(b" ") || line.text.starts_with(b"\t");
        if !continued {
            self.volatile = headers::is_volatile(line.text);
        }
        if self.head.len() < headers::LONGEST {
            self.head.extend_from_slice(line.text);
        }
    }

    fn end_head(&mut self, line: Line<'_>, dates: bool, ends_at: EndsAt<'_>) {
        self.head.extend_from_slice(line.text);
        self.place = Place::Body;
        if dates {
            self.delivered = headers::delivered(&self.separator, &self.head);
        }
        let body = line.offset + line.text.len() as u64;
        let end = headers::content_length(&self.head).and_then(|it| body.checked_add(it));
        self.body_until = end.filter(|it| ends_at(*it)).unwrap_or(0);
        self.head = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a text; returns the messages as texts.
    fn split(text: &str) -> (Vec<String>, bool) {
        let (messages, is_mailbox) = messages(text);
        let texts = messages.iter().map(|it| {
            let at = usize::try_from(it.offset).unwrap();
            text[at..at + usize::try_from(it.length).unwrap()].to_owned()
        });
        (texts.collect(), is_mailbox)
    }

    fn messages(text: &str) -> (Vec<Message>, bool) {
        let ends_at = |at: u64| {
            let rest = usize::try_from(at).ok().and_then(|it| text.get(it..));
            rest.is_some_and(|it| it.is_empty() || it.trim_start().starts_with("From "))
        };
        let mut splitter = Splitter::new(true);
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            splitter.line(Line { offset, text: line.as_bytes(), begins: true }, &ends_at);
            offset += line.len() as u64;
        }
        splitter.finish(offset)
    }

    const A: &str = "From a Sat Jan  3 01:05:34 2026\nSubject: a\n\nbody of a\n\n";
    const B: &str = "From b Sat Jan  3 01:05:35 2026\nSubject: b\n\nbody of b\n\n";

    #[test]
    fn messages_are_split_as_other_programs_do_it() {
        let quoted = format!("{}>From b Sat Jan  3 01:05:34 2026\n\n", &A[..A.len() - 1]);
        let text = format!("{A}From here on it is text\n\n");
        let crlf_a = A.replace('\n', "\r\n");
        let crlf_b = B.replace('\n', "\r\n");
        let no_end = B.trim_end();
        let length = "From c Sat Jan  3 01:05:34 2026\nContent-Length: 36\n\n\
                      \nFrom x Sat Jan  3 01:05:34 2026\nend\n\n";
        let wrong = "From c Sat Jan  3 01:05:34 2026\nContent-Length: 7\n\nbody of c\n\n";
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            (A, &[A]),
            (&format!("{A}{B}"), &[A, B]),
            (&format!("{A}{no_end}"), &[A, no_end]),
            (&format!("{quoted}{B}"), &[&quoted, B]),
            (&format!("{text}{B}"), &[&text, B]),
            (&format!("{crlf_a}{crlf_b}"), &[&crlf_a, &crlf_b]),
            (&format!("{A}{length}{B}"), &[A, length, B]),
            (&format!("{wrong}{B}"), &[wrong, B]),
        ];
        for (mailbox, expected) in cases {
            let (found, is_mailbox) = split(mailbox);
            assert_eq!(found, expected);
            assert!(is_mailbox);
        }
    }

    #[test]
    fn what_is_no_mailbox_is_one_piece() {
        for text in
            ["Hello\n", "\n\nSubject: x\n", "\u{7f}ELF\n\nFrom a Sat Jan  3 01:05:34 2026\n"]
        {
            assert_eq!(split(text), (vec![text.to_owned()], false));
        }
    }

    #[test]
    fn a_message_is_known_again_after_programs_have_changed_it() {
        let digest = |text: &str| messages(text).0[0].digest;
        let read = A.replace("Subject", "Status: RO\nX-Keywords: x\n  y\nSubject");
        assert_eq!(digest(A), digest(&read));
        assert_eq!(digest(A), digest(A.trim_end()));
        assert_eq!(digest(A), digest(&format!("\n{A}")));
        assert_ne!(digest(A), digest(&A.replace("body", "Status: RO\nbody")));
        assert_ne!(digest(A), digest(B));
    }

    #[test]
    fn a_message_says_when_it_came() {
        let text =
            format!("{A}From b Sat Jan  3 01:05:35 2026\nDate: Sat, 3 Jan 2026 01:05:36 +0000");
        let dates: Vec<_> = messages(&text).0.iter().map(|it| it.delivered).collect();
        assert_eq!(dates, [Some(1_767_402_334), Some(1_767_402_336)]);
    }
}
