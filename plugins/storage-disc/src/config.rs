//! The settings of a drive: those of Cedar Backup's `<store>`, be it that
//! section itself or a `<storage>` with the same elements.

use std::{marker::PhantomData, path::PathBuf, time::Duration};

use hayloft_plugin_api::{
    Configuration, Diagnostic, Error, ErrorKind, Node, Result,
    cedar::{self, Cause},
    config::{Decoded, nearest},
};

use crate::{media::Media, policy::Blanking};

/// Which kind of drive burns, and so which programs do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Burns CDs, with cdrecord.
    Cd,
    /// Burns DVDs, with growisofs.
    Dvd,
}

impl Kind {
    /// Returns the name of the storage and of the `<device_type>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cd => "cdwriter",
            Self::Dvd => "dvdwriter",
        }
    }
}

/// A drive, the discs that go into it, and how they are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Disc {
    /// The kind of drive.
    pub kind: Kind,
    /// Its device file, or a regular file that stands for a disc.
    pub device: String,
    /// Its SCSI address, for CDs only.
    pub scsi_id: Option<String>,
    /// The kind of disc.
    pub media: Media,
    /// How fast to write.
    pub speed: Option<i64>,
    /// What was written is compared with what was to be written.
    pub check_data: bool,
    /// The disc must be one of ours.
    pub check_media: bool,
    /// The tray is left alone.
    pub no_eject: bool,
    /// When a new disc is begun.
    pub blanking: Option<Blanking>,
    /// How long to wait after the disc is loaded again.
    pub refresh_delay: Duration,
    /// How long to wait after the tray was opened.
    pub eject_delay: Duration,
}

impl Disc {
    /// Returns how cdrecord addresses the drive.
    pub fn hardware(&self) -> &str {
        match (&self.scsi_id, self.kind) {
            (Some(id), Kind::Cd) => id,
            _ => &self.device,
        }
    }

    /// Reads the `<store>` section of a configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] with everything that is wrong with it.
    pub fn configured(document: &Node) -> Result<Self> {
        let Some(section) = document.child("store") else {
            return Err(Error::new(ErrorKind::CONFIGURATION, "the store section is missing")
                .hint("it says which drive and which kind of disc to use"));
        };
        let dvd = section.child("device_type").is_some_and(|it| it.first_text == "dvdwriter");
        let decoded = read(section, if dvd { Kind::Dvd } else { Kind::Cd });
        decoded.value.ok_or_else(|| Error::configuration(decoded.diagnostics))
    }
}

/// Returns where the days are: where the store section says, or else where
/// they are staged.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if neither is configured.
pub fn source_dir(document: &Node) -> Result<PathBuf> {
    let text = |section: &str, element: &str| {
        let text = document.child(section)?.child(element)?.first_text.to_string();
        (!text.is_empty()).then(|| PathBuf::from(text))
    };
    text("store", "source_dir").or_else(|| text("stage", "staging_dir")).ok_or_else(|| {
        let message =
            "neither <store><source_dir> nor <stage><staging_dir> says where the days are";
        Error::new(ErrorKind::CONFIGURATION, message)
    })
}

/// The settings of the storage of one kind.
#[derive(Debug, Clone)]
pub struct Settings<K> {
    /// The settings.
    pub disc: Disc,
    kind: PhantomData<fn() -> K>,
}

/// The storage `cdwriter` or `dvdwriter`, as a type.
pub trait DriveKind: 'static {
    /// Which of them.
    const KIND: Kind;
}

impl<K: DriveKind> Configuration for Settings<K> {
    fn decode(node: &Node) -> Decoded<Self> {
        let Decoded { value, diagnostics } = read(node, K::KIND);
        let value = value.map(|disc| Self { disc, kind: PhantomData });
        Decoded { value, diagnostics }
    }
}

/// The element that says when a new disc is begun.
const BLANKING: &str = "blank_behavior";

