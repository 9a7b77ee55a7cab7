//! The `<reference>` section.

use super::{
    Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// Who wrote the configuration. Nothing depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Who wrote it.
    pub author: Text,
    /// The revision of the file.
    pub revision: Text,
    /// What it is for.
    pub description: Text,
    /// The program that made it.
    pub generator: Text,
}

impl Section for Reference {
    const NAME: &'static str = "reference";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            author: reader.text("author"),
            revision: reader.text("revision"),
            description: reader.text("description"),
            generator: reader.text("generator"),
        }
    }

    fn validate(&self, _: &Findings<'_>, _: &Context<'_>) {}
}
