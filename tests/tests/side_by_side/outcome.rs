//! What a program left behind.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use serde::Deserialize;

use super::cedar::Cedar;

/// How a run ended and what is there after it.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    /// What it wrote to the terminal.
    pub(crate) text: String,
    /// Files by their paths below the world, without the working directory.
    /// Directories end in a slash.
    pub(crate) files: BTreeMap<String, File>,
    /// How programs that write discs were called, if a recorder stands for
    /// them.
    pub(crate) calls: Vec<String>,
}

/// A file or directory.
#[derive(Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) mode: u32,
    pub(crate) content: Content,
}

/// What is in it.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    Directory,
    Archive(BTreeMap<String, Member>),
    Other(Vec<u8>),
}

/// What is in an archive, by its name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Member {
    pub(crate) kind: String,
    pub(crate) mode: u32,
    pub(crate) time: i64,
    pub(crate) target: String,
    pub(crate) content: String,
}

/// A line of the list of members.
#[derive(Deserialize)]
struct Line {
    /// Which of the archives.
    archive: usize,
    /// In hexadecimal digits.
    name: String,
    #[serde(flatten)]
    member: Member,
}

impl Outcome {
    pub(crate) fn of(output: &Output, world: &Path, cedar: &Cedar) -> Self {
        leftovers(world);
        let mut files = BTreeMap::new();
        for directory in ["collect", "other", "stage"] {
            read(&world.join(directory), directory, &mut files);
        }
        read_archives(world, cedar, &mut files);
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { code: output.status.code(), text, files, calls: calls(world) }
    }
}

impl Outcome {
    /// Returns the files in the collected archive whose name contains `part`,
    /// below the directory that was collected; sorted.
    pub(crate) fn files_in_archive(&self, part: &str) -> Vec<&str> {
        let wanted =
            |(name, _): &(&String, &File)| name.starts_with("collect/") && name.contains(part);
        let (name, file) = self.files.iter().find(wanted).unwrap();
        let Content::Archive(members) = &file.content else { panic!("{name} is no archive") };
        let files = members.iter().filter(|(_, it)| it.kind == "file");
        files.map(|(name, _)| name.split_once("tree/incr/").unwrap().1).collect()
    }
}

/// Returns the calls and forgets them. Temporary files have any names, and what
/// goes onto a disc is told in any order.
fn calls(world: &Path) -> Vec<String> {
    let path = world.join("bin/calls");
    let Ok(text) = fs::read_to_string(&path) else { return Vec::new() };
    fs::remove_file(path).unwrap();
    let working = world.join("working");
    let temporary = |word: &str| {
        let path = Path::new(word);
        path.starts_with(&working)
            || path.starts_with(std::env::temp_dir()) && !path.starts_with(world)
    };
    let plain = |line: &str| {
        let (mut onto_disc, mut words): (Vec<&str>, Vec<&str>) =
            line.split(' ').partition(|it| it.contains("/="));
        onto_disc.sort_unstable();
        words.iter_mut().filter(|it| temporary(it)).for_each(|it| *it = "TEMPORARY");
        [words, onto_disc].concat().join(" ")
    };
    text.lines().map(plain).collect()
}

/// Nothing temporary may stay in the working directory.
fn leftovers(world: &Path) {
    for entry in fs::read_dir(world.join("working")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known =
            [".sha", ".svnlast", ".state", ".state.new"].iter().any(|it| name.ends_with(it));
        assert!(known || name == "hayloft", "{name} stays in the working directory");
    }
}

fn read(directory: &Path, name: &str, files: &mut BTreeMap<String, File>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
        if entry.file_type().unwrap().is_dir() {
            read(&path, &name, files);
            files.insert(format!("{name}/"), File { mode, content: Content::Directory });
        } else {
            let content = Content::Other(fs::read(path).unwrap());
            files.insert(name, File { mode, content });
        }
    }
}

/// Replaces the bytes of archives by what is in them.
fn read_archives(world: &Path, cedar: &Cedar, files: &mut BTreeMap<String, File>) {
    let archives: Vec<String> = files.keys().filter(|it| it.contains("-tree-")).cloned().collect();
    let output = cedar.members(archives.iter().map(|it| world.join(it))).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "an archive cannot be read:\n{complaint}");
    for name in &archives {
        files.get_mut(name).unwrap().content = Content::Archive(BTreeMap::new());
    }
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Line { archive, name, mut member } = serde_json::from_str(line).unwrap();
        let file = files.get_mut(&archives[archive]).unwrap();
        let Content::Archive(members) = &mut file.content else { unreachable!() };
        if member.kind == "hardlink" {
            // Which of the names comes first is up to the file system.
            member = members[&text(&member.target)].clone();
        }
        members.insert(text(&name), member);
    }
}

/// Reads hexadecimal digits; invalid UTF-8 shows as replacement characters.
fn text(digits: &str) -> String {
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
