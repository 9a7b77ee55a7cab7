//! Tells by its first and last bytes whether a dump is complete.

use std::collections::VecDeque;

use crate::{
    plan::{Content, Dump},
    settings::Format,
};

/// How much of the end is kept; the last line of a complete dump is followed
/// by little more than a line of `\unrestrict` with a random word.
const TAIL: usize = 1024;
/// How every dump in the custom format begins.
const CUSTOM_MAGIC: &[u8] = b"PGDMP";

/// Watches the stream of a dump.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
}

impl Watch {
    /// Looks at the next piece of the stream.
    pub(crate) fn see(&mut self, piece: &[u8]) {
        let missing = CUSTOM_MAGIC.len().saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..missing.min(piece.len())]);
        let last = &piece[piece.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + last.len()).saturating_sub(TAIL);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(last);
        self.bytes += piece.len() as u64;
    }

    /// Returns the number of bytes seen.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns what is wrong with the stream, which has ended, as a `dump`.
    pub(crate) fn complaint(&self, dump: &Dump) -> Option<&'static str> {
        if self.bytes == 0 {
            return Some("the dump is empty");
        }
        let end: &[u8] = match (&dump.content, dump.format) {
            (Content::Database(_), Format::Custom) => {
                let good = self.head == CUSTOM_MAGIC;
                return (!good).then_some("what was written is no dump in the custom format");
            }
            (Content::Database(_), Format::Directory) => return None,
            (Content::Database(_), Format::Plain) => b"\n-- PostgreSQL database dump complete\n",
            (Content::Cluster | Content::Globals, _) => {
                b"\n-- PostgreSQL database cluster dump complete\n"
            }
        };
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let found = tail.windows(end.len()).any(|it| it == end);
        (!found).then_some("the dump has no end: its last line says nothing of being complete")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn dump(content: Content, format: Format) -> Dump {
        Dump { content, format, file: String::new() }
    }

    const END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";

    #[test]
    fn only_a_dump_with_its_end_is_complete() {
        let database = || Content::Database("x".into());
        let restricted = format!("SELECT 1;\n{END}\\unrestrict abc\n\n");
        let early = format!("{END}{}", "x".repeat(5000));
        let cases: [(&str, Content, Format, bool); 9] = [
            ("", database(), Format::Plain, false),
            ("SELECT 1;\n", database(), Format::Plain, false),
            (END, database(), Format::Plain, true),
            (&restricted, database(), Format::Plain, true),
            (&early, database(), Format::Plain, false),
            (END, Content::Cluster, Format::Plain, false),
            (
                "\n-- PostgreSQL database cluster dump complete\n",
                Content::Globals,
                Format::Plain,
                true,
            ),
            ("PGDMP\u{1}", database(), Format::Custom, true),
            ("PGDM", database(), Format::Custom, false),
        ];
        for (text, content, format, good) in cases {
            let mut watch = Watch::default();
            watch.see(text.as_bytes());
            let dump = dump(content, format);
            assert_eq!(watch.complaint(&dump).is_none(), good, "{text:?} {dump:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_stream_is_cut(
            before in 0_usize..3000, cut in 1_usize..2000, rest in any::<bool>(),
        ) {
            let mut text = vec![b'x'; before];
            text.push(b'\n');
            text.extend_from_slice(END.as_bytes());
            if rest {
                text.extend_from_slice(&[b'y'; 1025]);
            }
            let mut watch = Watch::default();
            text.chunks(cut).for_each(|piece| watch.see(piece));
            let plain = dump(Content::Database("x".into()), Format::Plain);
            prop_assert_eq!(watch.complaint(&plain).is_none(), !rest);
            prop_assert_eq!(watch.bytes(), text.len() as u64);
        }
    }
}
