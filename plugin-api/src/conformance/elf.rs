//! What can be told of a plugin's file without running anything of it.

use std::{fmt, fs, path::Path};

use object::{
    Endianness,
    elf::{DF_STATIC_TLS, DT_FLAGS, FileHeader64, SHT_DYNSYM, STB_LOCAL},
    read::elf::{FileHeader, SectionTable, Sym},
};

use super::report::{Checks, Verdict, ensure};
use crate::{
    API_MAJOR, API_MINOR,
    error::{Error, Result},
    meta::{self, Metadata, SECTION},
};

/// A version of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glibc(pub(super) u32, pub(super) u32);

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a file says about itself.
#[derive(Debug, Clone)]
pub(super) struct Elf {
    pub(super) metadata: Vec<Metadata>,
    /// The symbols that other libraries could use.
    exported: Vec<String>,
    static_tls: bool,
    /// The newest version of the C library that a symbol asks for.
    glibc: Option<Glibc>,
}

type Sections<'a> = SectionTable<'a, FileHeader64<Endianness>>;

impl Elf {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        let data = bytes.as_slice();
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let section = sections.section_by_name(endian, SECTION.as_bytes());
        let (_, section) = section.ok_or_else(|| {
            Error::msg(format!("it has no section {SECTION}"))
                .hint("call `export_plugin!` in lib.rs, and build a cdylib")
        })?;
        let content = object::read::elf::SectionHeader::data(section, endian, data)?;
        Ok(Self {
            metadata: meta::parse(content)?,
            exported: exported(&sections, endian, data)?,
            static_tls: static_tls(&sections, endian, data)?,
            glibc: newest_glibc(&sections, endian, data)?,
        })
    }

    /// Makes the checks of the file as a whole.
    pub(super) fn check(&self, checks: &mut Checks<'_>, limit: Option<Glibc>) {
        checks.check("metadata is complete", || self.metadata.iter().try_for_each(complete));
        checks.check("entries are there", || {
            self.metadata.iter().try_for_each(|it| {
                ensure(self.exported.contains(&it.entry), || {
                    format!("there is no symbol {}; call `export_plugin!` in lib.rs", it.entry)
                })
            })
        });
        checks.check("nothing foreign is exported", || self.nothing_foreign());
        checks.check("no static thread-local storage", || {
            ensure(!self.static_tls, || {
                "it uses the static TLS block, of which there is room for a few libraries only; \
                 do not set tls-model, nor a custom allocator"
                    .to_owned()
            })
        });
        checks.check("needs no too new C library", || match (self.glibc, limit) {
            (Some(needs), Some(limit)) => ensure(needs <= limit, || {
                format!("it needs glibc {needs}, newer than {limit}; build it on an older system")
            }),
            _ => Ok(()),
        });
    }

    fn nothing_foreign(&self) -> Verdict {
        let ours = |symbol: &str| {
            let of_record = |it: &Metadata| symbol == it.entry;
            let of_linker = ["_init", "_fini", "_edata", "_end", "__bss_start"].contains(&symbol);
            symbol.starts_with("hayloft_metadata_")
                || of_linker
                || self.metadata.iter().any(of_record)
        };
        let foreign: Vec<_> = self.exported.iter().filter(|it| !ours(it)).collect();
        ensure(foreign.is_empty(), || {
            let some: Vec<_> = foreign.iter().take(5).map(|it| it.as_str()).collect();
            format!(
                "it exports {} symbols such as {}, which may collide with those of other \
                 libraries; build C code with -fvisibility=hidden",
                foreign.len(),
                some.join(", ")
            )
        })
    }
}

