//! The `<encrypt>` section.

use crate::cedar::{
    Cause, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// How staged files are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encrypt {
    /// `gpg`, or the name of another encryptor.
    pub encrypt_mode: Text,
    /// Who can decrypt: gpg's recipient.
    pub encrypt_target: Text,
    /// Where the section is.
    pub place: Place,
}

impl Section for Encrypt {
    const NAME: &'static str = "encrypt";

    fn read(reader: &Reader<'_>) -> Self {
        let known = |it: &str| reader.names().has_encrypt_mode(it);
        Self {
            encrypt_mode: reader.tested("encrypt_mode", Cause::EncryptMode, known),
            encrypt_target: reader.text("encrypt_target"),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.encrypt_mode.is_none() {
            findings.missing(Cause::EncryptModeMissing, &self.place);
        }
        if self.encrypt_target.is_none() {
            findings.missing(Cause::EncryptTargetMissing, &self.place);
        }
    }
}