/// Finds what is wrong with the store section and Cedar Backup finds too late,
/// if it is about a drive.
pub fn oversights(section: &Node) -> Vec<Diagnostic> {
    if section.child("target_device").is_none() {
        return Vec::new();
    }
    let path = format!("{}/{BLANKING}", section.name);
    let found = read(section, Kind::Cd).diagnostics;
    found.into_iter().filter(|it| it.path == path).collect()
}

/// The elements of a drive.
const KNOWN: [&str; 14] = [
    "source_dir",
    "media_type",
    "device_type",
    "target_device",
    "target_scsi_id",
    "drive_speed",
    "check_data",
    "check_media",
    "warn_midnite",
    "no_eject",
    "blank_behavior",
    "refresh_media_delay",
    "eject_delay",
    "storage",
];

/// Where the days are is not the drive's business, the kind of drive is known
/// without `device_type`, and what is missing is told by [`disc`], whatever
/// else is in the section.
const TOLD_BY_US: [Cause; 4] =
    [Cause::SourceDirMissing, Cause::MediaMismatch, Cause::DeviceMissing, Cause::MediaTypeMissing];

fn read(node: &Node, kind: Kind) -> Decoded<Disc> {
    let (store, problems) =
        cedar::read_section::<cedar::Store>(node, &cedar::Names::any(), &cedar::Context::default());
    let is_store = node.name == "store";
    let mut diagnostics: Vec<Diagnostic> = problems
        .into_iter()
        .filter(|it| !TOLD_BY_US.contains(&it.cause))
        .map(Diagnostic::from)
        .collect();
    if !is_store {
        let unknown = node.children.iter().filter(|it| !KNOWN.contains(&it.name.as_str()));
        diagnostics.extend(unknown.map(|it| unknown_element(it, node)));
    }
    let (disc, more) = disc(&store, kind);
    diagnostics.extend(more);
    diagnostics.sort_by_key(|it| it.position);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    Decoded { value: disc.filter(|_| !failed), diagnostics }
}

fn unknown_element(child: &Node, node: &Node) -> Diagnostic {
    let path = format!("{}/{}", node.name, child.name);
    let message = format!("unknown element <{}>", child.name);
    let found = Diagnostic::warning(child.position, path, message);
    match nearest(&child.name, KNOWN) {
        Some(name) => found.help(format!("did you mean <{name}>?")),
        None => found,
    }
}

