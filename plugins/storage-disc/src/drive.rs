//! A drive with a disc in it, or a file that stands for both.

use std::{
    fs,
    io::ErrorKind as IoErrorKind,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use rustix::fs::Access;
use tracing::{info, warn};

use crate::{
    answers::{self, Properties},
    commands::{self, Contents, Graft, Growing, Tray},
    config::{Disc, Kind},
    image_file,
    media::{MARGIN, Room, SECTOR, Session},
    policy,
    programs::{Programs, Ran},
    scratch::{self, Scratch},
    tools::{Program, Tool, Tools},
};

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A drive, or a file that a burning program was configured for.
    Drive {
        /// Whether it is a regular file.
        is_file: bool,
    },
    /// A file; no drive and no program that burns are needed.
    File,
}

/// A drive that can be written to.
#[derive(Debug)]
pub struct Drive<'a> {
    /// The programs.
    pub programs: Programs<'a>,
    /// The settings.
    pub disc: &'a Disc,
    /// Where temporary files go.
    pub working_dir: PathBuf,
    /// What it is.
    pub target: Target,
    properties: Properties,
}

impl<'a> Drive<'a> {
    /// Finds the drive and removes what killed runs have left. Nothing is
    /// asked of the drive yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none, [`ErrorKind::PERMISSION`] if
    /// it cannot be written; and if it is mounted.
    pub fn find(host: &'a Host, tools: &'a Tools, disc: &'a Disc) -> Result<Self> {
        let target = target(tools, disc)?;
        let working_dir = host.settings()?.working_dir;
        let programs = Programs { host, tools };
        let properties = Properties::default();
        let drive = Self { programs, disc, working_dir, target, properties };
        drive.check_unmounted()?;
        drive.sweep();
        Ok(drive)
    }

