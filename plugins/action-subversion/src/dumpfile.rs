//! Tells whether a dump is whole, by reading its records as they pass.
//!
//! A dump is a sequence of records: lines `Name: value`, an empty line, and
//! then as many bytes as `Content-length` says. What files contain is never
//! taken for a record.

use std::ops::RangeInclusive;

/// How the first line of every dump begins.
const MAGIC: &[u8] = b"SVN-fs-dump-format-version: ";
/// The longest line of a record's head; the longest are paths.
const LONGEST_LINE: usize = 1 << 20;

/// Watches a dump pass.
#[derive(Debug)]
pub(crate) struct Dumpfile {
    revisions: RangeInclusive<u64>,
    next: u64,
    bytes: u64,
    line: Vec<u8>,
    begun: bool,
    /// Whether a record's head has begun.
    in_head: bool,
    /// What `Content-length` of the current head says.
    announced: u64,
    /// How much of a record's content is still to come.
    content: u64,
    wrong: Option<String>,
}

impl Dumpfile {
    /// Creates one for a dump that must have all of `revisions`.
    pub(crate) fn new(revisions: RangeInclusive<u64>) -> Self {
        let next = *revisions.start();
        Self {
            revisions,
            next,
            bytes: 0,
            line: Vec::new(),
            begun: false,
            in_head: false,
            announced: 0,
            content: 0,
            wrong: None,
        }
    }

    /// Looks at the next piece of the stream.
    pub(crate) fn see(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len() as u64;
        while !piece.is_empty() && self.wrong.is_none() {
            if self.content > 0 {
                let take = usize::try_from(self.content).unwrap_or(usize::MAX).min(piece.len());
                self.content -= take as u64;
                piece = &piece[take..];
                continue;
            }
            let Some(end) = piece.iter().position(|&byte| byte == b'\n') else {
                self.line.extend_from_slice(piece);
                if self.line.len() > LONGEST_LINE {
                    self.wrong = Some("what was written is no dump of a repository".to_owned());
                }
                return;
            };
            self.line.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.wrong = self.line(&line).err();
            self.line = line;
            self.line.clear();
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if !self.begun {
            self.begun = true;
            if !line.starts_with(MAGIC) {
                return Err("what was written is no dump of a repository".to_owned());
            }
        }
        if line.is_empty() {
            (self.content, self.announced) = (self.announced, 0);
            self.in_head = false;
            return Ok(());
        }
        self.in_head = true;
        if let Some(value) = line.strip_prefix(b"Content-length: ") {
            self.announced = number(value).ok_or("a record has no length that can be read")?;
        } else if let Some(value) = line.strip_prefix(b"Revision-number: ") {
            let revision = number(value).ok_or("a revision has no number that can be read")?;
            if revision != self.next {
                let wanted = self.next;
                return Err(format!("revision {revision} is where {wanted} must be"));
            }
            self.next += 1;
        } else if !line.windows(2).any(|it| it == b": ") {
            return Err("a record of the dump is damaged".to_owned());
        }
        Ok(())
    }

    /// Returns what is wrong with the stream, which has ended, as a dump.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.wrong.is_some() {
            return self.wrong.clone();
        }
        if self.bytes == 0 {
            return Some("the dump is empty".to_owned());
        }
        if self.content > 0 || self.announced > 0 || self.in_head || !self.line.is_empty() {
            return Some("the dump ends in the middle of a record".to_owned());
        }
        if self.next <= *self.revisions.end() {
            return Some(format!("the dump ends before revision {}", self.next));
        }
        (self.next > *self.revisions.end() + 1)
            .then(|| "the dump has more revisions than were asked for".to_owned())
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "SVN-fs-dump-format-version: 2\n\nUUID: 77bd884c\n\n";

    fn revision(number: u64) -> String {
        let decoy = "PROPS-END\n\nRevision-number: 99\n\n";
        format!(
            "Revision-number: {number}\nProp-content-length: 10\nContent-length: 10\n\n\
             PROPS-END\n\nNode-path: a: b\nNode-action: change\nText-content-length: {0}\n\
             Content-length: {0}\n\n{decoy}\n\nNode-path: gone\nNode-action: delete\n\n\n",
            decoy.len()
        )
    }

    fn dump(revisions: RangeInclusive<u64>) -> String {
        HEAD.to_owned() + &revisions.map(revision).collect::<String>()
    }

    fn complaint(text: &str, revisions: RangeInclusive<u64>) -> Option<String> {
        let mut it = Dumpfile::new(revisions);
        it.see(text.as_bytes());
        it.complaint()
    }

    #[test]
    fn a_whole_dump_is_whole() {
        assert_eq!(complaint(&dump(0..=3), 0..=3), None);
        assert_eq!(complaint(&dump(7..=7), 7..=7), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_noticed() {
        let whole = dump(0..=3);
        let cases = [
            (String::new(), "empty"),
            ("hello\n".to_owned(), "no dump"),
            (HEAD.to_owned(), "before revision 0"),
            (dump(0..=2), "before revision 3"),
            (dump(0..=4), "more revisions"),
            (dump(1..=3), "revision 1 is where 0 must be"),
            (whole.replace("Revision-number: 2\n", "Revision-number: 3\n"), "where 2 must be"),
            (whole[..whole.len() - 60].to_owned(), "middle of a record"),
            (whole.clone() + "svnadmin: trouble", "middle of a record"),
            (whole.clone() + "trouble\n", "damaged"),
            (whole.replace("Content-length: 10\n", "Content-length: x\n"), "no length"),
        ];
        for (text, wrong) in cases {
            let found = complaint(&text, 0..=3).unwrap_or_default();
            assert!(found.contains(wrong), "{found:?}, not {wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_stream_is_cut(
            cut in 1_usize..200, lost in 0_usize..300,
        ) {
            let whole = dump(5..=9);
            let text = &whole[..whole.len() - lost];
            let mut it = Dumpfile::new(5..=9);
            text.as_bytes().chunks(cut).for_each(|piece| it.see(piece));
            prop_assert_eq!(it.complaint(), complaint(text, 5..=9));
        }

        #[test]
        fn any_bytes_are_a_dump_or_not(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut it = Dumpfile::new(0..=1);
            it.see(&data);
            prop_assert!(it.complaint().is_some());
        }
    }
}