/// Makes the settings of the section; what Cedar Backup accepts but cannot
/// work with is an error here.
fn disc(store: &cedar::Store, kind: Kind) -> (Option<Disc>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let at = |element: &str| format!("{}/{element}", store.place.path);
    let blank = store.blank_behavior.as_ref().map(|it| it.place.position);
    let mut wrong = |element: &str, message: String| {
        let own = blank.filter(|_| element == BLANKING);
        let position = own.unwrap_or(store.place.position);
        found.push(Diagnostic::error(position, at(element), message));
    };
    let device = cedar::text(&store.target_device);
    if device.is_none() {
        wrong("target_device", "the device to write to is missing".to_owned());
    }
    let media = cedar::text(&store.media_type);
    if media.is_none() {
        wrong("media_type", "the kind of disc is missing".to_owned());
    }
    let media = media.and_then(Media::named);
    if let Some(media) = media.filter(|it| it.is_cd() != (kind == Kind::Cd)) {
        wrong("media_type", format!("a {} does not burn discs of the kind {media}", kind.name()));
    }
    let blanking = store.blank_behavior.as_ref().map(|it| {
        let mode = cedar::text(&it.mode);
        let factor = cedar::text(&it.factor).map(|it| it.trim().replace('_', ""));
        (mode == Some("daily"), mode.is_some(), factor.and_then(|it| it.parse().ok()))
    });
    let blanking = match blanking {
        None => None,
        Some((daily, true, Some(factor))) => Some(Blanking { daily, factor }),
        Some(_) => {
            wrong(BLANKING, "it needs both a <mode> and a <factor>".to_owned());
            None
        }
    };
    let seconds = |delay: &Option<cedar::Located<i64>>| {
        let seconds = delay.as_ref().and_then(|it| u64::try_from(it.value).ok());
        Duration::from_secs(seconds.unwrap_or(0))
    };
    let disc = device.zip(media).map(|(device, media)| Disc {
        kind,
        device: device.to_owned(),
        scsi_id: cedar::text(&store.target_scsi_id).map(ToOwned::to_owned),
        media,
        speed: store.drive_speed.as_ref().map(|it| it.value),
        check_data: store.check_data,
        check_media: store.check_media,
        no_eject: store.no_eject,
        blanking,
        refresh_delay: seconds(&store.refresh_media_delay),
        eject_delay: seconds(&store.eject_delay),
    });
    (disc, found)
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::Section;

    use super::*;

    const CD: [(&str, &str); 2] = [("media_type", "cdrw-80"), ("target_device", "/dev/cdrw")];

    fn section(name: &str, elements: &[(&str, &str)]) -> Section {
        elements.iter().fold(Section::new(name), |section, (path, text)| section.set(path, text))
    }

    fn errors(elements: &[(&str, &str)], kind: Kind) -> Vec<String> {
        let decoded = read(section("storage", elements).node(), kind);
        let errors = decoded.diagnostics.iter().filter(|it| it.is_error());
        errors.map(|it| it.message.clone()).collect()
    }

    #[test]
    fn a_drive_needs_a_device_and_a_kind_of_disc() {
        let disc = read(section("storage", &CD).node(), Kind::Cd).value.unwrap();
        assert_eq!((disc.media, disc.hardware()), (Media::CdRw80, "/dev/cdrw"));
        assert_eq!((disc.blanking, disc.speed, disc.check_data), (None, None, false));
        let missing = errors(&[], Kind::Cd);
        assert_eq!(missing, ["the device to write to is missing", "the kind of disc is missing"]);
    }

    #[test]
    fn the_disc_must_fit_the_drive() {
        assert_eq!(errors(&CD, Kind::Cd), [""; 0]);
        assert_eq!(errors(&CD, Kind::Dvd), ["a dvdwriter does not burn discs of the kind cdrw-80"]);
    }

    #[test]
    fn blanking_needs_a_mode_and_a_factor() {
        let with = |more: &[(&'static str, &'static str)]| {
            let mut all = CD.to_vec();
            all.extend(more);
            (errors(&all, Kind::Cd), read(section("storage", &all).node(), Kind::Cd).value)
        };
        let (mode, factor) = ("blank_behavior.mode", "blank_behavior.factor");
        for half in [[(mode, "daily")], [(factor, "1.3")]] {
            assert_eq!(with(&half).0, ["it needs both a <mode> and a <factor>"]);
        }
        let both = with(&[(mode, "weekly"), (factor, " 1_0.5 ")]).1.unwrap();
        assert_eq!(both.blanking, Some(Blanking { daily: false, factor: 10.5 }));
    }

    #[test]
    fn a_scsi_address_is_for_cds_only() {
        let mut all = CD.to_vec();
        all.push(("target_scsi_id", "ATA:1,0,0"));
        let disc = read(section("storage", &all).node(), Kind::Cd).value.unwrap();
        assert_eq!(disc.hardware(), "ATA:1,0,0");
        assert_eq!(Disc { kind: Kind::Dvd, ..disc }.hardware(), "/dev/cdrw");
    }

    #[test]
    fn the_store_section_itself_is_such_a_section() {
        let store = section("store", &[CD[0], CD[1], ("source_dir", "/s"), ("compressor", "x")]);
        let decoded = read(store.node(), Kind::Cd);
        assert!(decoded.value.is_some() && decoded.diagnostics.is_empty(), "{decoded:?}");
        let unknown = section("storage", &[CD[0], CD[1], ("chek_data", "Y")]);
        let decoded = read(unknown.node(), Kind::Cd);
        assert_eq!(decoded.diagnostics[0].message, "unknown element <chek_data>");
        assert!(decoded.value.is_some());
    }
}
