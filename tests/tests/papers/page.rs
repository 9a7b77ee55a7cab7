//! Pages of Markdown: their fenced blocks, links and headings.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The same from the top directory.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
    /// Its fenced blocks.
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// What stands behind the fence.
    pub(crate) info: String,
    /// What is in it, without the fence's indentation.
    pub(crate) text: String,
    /// The line of the fence.
    pub(crate) line: usize,
}

/// The top directory.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Page {
    /// Reads the papers at the top and the book. The reference is compared as
    /// a whole, and left out here.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths: Vec<PathBuf> =
            ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
                .map(|it| root().join(it))
                .into();
        for entry in fs::read_dir(root().join("docs/src")).unwrap() {
            paths.push(entry.unwrap().path());
        }
        paths.retain(|it| !it.ends_with("reference.md"));
        paths.iter().map(|it| Self::read(it)).collect()
    }

    /// Reads a page.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        Self { path: path.to_owned(), name, blocks: blocks(&text), text }
    }

    /// Returns where a block is, for messages.
    pub(crate) fn at(&self, block: &Block) -> String {
        format!("{}:{}", self.name, block.line)
    }

    /// Returns the text outside of blocks, line by line.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        self.text.lines().enumerate().filter_map(move |(number, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            (!inside && !fence).then_some((number + 1, line))
        })
    }

    /// Returns the targets of its links, with their lines.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.prose() {
            for piece in line.split("](").skip(1) {
                let target = piece.split(')').next().unwrap();
                found.push((number, target.to_owned()));
            }
        }
        found
    }

    /// Returns the anchors that its headings have.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().filter_map(|(_, line)| line.strip_prefix('#'));
        headings
            .map(|it| {
                let plain = it.trim_start_matches('#').trim().to_lowercase();
                let kept = plain.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }

    /// Returns the words behind `program` in code within the prose.
    pub(crate) fn inline_commands(&self, program: &str) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (_, line) in self.prose() {
            for code in line.split('`').skip(1).step_by(2) {
                if let Some(rest) = code.strip_prefix(program).and_then(|it| it.strip_prefix(' ')) {
                    found.push(words(rest));
                }
            }
        }
        found
    }
}

impl Block {
    /// Returns the words behind `program` of every line that begins with it.
    pub(crate) fn commands_of(&self, program: &str) -> Vec<Vec<String>> {
        let joined = self.text.replace("\\\n", " ");
        let lines =
            joined.lines().filter_map(|it| it.trim().strip_prefix(program)?.strip_prefix(' '));
        lines.map(words).collect()
    }
}

/// Words up to what is the shell's.
fn words(text: &str) -> Vec<String> {
    let own =
        text.split_whitespace().take_while(|it| !["|", ">", ">>", "#", "&&", "||"].contains(it));
    own.map(ToOwned::to_owned).collect()
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let mut text = String::new();
        for (_, line) in lines.by_ref() {
            if line.trim() == "```" {
                break;
            }
            text.push_str(line.get(indent..).unwrap_or_default());
            text.push('\n');
        }
        found.push(Block { info: info.trim().to_owned(), text, line: number + 1 });
    }
    found
}
