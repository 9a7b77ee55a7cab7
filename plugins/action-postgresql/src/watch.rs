//! Tells by its first and last bytes whether a dump is complete.

use hayloft_dump::Watch;

use crate::{
    plan::{Content, Dump},
    settings::Format,
};

/// How every dump in the custom format begins.
const CUSTOM_MAGIC: &[u8] = b"PGDMP";

/// Returns what is wrong with a stream, which has ended, as a `dump`.
pub(crate) fn complaint(watch: &Watch, dump: &Dump) -> Option<&'static str> {
    if watch.bytes() == 0 {
        return Some("the dump is empty");
    }
    let end: &[u8] = match (&dump.content, dump.format) {
        (Content::Database(_), Format::Custom) => {
            let good = watch.begins_with(CUSTOM_MAGIC);
            return (!good).then_some("what was written is no dump in the custom format");
        }
        (Content::Database(_), Format::Directory) => return None,
        (Content::Database(_), Format::Plain) => b"\n-- PostgreSQL database dump complete\n",
        (Content::Cluster | Content::Globals, _) => {
            b"\n-- PostgreSQL database cluster dump complete\n"
        }
    };
    let found = watch.ends_around(end);
    (!found).then_some("the dump has no end: its last line says nothing of being complete")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(content: Content, format: Format) -> Dump {
        Dump { content, format, file: String::new(), former: Vec::new() }
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
            assert_eq!(complaint(&watch, &dump).is_none(), good, "{text:?} {dump:?}");
        }
    }
}
