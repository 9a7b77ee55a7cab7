//! The `<collect>` section.

use super::{
    Cause, Located, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// What is collected, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collect {
    /// Where archives are put.
    pub collect_dir: Text,
    /// `daily`, `weekly` or `incr`, for items that do not say.
    pub collect_mode: Text,
    /// `tar`, `targz`, `tarbz2`, or `tar` and another compressor's name, for
    /// items that do not say.
    pub archive_mode: Text,
    /// The name of the file whose presence keeps its directory out, for
    /// directories that do not say.
    pub ignore_file: Text,
    /// What is left out everywhere.
    pub exclude: Exclude,
    /// Single files.
    pub files: Vec<CollectFile>,
    /// Directories.
    pub dirs: Vec<CollectDir>,
    /// Ours: whether directories of other file systems are left out, for
    /// directories that do not say.
    pub one_file_system: bool,
    /// Ours: how hard compressors try; absent is each compressor's default.
    pub compression_level: Option<Located<i64>>,
    /// Where the section is.
    pub place: Place,
}

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Absolute paths.
    pub abs_paths: Vec<Located<String>>,
    /// Paths below the directory; never filled at the level of the section.
    pub rel_paths: Vec<Located<String>>,
    /// Regular expressions for whole absolute paths.
    pub patterns: Vec<Located<String>>,
}

/// A single file to collect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectFile {
    /// The file.
    pub abs_path: Text,
    /// When it is collected; of `<mode>`, or else `<collect_mode>`.
    pub collect_mode: Text,
    /// How it is packed.
    pub archive_mode: Text,
    /// Where the item is.
    pub place: Place,
}

/// A directory to collect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectDir {
    /// The directory.
    pub abs_path: Text,
    /// When it is collected; of `<mode>`, or else `<collect_mode>`.
    pub collect_mode: Text,
    /// How it is packed.
    pub archive_mode: Text,
    /// The name of the file whose presence keeps its directory out.
    pub ignore_file: Text,
    /// To what depth symbolic links to directories are followed.
    pub link_depth: Option<Located<i64>>,
    /// Whether what links point to is collected under its own path too.
    pub dereference: bool,
    /// How many levels of directories get archives of their own.
    pub recursion_level: Option<Located<i64>>,
    /// What is left out, besides what the section leaves out.
    pub exclude: Exclude,
    /// Ours: whether directories of other file systems are left out; absent
    /// is what the section says.
    pub one_file_system: Option<bool>,
    /// Ours: how hard the compressor tries; absent is what the section says.
    pub compression_level: Option<Located<i64>>,
    /// Where the item is.
    pub place: Place,
}

impl Exclude {
    /// Reads everything in `<exclude>`; the first such element counts.
    fn read(reader: &Reader<'_>, within_dir: bool) -> Self {
        let Some(exclude) = reader.first("exclude") else { return Self::default() };
        Self {
            abs_paths: exclude.absolutes("abs_path"),
            rel_paths: if within_dir { exclude.texts("rel_path") } else { Vec::new() },
            patterns: exclude.patterns("pattern"),
        }
    }

    /// Reads an `<exclude>` in which there are no absolute paths.
    pub(super) fn read_relative(reader: &Reader<'_>) -> Self {
        let Some(exclude) = reader.first("exclude") else { return Self::default() };
        Self {
            abs_paths: Vec::new(),
            rel_paths: exclude.texts("rel_path"),
            patterns: exclude.patterns("pattern"),
        }
    }
}

/// The old spelling wins.
fn mode(reader: &Reader<'_>) -> Text {
    if reader.text("mode").is_some() {
        return reader.collect_mode("mode");
    }
    reader.collect_mode("collect_mode")
}

impl Section for Collect {
    const NAME: &'static str = "collect";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            collect_dir: reader.absolute("collect_dir", Cause::TargetDirNotAbsolute),
            collect_mode: reader.collect_mode("collect_mode"),
            archive_mode: reader.archive_mode(),
            ignore_file: reader.text("ignore_file"),
            exclude: Exclude::read(reader, false),
            files: reader.all("file").map(|it| file(&it)).collect(),
            dirs: reader.all("dir").map(|it| dir(&it)).collect(),
            one_file_system: reader.boolean("one_file_system"),
            compression_level: reader.integer("compression_level", None),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.collect_dir.is_none() {
            findings.missing(Cause::CollectDirMissing, &self.place);
        }
        for file in &self.files {
            let missing = |cause| findings.missing(cause, &file.place);
            if file.abs_path.is_none() {
                missing(Cause::FilePathMissing);
            }
            if self.collect_mode.is_none() && file.collect_mode.is_none() {
                missing(Cause::FileModeMissing);
            }
            if self.archive_mode.is_none() && file.archive_mode.is_none() {
                missing(Cause::FileArchiveMissing);
            }
        }
        for dir in &self.dirs {
            let missing = |cause| findings.missing(cause, &dir.place);
            if dir.abs_path.is_none() {
                missing(Cause::DirPathMissing);
            }
            if self.collect_mode.is_none() && dir.collect_mode.is_none() {
                missing(Cause::DirModeMissing);
            }
            if self.archive_mode.is_none() && dir.archive_mode.is_none() {
                missing(Cause::DirArchiveMissing);
            }
            if self.ignore_file.is_none() && dir.ignore_file.is_none() {
                missing(Cause::DirIgnoreMissing);
            }
            if dir.dereference && dir.link_depth.as_ref().is_none_or(|it| it.value == 0) {
                missing(Cause::DereferenceWithoutDepth);
            }
        }
    }
}

fn file(reader: &Reader<'_>) -> CollectFile {
    CollectFile {
        abs_path: reader.absolute("abs_path", Cause::PathNotAbsolute),
        collect_mode: mode(reader),
        archive_mode: reader.archive_mode(),
        place: reader.place(),
    }
}

fn dir(reader: &Reader<'_>) -> CollectDir {
    CollectDir {
        abs_path: reader.absolute("abs_path", Cause::PathNotAbsolute),
        collect_mode: mode(reader),
        archive_mode: reader.archive_mode(),
        ignore_file: reader.text("ignore_file"),
        link_depth: reader.integer("link_depth", Some((0, Cause::LinkDepthNegative))),
        dereference: reader.boolean("dereference"),
        recursion_level: reader.integer("recursion_level", None),
        exclude: Exclude::read(reader, true),
        one_file_system: reader.optional_boolean("one_file_system"),
        compression_level: reader.integer("compression_level", None),
        place: reader.place(),
    }
}
