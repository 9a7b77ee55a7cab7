//! What a plugin says about itself in the file, readable without running it.
//!
//! The ELF section [`SECTION`] holds one or more records. A record is text, so
//! that a C compiler can write it and `strings` can show it:
//!
//! ```text
//! HAYLOFT1
//! id=gzip
//! version=1.0.0
//! abi=rust
//! api=1.0
//! entry=hayloft_plugin_v1_hayloft_compressor_gzip
//! description=Compresses with gzip, on all cores
//! provides=compressor:gzip
//! compressor.gzip.suffix=.gz
//! compressor.gzip.magic=1f8b
//! panic=unwind
//! fingerprint=…
//! ```
//!
//! A record ends with a NUL. Keys that a reader does not know are kept in
//! [`Metadata::other`].

/// The ELF section's name.
pub const SECTION: &str = ".hayloft_plugin";
/// The first line of each record.
pub const MAGIC: &str = "HAYLOFT1\n";
/// A section that is larger is not looked at: it cannot be ours.
pub const MAX_SECTION: usize = 64 << 10;

/// Something that a plugin offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// The kind, such as `compressor`. Open: a host passes over those that it
    /// does not know.
    pub kind: String,
    /// The name within the kind.
    pub name: String,
    /// Further facts, such as `suffix`, `magic`, `section` and `phase`.
    pub facts: Vec<(String, String)>,
}

impl Provided {
    /// Returns a fact.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.facts.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The plugin's own name, which no other plugin may have.
    pub id: String,
    /// The plugin's version.
    pub version: String,
    /// The version of the plugin API that it was built with, major and minor.
    pub api: (u32, u32),
    /// How it is called: `rust` or `c`.
    pub abi: String,
    /// The symbol where it begins.
    pub entry: String,
    /// `unwind`, `abort`, or empty if that does not apply.
    pub panic: String,
    /// The compiler that built it.
    pub compiler: String,
    /// A hash of everything that decides the layout of the ABI.
    pub fingerprint: String,
    /// One line for people.
    pub description: String,
    /// What it offers.
    pub provides: Vec<Provided>,
    /// Lines of other keys.
    pub other: Vec<(String, String)>,
}

/// Why a record is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// There is no record.
    Missing,
    /// The section is larger than [`MAX_SECTION`].
    TooLarge(usize),
    /// The record is not text.
    NotText,
    /// A key that must be there is not, or is empty.
    NoKey(&'static str),
    /// A value cannot be read.
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl std::fmt::Display for MetadataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => write!(f, "its metadata section has no record"),
            Self::TooLarge(n) => write!(f, "its metadata section has {n} bytes"),
            Self::NotText => write!(f, "its metadata is not text"),
            Self::NoKey(key) => write!(f, "its metadata has no `{key}`"),
            Self::BadValue { key, value } => {
                write!(f, "its metadata has an unusable `{key}`: {value:?}")
            }
        }
    }
}

impl std::error::Error for MetadataError {}

/// Reads all records of a section.
///
/// # Errors
///
/// The first record that is not usable; [`MetadataError::Missing`] if there
/// is none at all. Never panics, whatever the bytes.
pub fn parse(section: &[u8]) -> Result<Vec<Metadata>, MetadataError> {
    if section.len() > MAX_SECTION {
        return Err(MetadataError::TooLarge(section.len()));
    }
    let records = section
        .split(|byte| *byte == 0)
        .filter_map(|record| record.strip_prefix(MAGIC.as_bytes()))
        .map(parse_record)
        .collect::<Result<Vec<_>, _>>()?;
    if records.is_empty() { Err(MetadataError::Missing) } else { Ok(records) }
}

fn parse_record(record: &[u8]) -> Result<Metadata, MetadataError> {
    let text = std::str::from_utf8(record).map_err(|_| MetadataError::NotText)?;
    let mut it = Metadata::default();
    let mut facts = Vec::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let (key, value) = (key.trim(), value.trim());
        match key {
            "id" => value.clone_into(&mut it.id),
            "version" => value.clone_into(&mut it.version),
            "abi" => value.clone_into(&mut it.abi),
            "entry" => value.clone_into(&mut it.entry),
            "panic" => value.clone_into(&mut it.panic),
            "compiler" => value.clone_into(&mut it.compiler),
            "fingerprint" => value.clone_into(&mut it.fingerprint),
            "description" => value.clone_into(&mut it.description),
            "api" => it.api = parse_version(value).ok_or_else(|| bad(key, value))?,
            "provides" => it.provides = parse_provides(value)?,
            _ => facts.push((key.to_owned(), value.to_owned())),
        }
    }
    attach(&mut it, facts);
    required(&it)?;
    Ok(it)
}

