//! The `<peers>` section, and the peers within `<stage>`.

use super::{
    Cause, Located, Options, Place, Text,
    extensions::duplicates,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// The machines whose data is staged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// The peers.
    pub list: PeerList,
    /// Where the section is.
    pub place: Place,
}

/// Local and remote peers, each in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerList {
    /// Directories of this machine.
    pub local: Vec<LocalPeer>,
    /// Other machines.
    pub remote: Vec<RemotePeer>,
}

/// A directory of this machine to stage from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalPeer {
    /// Its name, and that of its directory in the staging area.
    pub name: Text,
    /// Where its collected files are.
    pub collect_dir: Text,
    /// Whether it is reported when it is not ready: `none` (always), `all`
    /// (never), `daily` or `weekly`.
    pub ignore_failures: Text,
    /// Where the peer is.
    pub place: Place,
}

/// Another machine to stage from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemotePeer {
    /// Its name: that of the machine, and of its directory in the staging
    /// area.
    pub name: Text,
    /// Where its collected files are, over there.
    pub collect_dir: Text,
    /// The user to log in as.
    pub backup_user: Text,
    /// The command that copies.
    pub rcp_command: Text,
    /// The command that runs something over there.
    pub rsh_command: Text,
    /// The backup command over there.
    pub cback_command: Text,
    /// Whether actions are run over there.
    pub managed: bool,
    /// Which ones.
    pub managed_actions: Option<Located<Vec<String>>>,
    /// See [`LocalPeer::ignore_failures`].
    pub ignore_failures: Text,
    /// Where the peer is.
    pub place: Place,
}

impl PeerList {
    /// Tells whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.is_empty()
    }

    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let mut list = Self::default();
        for peer in reader.all("peer") {
            let kind = peer.text("type");
            match kind.as_ref().map(|it| it.as_str()) {
                Some("local") => list.local.push(local(&peer)),
                Some("remote") => list.remote.push(remote(&peer)),
                _ => match &kind {
                    Some(kind) => peer.warn(Cause::PeerIgnored, "type", kind, kind.position),
                    None => peer.findings.warn(
                        Cause::PeerIgnored,
                        "",
                        peer.place().position,
                        &peer.place().path,
                    ),
                },
            }
        }
        list
    }

    pub(super) fn validate(&self, findings: &Findings<'_>, options: Option<&Options>) {
        for peer in &self.local {
            if peer.name.is_none() {
                findings.missing(Cause::LocalPeerNameMissing, &peer.place);
            }
            if peer.collect_dir.is_none() {
                findings.missing(Cause::LocalPeerDirMissing, &peer.place);
            }
        }
        for peer in &self.remote {
            peer.validate(findings, options);
        }
        let local = self.local.iter().map(|it| (&it.name, &it.place));
        let remote = self.remote.iter().map(|it| (&it.name, &it.place));
        duplicates(findings, Cause::DuplicatePeers, local.chain(remote));
    }
}

/// The longest name that a directory can have, in bytes.
const LONGEST: usize = 255;

/// Tells what is wrong with the name of a peer, which is that of its directory
/// below the day's; nothing if it can be used.
pub fn objection_to_peer_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("it would leave the day's directory"),
        _ if name.contains('/') => Some("it contains a slash"),
        _ if name.chars().any(char::is_control) => Some("it contains a control character"),
        _ if name.len() > LONGEST => Some("it is longer than 255 bytes"),
        _ if name.starts_with("cback.") => Some("it is reserved for indicator files"),
        _ => None,
    }
}

/// Reads a name. Other actions than stage do well without it, and go on.
fn name_of(reader: &Reader<'_>) -> Text {
    let name = reader.text("name");
    if let Some(text) = name.as_ref().filter(|it| objection_to_peer_name(it).is_some()) {
        reader.warn(Cause::PeerName, "name", text, text.position);
    }
    name
}

impl RemotePeer {
    fn validate(&self, findings: &Findings<'_>, options: Option<&Options>) {
        let required = [
            (&self.name, Cause::RemotePeerNameMissing),
            (&self.collect_dir, Cause::RemotePeerDirMissing),
        ];
        for (field, cause) in required {
            if field.is_none() {
                findings.missing(cause, &self.place);
            }
        }
        let Some(options) = options else { return };
        let somewhere = |own: &Text, general: &Text, cause| {
            if own.is_none() && general.is_none() {
                findings.missing(cause, &self.place);
            }
        };
        somewhere(&self.backup_user, &options.backup_user, Cause::PeerUserMissing);
        somewhere(&self.rcp_command, &options.rcp_command, Cause::PeerRcpMissing);
        if !self.managed {
            return;
        }
        somewhere(&self.rsh_command, &options.rsh_command, Cause::PeerRshMissing);
        somewhere(&self.cback_command, &options.cback_command, Cause::PeerCbackMissing);
        let some =
            |list: &Option<Located<Vec<String>>>| list.as_ref().is_some_and(|it| !it.is_empty());
        if !some(&self.managed_actions) && !some(&options.managed_actions) {
            findings.missing(Cause::PeerActionsMissing, &self.place);
        }
    }
}

fn local(reader: &Reader<'_>) -> LocalPeer {
    LocalPeer {
        name: name_of(reader),
        collect_dir: reader.absolute("collect_dir", Cause::CollectDirNotAbsolute),
        ignore_failures: ignore_failures(reader),
        place: reader.place(),
    }
}

fn remote(reader: &Reader<'_>) -> RemotePeer {
    let name = name_of(reader);
    let collect_dir = reader.absolute("collect_dir", Cause::CollectDirNotAbsolute);
    let ignore_failures = ignore_failures(reader);
    RemotePeer {
        name,
        collect_dir,
        backup_user: reader.text("backup_user"),
        rcp_command: reader.text("rcp_command"),
        rsh_command: reader.text("rsh_command"),
        cback_command: reader.text("cback_command"),
        managed: reader.boolean("managed"),
        managed_actions: reader.action_list("managed_actions"),
        ignore_failures,
        place: reader.place(),
    }
}

fn ignore_failures(reader: &Reader<'_>) -> Text {
    let allowed = ["none", "all", "daily", "weekly"];
    reader.one_of("ignore_failures", Cause::IgnoreFailures, &allowed)
}

impl Section for Peers {
    const NAME: &'static str = "peers";

    fn read(reader: &Reader<'_>) -> Self {
        Self { list: PeerList::read(reader), place: reader.place() }
    }

    fn validate(&self, findings: &Findings<'_>, context: &Context<'_>) {
        if self.list.is_empty() {
            findings.missing(Cause::NoPeers, &self.place);
        }
        self.list.validate(findings, context.options);
    }
}
