//! The `<stage>` section.

use super::{
    Cause, PeerList, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// Where data of peers is gathered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// The staging area; each day has a directory in it.
    pub staging_dir: Text,
    /// Peers that replace those of `<peers>`, if there are any.
    pub peers: PeerList,
    /// Where the section is.
    pub place: Place,
}

impl Section for Stage {
    const NAME: &'static str = "stage";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            staging_dir: reader.absolute("staging_dir", Cause::TargetDirNotAbsolute),
            peers: PeerList::read(reader),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, context: &Context<'_>) {
        if self.staging_dir.is_none() {
            findings.missing(Cause::StagingDirMissing, &self.place);
        }
        // A section read on its own does not know whether there are peers.
        if self.peers.is_empty() && context.peers.is_none() && context.options.is_some() {
            findings.missing(Cause::NoPeers, &self.place);
        }
        self.peers.validate(findings, context.options);
    }
}
