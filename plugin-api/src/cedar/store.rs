//! The `<store>` section.

use super::{
    Cause, Located, Place, Text, python,
    reader::{Findings, Reader},
    section::{Context, Section},
    text,
};

/// Where staged data is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of the file")]
pub struct Store {
    /// The staging area.
    pub source_dir: Text,
    /// The kind of disc.
    pub media_type: Text,
    /// `cdwriter` or `dvdwriter`; absent is `cdwriter`.
    pub device_type: Text,
    /// The drive's device file.
    pub target_device: Text,
    /// The drive's SCSI address.
    pub target_scsi_id: Text,
    /// How fast to write.
    pub drive_speed: Option<Located<i64>>,
    /// Whether what was written is compared.
    pub check_data: bool,
    /// Whether the disc must be one of ours.
    pub check_media: bool,
    /// Whether a run past midnight is reported.
    pub warn_midnite: bool,
    /// Whether the tray is left alone.
    pub no_eject: bool,
    /// When rewritable discs are blanked.
    pub blank_behavior: Option<BlankBehavior>,
    /// Seconds to wait after the media is loaded; 0 counts as absent.
    pub refresh_media_delay: Option<Located<i64>>,
    /// Seconds to wait before the tray opens; 0 counts as absent.
    pub eject_delay: Option<Located<i64>>,
    /// Ours: the storages to write to. With one of them nothing about discs
    /// is required.
    pub storages: Vec<Located<String>>,
    /// Where the section is.
    pub place: Place,
}

/// When rewritable discs are blanked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlankBehavior {
    /// `daily` or `weekly`.
    pub mode: Text,
    /// The factor, as text.
    pub factor: Text,
    /// Where the element is.
    pub place: Place,
}

const CD_MEDIA: [&str; 4] = ["cdr-74", "cdrw-74", "cdr-80", "cdrw-80"];
const DVD_MEDIA: [&str; 2] = ["dvd+r", "dvd+rw"];

fn is_media(name: &str) -> bool {
    CD_MEDIA.contains(&name) || DVD_MEDIA.contains(&name)
}

impl Section for Store {
    const NAME: &'static str = "store";

    fn read(reader: &Reader<'_>) -> Self {
        let devices = ["cdwriter", "dvdwriter"];
        let delay = |name, cause| reader.integer(name, Some((0, cause))).filter(|it| it.value != 0);
        Self {
            source_dir: reader.absolute("source_dir", Cause::SourceDirNotAbsolute),
            media_type: reader.tested("media_type", Cause::MediaType, is_media),
            device_type: reader.one_of("device_type", Cause::DeviceType, &devices),
            target_device: reader.absolute("target_device", Cause::DeviceNotAbsolute),
            target_scsi_id: reader.tested("target_scsi_id", Cause::BadScsiId, is_scsi_id),
            drive_speed: reader.integer("drive_speed", Some((1, Cause::DriveSpeed))),
            check_data: reader.boolean("check_data"),
            check_media: reader.boolean("check_media"),
            warn_midnite: reader.boolean("warn_midnite"),
            no_eject: reader.boolean("no_eject"),
            blank_behavior: reader.first("blank_behavior").map(|it| blank_behavior(&it)),
            refresh_media_delay: delay("refresh_media_delay", Cause::RefreshDelayNegative),
            eject_delay: delay("eject_delay", Cause::EjectDelayNegative),
            storages: reader.texts("storage"),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        let required = [
            (&self.source_dir, Cause::SourceDirMissing),
            (&self.media_type, Cause::MediaTypeMissing),
            (&self.target_device, Cause::DeviceMissing),
        ];
        for (field, cause) in required {
            if field.is_none() && self.storages.is_empty() {
                findings.missing(cause, &self.place);
            }
        }
        if let Some(media) = self.media_type.as_ref().filter(|it| is_media(it)) {
            let dvd = text(&self.device_type) == Some("dvdwriter");
            if DVD_MEDIA.contains(&media.as_str()) != dvd {
                let path = format!("{}/media_type", self.place.path);
                findings.invalid(Cause::MediaMismatch, media, media.position, &path);
            }
        }
        if let Some(blank) = &self.blank_behavior
            && blank.mode.is_none()
            && blank.factor.is_none()
        {
            findings.missing(Cause::BlankIncomplete, &blank.place);
        }
    }
}

fn blank_behavior(reader: &Reader<'_>) -> BlankBehavior {
    let mode = reader.one_of("mode", Cause::BlankMode, &["daily", "weekly"]);
    let factor = reader.text("factor");
    if let Some(factor) = &factor {
        match python::float(factor) {
            None => reader.fail(Cause::NotNumber, "factor", factor),
            Some(number) if number < 0.0 => {
                reader.fail(Cause::BlankFactorNegative, "factor", factor);
            }
            Some(_) => {}
        }
    }
    BlankBehavior { mode, factor, place: reader.place() }
}

/// `[method:]n,n,n` with blanks anywhere between, or `IO…Services[/n]`.
fn is_scsi_id(id: &str) -> bool {
    is_address(id) || is_service(id)
}

fn is_address(id: &str) -> bool {
    let address = id.rsplit_once(':').map_or(id, |(_, address)| address);
    let parts: Vec<_> = address.split(',').map(str::trim).collect();
    parts.len() == 3 && parts.iter().all(|it| is_digits(it))
}

fn is_service(id: &str) -> bool {
    let Some(rest) = id.trim().strip_prefix("IO") else { return false };
    let service = match rest.rsplit_once('/') {
        Some((before, number)) if is_digits(number.trim()) => before.trim_end(),
        Some(_) => return false,
        None => rest,
    };
    service.ends_with("Services")
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}