fn bad(key: &str, value: &str) -> MetadataError {
    MetadataError::BadValue { key: key.to_owned(), value: value.to_owned() }
}

fn parse_version(value: &str) -> Option<(u32, u32)> {
    let (major, minor) = value.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn parse_provides(value: &str) -> Result<Vec<Provided>, MetadataError> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (kind, name) = item.split_once(':').ok_or_else(|| bad("provides", item))?;
            let plain = |s: &str| {
                !s.is_empty()
                    && s.bytes().all(|b| {
                        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
                    })
            };
            if !plain(kind) || !plain(name) {
                return Err(bad("provides", item));
            }
            Ok(Provided { kind: kind.into(), name: name.into(), facts: Vec::new() })
        })
        .collect()
}

/// Gives each `kind.name.fact` line to the thing it is about.
fn attach(it: &mut Metadata, lines: Vec<(String, String)>) {
    for (key, value) in lines {
        let mut parts = key.splitn(3, '.');
        let (kind, name, fact) = (parts.next(), parts.next(), parts.next());
        let owner = it
            .provides
            .iter_mut()
            .find(|p| Some(p.kind.as_str()) == kind && Some(p.name.as_str()) == name);
        match (owner, fact) {
            (Some(owner), Some(fact)) => owner.facts.push((fact.to_owned(), value)),
            _ => it.other.push((key, value)),
        }
    }
}

fn required(it: &Metadata) -> Result<(), MetadataError> {
    let fields = [("id", &it.id), ("version", &it.version), ("abi", &it.abi), ("entry", &it.entry)];
    if let Some((key, _)) = fields.into_iter().find(|(_, value)| value.is_empty()) {
        return Err(MetadataError::NoKey(key));
    }
    if it.api == (0, 0) {
        return Err(MetadataError::NoKey("api"));
    }
    Ok(())
}

/// Copies text into an array at compile time, for the record's static.
#[doc(hidden)]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let from = text.as_bytes();
    assert!(from.len() == N, "the length was taken from another text");
    let mut to = [0; N];
    let mut i = 0;
    while i < N {
        to[i] = from[i];
        i += 1;
    }
    to
}

/// The static in the section; `repr(C)`, because the parts must stay in order.
#[doc(hidden)]
#[repr(C)]
#[derive(Debug)]
pub struct Record<const A: usize, const B: usize, const C: usize>(
    pub [u8; A],
    pub [u8; B],
    pub [u8; C],
);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HAYLOFT1\nid=x\nversion=1\nabi=rust\napi=1.2\nentry=e\n\
        provides=compressor:x, action:y\ncompressor.x.suffix=.x\ncolour=red\n";

    #[test]
    fn a_record_is_read_with_its_facts() {
        let all = parse(format!("{GOOD}\0").as_bytes()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].api, (1, 2));
        assert_eq!(all[0].provides[0].fact("suffix"), Some(".x"));
        assert_eq!(all[0].other, [("colour".to_owned(), "red".to_owned())]);
    }

    #[test]
    fn what_is_wrong_with_a_record_is_named() {
        let cases = [
            (String::new(), "its metadata section has no record"),
            (GOOD.replace("id=x\n", ""), "its metadata has no `id`"),
            (GOOD.replace("api=1.2", "api=one"), "its metadata has an unusable `api`: \"one\""),
            (GOOD.replace("api=1.2\n", ""), "its metadata has no `api`"),
            (
                GOOD.replace("action:y", "action:../y"),
                "its metadata has an unusable `provides`: \"action:../y\"",
            ),
            ("x".repeat(70_000), "its metadata section has 70000 bytes"),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), message);
        }
        assert_eq!(parse(b"HAYLOFT1\n\xff\0"), Err(MetadataError::NotText));
    }
}
