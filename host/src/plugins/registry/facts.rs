//! What the metadata of all plugins says, without loading one.

use super::Registry;

/// A section of the configuration that a plugin claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed<'a> {
    /// The element's name below the root.
    pub section: &'a str,
    /// The kind of what reads it: `action` or `command`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The kinds that turn one stream into another.
const TRANSFORMS: [&str; 2] = ["compressor", "encryptor"];

impl Registry {
    /// Returns a fact about something that a plugin offers.
    pub fn fact(&self, kind: &str, name: &str, fact: &str) -> Option<&str> {
        self.find(kind, name).ok()?.provided(kind, name)?.fact(fact)
    }

    /// Returns what is appended to the names of files, such as `.gz`; empty if
    /// nothing is.
    pub fn suffix(&self, kind: &str, name: &str) -> Option<&str> {
        self.fact(kind, name, "suffix")
    }

    /// Returns the phase of an action, see `export_plugin!`.
    pub fn phase(&self, action: &str) -> Option<&str> {
        self.fact("action", action, "phase")
    }

    /// Returns the section that an action or command reads.
    pub fn section(&self, kind: &str, name: &str) -> Option<&str> {
        self.fact(kind, name, "section").filter(|section| !section.is_empty())
    }

    /// Returns all sections that are claimed. Several may claim the same one.
    pub fn sections(&self) -> impl Iterator<Item = Claimed<'_>> {
        self.index.decided().filter_map(|(kind, name, at)| {
            let section = self.entries[at].provided(kind, name)?.fact("section")?;
            (!section.is_empty()).then_some(Claimed { section, kind, name })
        })
    }

    /// Finds the compressor or encryptor whose files begin like this. The
    /// longest match is taken.
    pub fn by_magic(&self, head: &[u8]) -> Option<(&str, &str)> {
        self.best_transform("magic", |magic| {
            let matches = |magic: &Vec<u8>| !magic.is_empty() && head.starts_with(magic);
            magic.split(',').filter_map(parse_hex).filter(matches).map(|it| it.len()).max()
        })
    }

    /// Finds the compressor or encryptor whose files are called like this. The
    /// longest match is taken.
    pub fn by_suffix(&self, file_name: &str) -> Option<(&str, &str)> {
        self.best_transform("suffix", |suffix| {
            let matches = !suffix.is_empty() && file_name.ends_with(suffix);
            (matches && file_name.len() > suffix.len()).then_some(suffix.len())
        })
    }

    fn best_transform(
        &self,
        fact: &str,
        score: impl Fn(&str) -> Option<usize>,
    ) -> Option<(&str, &str)> {
        self.index
            .decided()
            .filter(|(kind, _, at)| {
                TRANSFORMS.contains(kind) && self.entries[*at].problems().is_empty()
            })
            .filter_map(|(kind, name, at)| {
                let value = self.entries[at].provided(kind, name)?.fact(fact)?;
                Some((score(value)?, kind, name))
            })
            .max_by_key(|(score, ..)| *score)
            .map(|(_, kind, name)| (kind, name))
    }
}

/// Reads `1f8b`; nothing if it is no such thing.
fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_is_read_as_hexadecimal_digits() {
        let cases = [
            ("1f8b", Some(vec![0x1f, 0x8b])),
            (" 28B52FFD ", Some(vec![0x28, 0xb5, 0x2f, 0xfd])),
            ("", Some(vec![])),
            ("1", None),
            ("zz", None),
            ("\u{e9}", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_hex(text), bytes, "{text:?}");
        }
    }
}
