//! Reads what a plugin says about itself out of its file. Nothing of the file
//! is run, mapped or trusted here: a few kilobytes of it are read.

use std::{fs::File, io::Read};

use hayloft_plugin_api::{
    API_MAJOR,
    meta::{self, MAX_SECTION, Metadata, SECTION},
};
use object::{
    Endianness, ReadCache, ReadRef,
    elf::FileHeader64,
    read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable},
};

use super::{
    c_library::{self, Version},
    pieces::Pieces,
    problem::Problem,
};

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// One record for each plugin in it, at least one.
    pub metadata: Vec<Metadata>,
    /// Why it would not load all the same.
    pub problems: Vec<Problem>,
}

/// Reads the metadata of a plugin's file.
///
/// # Errors
///
/// Why it is not a plugin, or not one for this machine.
pub fn inspect(file: &File) -> Result<Inspection, Problem> {
    let size = file.metadata().map_err(unreadable)?.len();
    let mut pieces = Pieces::new(file, size);
    let mut head = Vec::with_capacity(HEAD);
    (&mut pieces).take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    classify(&head, size)?;
    read_sections(&ReadCache::new(pieces), size)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unreadable(error: std::io::Error) -> Problem {
    Problem::Unreadable(error.to_string())
}

/// How much of the beginning tells what a file is.
const HEAD: usize = 512;
/// The size of a 64-bit ELF file's header.
const ELF_HEADER: usize = 64;

/// The processors that a plugin may be built for by mistake, by the numbers of
/// the ELF specification.
const MACHINES: [(u16, &str); 11] = [
    (3, "i386"),
    (8, "MIPS"),
    (20, "PowerPC"),
    (21, "PowerPC64"),
    (22, "S390"),
    (40, "ARM"),
    (43, "SPARC64"),
    (62, "x86-64"),
    (183, "AArch64"),
    (243, "RISC-V"),
    (258, "LoongArch"),
];

const OURS: (u16, &str) = if cfg!(target_arch = "x86_64") {
    (62, "x86-64")
} else if cfg!(target_arch = "aarch64") {
    (183, "AArch64")
} else if cfg!(target_arch = "riscv64") {
    (243, "RISC-V")
} else if cfg!(target_arch = "powerpc64") {
    (21, "PowerPC64")
} else if cfg!(target_arch = "s390x") {
    (22, "S390")
} else {
    (258, "LoongArch")
};

fn machine_name(machine: u16) -> String {
    let known = MACHINES.iter().find(|(number, _)| *number == machine);
    known.map_or_else(|| format!("machine type {machine}"), |(_, name)| (*name).to_owned())
}

/// Refuses what is not a shared library for this machine, by its header.
fn classify(head: &[u8], size: u64) -> Result<(), Problem> {
    const CLASS_64: u8 = 2;
    const BIG_ENDIAN: u8 = 2;
    if head.is_empty() {
        return Err(Problem::Empty);
    }
    if !head.starts_with(b"\x7fELF") {
        return Err(if looks_like_text(head) { Problem::Text } else { Problem::NotElf });
    }
    if head.len() < ELF_HEADER {
        return Err(Problem::Truncated { has: size, needs: ELF_HEADER as u64 });
    }
    let big_endian = head[5] == BIG_ENDIAN;
    let number = |at: usize| {
        let bytes = [head[at], head[at + 1]];
        if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    };
    let (kind, machine) = (number(16), number(18));
    let ours =
        machine == OURS.0 && head[4] == CLASS_64 && big_endian == cfg!(target_endian = "big");
    if !ours {
        let bits = if machine == OURS.0 { " (other word size or byte order)" } else { "" };
        let built_for = machine_name(machine) + bits;
        return Err(Problem::OtherMachine { built_for, runs_on: OURS.1 });
    }
    match kind {
        1 => Err(Problem::ObjectFile),
        2 => Err(Problem::Executable),
        3 => Ok(()),
        other => Err(Problem::OtherType(other)),
    }
}

fn looks_like_text(head: &[u8]) -> bool {
    // A multi-byte character may be cut in two at the end.
    let text = match std::str::from_utf8(head) {
        Ok(_) => head,
        Err(e) if e.error_len().is_none() => &head[..e.valid_up_to()],
        Err(_) => return false,
    };
    text.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

fn read_sections<'a, R: ReadRef<'a>>(data: R, size: u64) -> Result<Inspection, Problem> {
    let damaged = |e: object::Error| Problem::Damaged(e.to_string());
    let header = FileHeader64::<Endianness>::parse(data).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    check_extent(header, endian, size)?;
    let segments = header.program_headers(endian, data).map_err(damaged)?;
    if segments.iter().any(|segment| segment.p_type(endian) == object::elf::PT_INTERP) {
        return Err(Problem::Executable);
    }
    let end = |offset: u64, length: u64| offset.saturating_add(length);
    let needs = segments.iter().map(|s| end(s.p_offset(endian), s.p_filesz(endian))).max();
    if let Some(needs) = needs.filter(|needs| *needs > size) {
        return Err(Problem::Truncated { has: size, needs });
    }
    let sections = header.sections(endian, data).map_err(damaged)?;
    let (_, section) =
        sections.section_by_name(endian, SECTION.as_bytes()).ok_or(Problem::NoMetadata)?;
    let length = section.sh_size(endian);
    if length > MAX_SECTION as u64 {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        return Err(Problem::BadMetadata(meta::MetadataError::TooLarge(length)));
    }
    let metadata = meta::parse(section.data(endian, data).map_err(damaged)?)?;
    let mut problems: Vec<Problem> = metadata.iter().filter_map(unsuitable).collect();
    problems.extend(newer_library(&sections, endian, data).map_err(damaged)?);
    Ok(Inspection { metadata, problems })
}

/// Refuses a file that ends before its own section table does: the table is
/// the last thing in a library, so this is how a broken copy shows.
fn check_extent(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    size: u64,
) -> Result<(), Problem> {
    let count = u64::from(header.e_shnum(endian));
    // 0 sections is also how more than 65,279 are written: none of ours.
    if count == 0 {
        return Err(Problem::NoMetadata);
    }
    let table = count * u64::from(header.e_shentsize(endian));
    let needs = header.e_shoff(endian).saturating_add(table);
    if needs > size { Err(Problem::Truncated { has: size, needs }) } else { Ok(()) }
}

fn unsuitable(it: &Metadata) -> Option<Problem> {
    let (major, minor) = it.api;
    if major != API_MAJOR {
        return Some(Problem::OtherApi { major, minor });
    }
    let known = matches!(it.abi.as_str(), "rust" | "c");
    (!known).then(|| Problem::UnknownAbi(it.abi.clone()))
}

/// Finds the latest version of the C library that a file asks for, if it is
/// later than this system's.
fn newer_library<'a, R: ReadRef<'a>>(
    sections: &SectionTable<'a, FileHeader64<Endianness>, R>,
    endian: Endianness,
    data: R,
) -> object::Result<Option<Problem>> {
    let Some(has) = c_library::installed() else { return Ok(None) };
    let too_large = sections.iter().any(|section| {
        section.sh_type(endian) == object::elf::SHT_GNU_VERNEED
            && section.sh_size(endian) > MAX_SECTION as u64
    });
    if too_large {
        return Ok(None);
    }
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut latest: Option<Version> = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let name = version.name(endian, strings)?;
            latest = latest.max(c_library::version_of_symbol(name));
        }
    }
    Ok(latest
        .filter(|latest| *latest > has)
        .map(|needs| Problem::NewerLibrary { needs: needs.to_string(), has: has.to_string() }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Result<Inspection, Problem> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        inspect(&file)
    }

    fn elf(kind: u16, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; ELF_HEADER];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[16..18].copy_from_slice(&kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[20] = 1;
        bytes[52] = 64;
        bytes
    }

    #[test]
    fn what_is_no_library_of_ours_is_told_apart() {
        let other = if OURS.0 == 183 { (62, "x86-64") } else { (183, "AArch64") };
        let cases = [
            (Vec::new(), "it is empty; copy the plugin again".to_owned()),
            (b"#!/bin/sh\n".to_vec(), Problem::Text.to_string()),
            ("größer\n".as_bytes().to_vec(), Problem::Text.to_string()),
            (b"\x1f\x8b\x08\0".to_vec(), Problem::NotElf.to_string()),
            (b"\x7fELF\x02".to_vec(), Problem::Truncated { has: 5, needs: 64 }.to_string()),
            (elf(1, OURS.0), Problem::ObjectFile.to_string()),
            (elf(2, OURS.0), Problem::Executable.to_string()),
            (elf(4, OURS.0), Problem::OtherType(4).to_string()),
            (elf(3, OURS.0), Problem::NoMetadata.to_string()),
            (
                elf(3, other.0),
                format!(
                    "it is built for {}, but this program runs on {1}; get the plugin for {1}",
                    other.1, OURS.1
                ),
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(of(&bytes).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn this_very_program_is_recognised_as_one() {
        let program = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(inspect(&program), Err(Problem::Executable));
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = of(&bytes);
        }

        #[test]
        fn no_header_whatever_makes_it_panic(tail in prop::collection::vec(any::<u8>(), 44..600)) {
            let mut bytes = elf(3, OURS.0)[..20].to_vec();
            bytes.extend(tail);
            let _ = of(&bytes);
        }
    }
}