    /// Makes sure that the disc is one of ours, if that is configured.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_media(&self) -> Result<()> {
        if !self.disc.check_media {
            return Ok(());
        }
        let label = self.label()?;
        info!("the disc has the label {label:?}");
        policy::check_label(self.disc.media, label.as_deref())
    }

    /// Asks the drive what it can do.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn probe(&mut self) -> Result<()> {
        let tray = !self.disc.no_eject && !self.is_file();
        let all = Properties { multisession: true, tray, eject: tray };
        self.properties = match (self.target, self.disc.kind) {
            (Target::File, _) => all,
            // A DVD drive is not asked.
            (_, Kind::Dvd) => Properties { multisession: true, tray: true, eject: true },
            (_, Kind::Cd) => {
                let ran = self
                    .programs
                    .ask(Tool::Cdrecord, |it| commands::properties(&self.hardware(it)))?;
                if ran.is_xorriso {
                    all
                } else {
                    let failed = |e: Error| {
                        e.context(format!("cannot talk to the drive {}", self.disc.device))
                    };
                    answers::properties(&ran.good().map_err(failed)?)
                }
            }
        };
        let Properties { multisession, tray, eject } = self.properties;
        let can: Vec<&str> =
            [(multisession, "adds sessions"), (tray, "has a tray"), (eject, "ejects discs")]
                .into_iter()
                .filter_map(|(it, what)| it.then_some(what))
                .collect();
        info!("the drive {}: {}", self.disc.device, can.join(", "));
        Ok(())
    }

    /// Takes what another one has found out about the same drive.
    #[must_use]
    pub fn like(self, other: &Drive<'_>) -> Self {
        Self { properties: other.properties, ..self }
    }

    /// Returns how full the disc is; a new one is empty.
    ///
    /// # Errors
    ///
    /// If nothing sensible can be found out.
    pub fn room(&self, new_disc: bool) -> Result<Room> {
        let media = self.disc.media;
        match (self.disc.kind, self.target) {
            (Kind::Cd, _) if new_disc => Ok(Room::on_cd(media, None)),
            (Kind::Dvd, _) if new_disc => Ok(Room::on_dvd(media, 0)),
            (kind, Target::File) => {
                let image = image_file::inspect(self.path())?;
                let session = image.map(|it| it.session());
                let on_dvd = Room::on_dvd(media, session.map_or(0, |it| it.next));
                Ok(match kind {
                    Kind::Cd => Room::on_cd(media, session),
                    Kind::Dvd => Room { session, ..on_dvd },
                })
            }
            (Kind::Cd, _) => Ok(Room::on_cd(media, self.sessions()?)),
            (Kind::Dvd, _) => Ok(Room::on_dvd(media, self.sectors_used()?)),
        }
    }

    /// Returns how many bytes an image takes, or a little more.
    ///
    /// # Errors
    ///
    /// If mkisofs cannot tell.
    pub fn image_size(&self, contents: &Contents, session: Option<Session>) -> Result<u64> {
        let ran = self.programs.ask(Tool::Mkisofs, |it| {
            // xorriso waits for half a minute if it only looks at what it is
            // to be appended to.
            let session = session.filter(|_| !it.is_xorriso);
            commands::image_size(contents, self.onto(it, session).as_ref())
        })?;
        let estimated = ran.is_xorriso && session.is_some();
        let answer = ran.good().map_err(|e| e.context("cannot work out the size of the image"))?;
        let sectors = answers::image_size(&answer)?;
        let margin = match (self.disc.kind, self.target) {
            (Kind::Dvd, Target::Drive { .. }) => MARGIN,
            _ if estimated => MARGIN,
            _ => 0,
        };
        Ok(sectors.saturating_add(margin).saturating_mul(SECTOR))
    }

    /// Opens and closes the tray, so that the system sees what has changed,
    /// and lets it be opened by hand.
    ///
    /// # Errors
    ///
    /// If it does not move, not even after it was unlocked.
    pub fn refresh(&self) -> Result<()> {
        if self.target == Target::File {
            return Ok(());
        }
        if self.has_tray() {
            self.open_tray()?;
            self.programs.pause(self.disc.eject_delay)?;
            self.tray(Tray::Close)?;
        }
        // xorriso does not lock the tray, and a file has none.
        if !self.is_file() || self.programs.tools.overridden(Tool::Eject).is_some() {
            self.tray(Tray::Unlock)?;
        }
        self.programs.pause(self.disc.refresh_delay)
    }

    fn has_tray(&self) -> bool {
        !self.disc.no_eject && self.properties.tray && self.properties.eject
    }

    fn open_tray(&self) -> Result<()> {
        let first = match self.tray(Tray::Open) {
            Err(error) if error.kind() != ErrorKind::CANCELLED => error,
            other => return other,
        };
        info!("trying again after unlocking the tray: {first}");
        self.tray(Tray::Unlock)?;
        self.tray(Tray::Open)
    }

    fn tray(&self, what: Tray) -> Result<()> {
        let ran = self.programs.ask(Tool::Eject, |_| commands::tray(what, &self.disc.device));
        let failed = |error: Error| {
            let verb = match what {
                Tray::Open => "open",
                Tray::Close => "close",
                Tray::Unlock => "unlock",
            };
            let error = error.context(format!("cannot {verb} the tray of {}", self.disc.device));
            if what == Tray::Unlock {
                return error;
            }
            error.hint("<no_eject>Y</no_eject> in the store section leaves the tray alone")
        };
        ran.and_then(|it| it.good().map(drop)).map_err(failed)
    }

    /// Returns how cdrecord is to address the drive.
    pub(crate) fn hardware(&self, program: &Program) -> String {
        program.address(self.disc.hardware(), self.is_file() && self.disc.scsi_id.is_none())
    }

    /// Returns where an image goes, as mkisofs is to be told.
    pub(crate) fn onto(
        &self,
        program: &Program,
        session: Option<Session>,
    ) -> Option<commands::Onto> {
        let device = program.address(&self.disc.device, self.is_file());
        session.map(|session| commands::Onto { session, device })
    }

    /// Returns words for xorriso only, which else takes a file for a disc that
    /// has no sessions.
    pub(crate) fn extra(&self, program: &Program) -> Vec<String> {
        let wanted = program.is_xorriso && self.is_file();
        wanted.then(|| "--grow_overwriteable_iso".to_owned()).into_iter().collect()
    }

    /// Tells whether sessions can be added to what is written.
    pub(crate) fn can_multisession(&self) -> bool {
        self.properties.multisession
    }

    /// Returns the device or the file.
    pub fn path(&self) -> &Path {
        Path::new(&self.disc.device)
    }

    /// Tells whether the target is a regular file.
    pub fn is_file(&self) -> bool {
        !matches!(self.target, Target::Drive { is_file: false })
    }

    fn label(&self) -> Result<Option<String>> {
        if self.target == Target::File && self.programs.tools.overridden(Tool::Volname).is_none() {
            return Ok(image_file::inspect(self.path())?.map(|it| it.label));
        }
        let ran = self.programs.ask(Tool::Volname, |_| vec![self.disc.device.clone()])?;
        let label = ran.output.lines().next().map(str::trim_end).map(ToOwned::to_owned);
        Ok(label.filter(|_| ran.is_good()))
    }

    fn sessions(&self) -> Result<Option<Session>> {
        if !self.properties.multisession {
            return Ok(None);
        }
        let ran = self.programs.ask(Tool::Cdrecord, |it| {
            let mut words = self.extra(it);
            words.extend(commands::sessions(&self.hardware(it)));
            words
        })?;
        if !ran.is_good() {
            warn!("the disc in {} cannot be read; it is taken to be empty", self.disc.device);
            return Ok(None);
        }
        answers::sessions(&ran.output)
    }

    /// growisofs wants something to write even if it only looks.
    fn sectors_used(&self) -> Result<u64> {
        let nothing = Scratch::tree(&self.working_dir)?;
        let contents = Contents {
            grafts: vec![Graft { at: None, path: text(nothing.path())? }],
            ..Contents::default()
        };
        let how = Growing { dry_run: true, new_disc: false, speed: self.disc.speed };
        let ran = self
            .programs
            .ask(Tool::Growisofs, |_| commands::grow(how, &self.disc.device, &contents))?;
        let used = if ran.is_good() { answers::sectors_used(&ran.everything())? } else { None };
        Ok(used.unwrap_or_else(|| {
            warn!("the disc in {} cannot be read; it is taken to be empty", self.disc.device);
            0
        }))
    }

    fn check_unmounted(&self) -> Result<()> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let real = fs::canonicalize(self.path()).unwrap_or_default();
        let names = [self.disc.device.as_str(), real.to_str().unwrap_or_default()];
        let Some(place) = answers::mounted_at(&mounts, &names) else { return Ok(()) };
        if self.is_leftover(Path::new(&place)) {
            return Ok(());
        }
        let message = format!("the device {} is mounted at {place}", self.disc.device);
        Err(Error::msg(message).hint(format!("unmount it: umount {place}")))
    }

    /// What a killed run has mounted is unmounted by the sweep.
    fn is_leftover(&self, place: &Path) -> bool {
        let real = fs::canonicalize(&self.working_dir).unwrap_or_default();
        place.parent() == Some(&real) && scratch::is_abandoned(place)
    }

    fn sweep(&self) {
        let unmount = |path: &Path| {
            let ran = self.programs.ask(Tool::Umount, |_| vec![path.display().to_string()]);
            if let Err(error) = ran.and_then(Ran::good) {
                warn!("{error}");
            }
        };
        scratch::sweep(&self.working_dir, unmount);
        if self.target == Target::File
            && let Ok(real) = fs::canonicalize(self.path())
            && let Some(directory) = real.parent()
        {
            scratch::sweep(directory, unmount);
        }
    }
}