/// Checks what a plugin says about itself.
fn complete(it: &Metadata) -> Verdict {
    let id = &it.id;
    ensure(!it.description.is_empty(), || format!("{id} has no description"))?;
    ensure(it.description.chars().count() <= 100, || {
        format!("the description of {id} does not fit into a line")
    })?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    ensure(id.chars().all(plain), || {
        format!("the id {id:?} has other characters than a-z, 0-9, - and _")
    })?;
    ensure(it.api.0 == API_MAJOR && it.api <= (API_MAJOR, API_MINOR), || {
        let (major, minor) = it.api;
        format!("{id} is for plugin API {major}.{minor}, not {API_MAJOR}.{API_MINOR}")
    })?;
    ensure(it.panic != "abort", || {
        format!("{id} is built with panic=abort, so that a panic ends the whole program")
    })?;
    ensure(!it.provides.is_empty(), || format!("{id} offers nothing"))?;
    for (at, provided) in it.provides.iter().enumerate() {
        let (kind, name) = (&provided.kind, &provided.name);
        let twice =
            it.provides[..at].iter().any(|other| (&other.kind, &other.name) == (kind, name));
        ensure(!twice, || format!("{id} offers {kind} `{name}` twice"))?;
        for fact in facts_of(kind) {
            ensure(provided.fact(fact).is_some(), || format!("{kind} `{name}` has no `{fact}`"))?;
        }
    }
    Ok(())
}

fn facts_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "compressor" | "encryptor" => &["suffix", "magic"],
        "action" => &["section", "phase"],
        "command" => &["section", "about"],
        _ => &[],
    }
}

fn exported(sections: &Sections<'_>, endian: Endianness, data: &[u8]) -> Result<Vec<String>> {
    let table = sections.symbols(endian, data, SHT_DYNSYM)?;
    let mut names = Vec::new();
    for symbol in table.symbols() {
        if symbol.st_bind() != STB_LOCAL && !symbol.is_undefined(endian) {
            let name = symbol.name(endian, table.strings())?;
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(names)
}

fn static_tls(sections: &Sections<'_>, endian: Endianness, data: &[u8]) -> Result<bool> {
    let table = sections.dynamic_table(endian, data)?;
    Ok(table.iter().any(|it| it.tag == DT_FLAGS && it.val & DF_STATIC_TLS.0 != 0))
}

fn newest_glibc(sections: &Sections<'_>, endian: Endianness, data: &[u8]) -> Result<Option<Glibc>> {
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            newest = newest.max(glibc_of_symbol(version.name(endian, strings)?));
        }
    }
    Ok(newest)
}

/// Reads a symbol's version such as `GLIBC_2.34`.
fn glibc_of_symbol(name: &[u8]) -> Option<Glibc> {
    let mut numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split('.');
    Some(Glibc(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Provided;

    fn metadata(kind: &str, facts: &[(&str, &str)]) -> Metadata {
        let facts = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Metadata {
            id: "acme".to_owned(),
            description: "Does it".to_owned(),
            api: (API_MAJOR, API_MINOR),
            provides: vec![Provided { kind: kind.to_owned(), name: "acme".to_owned(), facts }],
            ..Metadata::default()
        }
    }

    #[test]
    fn what_is_missing_in_the_metadata_is_named() {
        let good = metadata("compressor", &[("suffix", ".x"), ("magic", "")]);
        let broken = |change: fn(&mut Metadata)| {
            let mut it = good.clone();
            change(&mut it);
            complete(&it).unwrap_err()
        };
        assert_eq!(complete(&good), Ok(()));
        assert!(broken(|it| it.description.clear()).contains("no description"));
        assert!(broken(|it| it.id = "Acme".into()).contains("other characters"));
        assert!(broken(|it| it.panic = "abort".into()).contains("panic=abort"));
        assert!(broken(|it| it.api.0 = 7).contains("plugin API 7."));
        assert!(broken(|it| it.provides.clear()).contains("nothing"));
        assert!(broken(|it| it.provides.push(it.provides[0].clone())).contains("twice"));
        assert!(complete(&metadata("action", &[])).unwrap_err().contains("`section`"));
    }

    #[test]
    fn versions_of_symbols_are_read() {
        assert_eq!(glibc_of_symbol(b"GLIBC_2.34"), Some(Glibc(2, 34)));
        assert_eq!(glibc_of_symbol(b"GLIBC_2.2.5"), Some(Glibc(2, 2)));
        assert_eq!(glibc_of_symbol(b"GLIBC_PRIVATE"), None);
        assert!(Glibc(2, 9) < Glibc(2, 34));
    }
}