/// Finds out what the configured device is.
fn target(tools: &Tools, disc: &Disc) -> Result<Target> {
    let path = Path::new(&disc.device);
    let burner = match disc.kind {
        Kind::Cd => Tool::Cdrecord,
        Kind::Dvd => Tool::Growisofs,
    };
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == IoErrorKind::NotFound && may_be_created(path) => {
            return Ok(Target::File);
        }
        Err(error) => {
            let message = format!("there is no device {}", path.display());
            let error = Error::from(error).context(message);
            return Err(error.hint(
                "<target_device> is a drive such as /dev/sr0, or a file that ends with .iso",
            ));
        }
    };
    let kind = metadata.file_type();
    if !kind.is_file() && !kind.is_block_device() && !kind.is_char_device() {
        let message = format!("{} is neither a device nor a file", path.display());
        return Err(Error::msg(message));
    }
    if let Err(error) = rustix::fs::access(path, Access::WRITE_OK) {
        let message = format!("cannot write to the device {}", path.display());
        return Err(Error::from(std::io::Error::from(error)).context(message));
    }
    match (kind.is_file(), tools.overridden(burner)) {
        (true, None) => Ok(Target::File),
        (is_file, _) => Ok(Target::Drive { is_file }),
    }
}

/// A file for images is created, one that is missing for whatever reason is
/// not: a drive that is not plugged in must not become a file.
fn may_be_created(path: &Path) -> bool {
    let named = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("iso"));
    named && !path.starts_with("/dev") && path.parent().is_some_and(Path::is_dir)
}

/// Returns a path as an argument.
///
/// # Errors
///
/// If it is not valid UTF-8: the configuration, which all of them come from,
/// is.
pub fn text(path: &Path) -> Result<String> {
    path.to_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| Error::msg(format!("the path {} is not valid UTF-8", path.display())))
}
