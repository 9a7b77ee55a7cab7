//! Puts contents onto a disc, and makes sure that they got there.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use rustix::mount::UnmountFlags;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tracing::{info, warn};

use crate::{
    answers,
    commands::{self, Contents, Growing},
    compare::Expected,
    config::Kind,
    drive::{Drive, Target, text},
    image_file::{self, Successor},
    media::{Room, shown},
    programs::Ran,
    scratch::{self, Scratch},
    tools::Tool,
};

/// How often it is tried to unmount a disc.
const UNMOUNTS: u32 = 5;
const UNMOUNT_PAUSE: Duration = Duration::from_secs(1);

/// A disc that was written, but not checked yet.
#[derive(Debug)]
pub struct Written {
    /// How large the image was, or a little less.
    pub bytes: u64,
    /// How full the disc was before.
    pub room: Room,
    /// The file that is to become the target, if the target is a file.
    successor: Option<Successor>,
}

impl Drive<'_> {
    /// Writes contents, as a new disc or behind what is there. A file is not
    /// touched before [`Written::commit`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FULL`] if they do not fit, and whatever else keeps them
    /// from being written.
    pub fn write(&self, contents: &Contents, new_disc: bool) -> Result<Written> {
        match (self.disc.kind, self.target) {
            (_, Target::File) => self.write_file(contents, new_disc),
            (Kind::Cd, _) => self.write_cd(contents, new_disc),
            (Kind::Dvd, _) => self.write_dvd(contents, new_disc),
        }
    }

    fn write_cd(&self, contents: &Contents, new_disc: bool) -> Result<Written> {
        let room = self.room(new_disc)?;
        let bytes = self.image_size(contents, room.session)?;
        self.check_fit(bytes, &room)?;
        let image = Scratch::image(&self.working_dir)?;
        self.make_image(contents, room, image.path())?;
        if new_disc && self.disc.media.is_rewritable() {
            let ran = self.programs.work(Tool::Cdrecord, &[], |it| {
                let mut words = self.extra(it);
                words.extend(commands::blank(&self.hardware(it)));
                words
            })?;
            ran.good().map_err(|e| e.context(self.cannot("erase the disc in")))?;
            self.refresh()?;
        }
        let path = text(image.path())?;
        let ran = self.programs.work(Tool::Cdrecord, &[], |it| {
            let mut words = self.extra(it);
            let multi = self.can_multisession();
            words.extend(commands::burn(&self.hardware(it), self.disc.speed, multi, &path));
            words
        })?;
        ran.good().map_err(|e| e.context(self.cannot("write the disc in")))?;
        drop(image);
        self.refresh()?;
        Ok(Written { bytes, room, successor: None })
    }

    fn write_dvd(&self, contents: &Contents, new_disc: bool) -> Result<Written> {
        let unlabelled = Contents { label: None, ..contents.clone() };
        let bytes = self.image_size(&unlabelled, None)?;
        let room = self.room(new_disc)?;
        self.check_fit(bytes, &room)?;
        let how = Growing { dry_run: false, new_disc, speed: self.disc.speed };
        let mkisofs = self.programs.tools.overridden(Tool::Mkisofs);
        let variables: Vec<_> = mkisofs.map(|it| ("MKISOFS", it)).into_iter().collect();
        let ran = self.programs.work(Tool::Growisofs, &variables, |_| {
            commands::grow(how, &self.disc.device, contents)
        })?;
        if !ran.is_good()
            && let Some(sizes) = answers::overburn(&ran.everything())
        {
            return Err(self.overburned(sizes));
        }
        said(ran).map_err(|e| e.context(self.cannot("write the disc in")))?;
        self.refresh()?;
        Ok(Written { bytes, room, successor: None })
    }

    fn write_file(&self, contents: &Contents, new_disc: bool) -> Result<Written> {
        let before = image_file::inspect(self.path())?;
        let room = self.room(new_disc)?;
        let bytes = self.image_size(contents, room.session)?;
        self.check_fit(bytes, &room)?;
        let successor = Successor::new(self.path())?;
        match before.filter(|_| !new_disc) {
            None => {
                self.make_image(contents, room, successor.path())?;
                if image_file::inspect(successor.path())?.is_none() {
                    return Err(Error::msg("mkisofs says that it made an image, and made none"));
                }
            }
            Some(before) => {
                let image = Scratch::image(&self.working_dir)?;
                self.make_image(contents, room, image.path())?;
                let check_cancelled = || self.programs.host.check_cancelled();
                successor.append(image.path(), &before, &check_cancelled)?;
            }
        }
        Ok(Written { bytes, room, successor: Some(successor) })
    }

    fn make_image(&self, contents: &Contents, room: Room, path: &Path) -> Result<()> {
        let path = text(path)?;
        let ran = self.programs.work(Tool::Mkisofs, &[], |it| {
            commands::image(contents, self.onto(it, room.session).as_ref(), &path)
        })?;
        ran.good().map(drop).map_err(|e| e.context(format!("cannot make the image {path}")))
    }

    fn check_fit(&self, bytes: u64, room: &Room) -> Result<()> {
        info!("the image takes {}, and {} are free", shown(bytes), shown(room.free));
        if bytes <= room.free {
            return Ok(());
        }
        Err(full(&format!(
            "the disc in {} has too little room: the image takes {}, and {} are free",
            self.disc.device,
            shown(bytes),
            shown(room.free)
        )))
    }

    fn overburned(&self, sizes: Option<(u64, u64)>) -> Error {
        let device = &self.disc.device;
        full(&match sizes {
            Some((free, needed)) => format!(
                "the disc in {device} has too little room: {needed} sectors are needed, and \
                 {free} are free"
            ),
            None => format!("the disc in {device} has too little room"),
        })
    }

    fn cannot(&self, what: &str) -> String {
        format!("cannot {what} {}", self.disc.device)
    }

    /// Compares what is on the disc with what is to be on it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] with the first difference; and if the disc
    /// cannot be read.
    pub fn check(&self, written: &Written, expected: &Expected) -> Result<Vec<PathBuf>> {
        let path = written.successor.as_ref().map_or(self.path(), Successor::path);
        let checked = match self.target {
            Target::File => match self.check_copy(path, expected) {
                Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                    info!("{error}; mounting the file instead");
                    self.check_mounted(path, true, expected)
                }
                other => other,
            },
            Target::Drive { .. } => self.check_mounted(path, false, expected).or_else(|error| {
                // Whoever may not mount, or on a system that cannot, may read.
                let mounts = error.kind() != ErrorKind::UNSUPPORTED
                    || self.programs.tools.overridden(Tool::Mount).is_some();
                if mounts {
                    return Err(error);
                }
                warn!("{error}; copying the disc instead");
                self.check_copy(path, expected).map_err(|why| match why.kind() {
                    ErrorKind::CORRUPT | ErrorKind::CANCELLED => why,
                    _ => error.with_kind(ErrorKind::OTHER),
                })
            }),
        };
        let more =
            checked.map_err(|e| e.context(format!("the check of {} failed", self.disc.device)))?;
        info!("everything is on the disc in {}", self.disc.device);
        Ok(more)
    }

    fn check_mounted(
        &self,
        device: &Path,
        is_file: bool,
        expected: &Expected,
    ) -> Result<Vec<PathBuf>> {
        let place = Scratch::mount_point(&self.working_dir)?;
        let (device, at) = (text(device)?, text(place.path())?);
        let ran = self.programs.ask(Tool::Mount, |_| commands::mount(&device, is_file, &at))?;
        ran.good().map_err(|error| {
            error.with_kind(ErrorKind::UNSUPPORTED).context(format!("cannot mount {device}"))
        })?;
        let compared = expected.compare(place.path(), &|| self.programs.host.check_cancelled());
        let unmounted = self.unmount(place.path());
        let more = compared?;
        unmounted.map(|()| more)
    }

    fn unmount(&self, place: &Path) -> Result<()> {
        let path = text(place)?;
        let mut last = Ok(());
        for attempt in 0..UNMOUNTS {
            if !scratch::is_mounted(place) {
                return Ok(());
            }
            if attempt > 0 {
                self.programs.pause(UNMOUNT_PAUSE).or_else(|_| detach(place))?;
            }
            last = match self.programs.ask(Tool::Umount, |_| vec![path.clone()]) {
                // No program runs any more then.
                Err(error) if error.kind() == ErrorKind::CANCELLED => return detach(place),
                ran => ran.and_then(|it| it.good().map(drop)),
            };
        }
        if scratch::is_mounted(place) { last } else { Ok(()) }
    }

    /// Copies the disc's directories into the working directory.
    fn check_copy(&self, device: &Path, expected: &Expected) -> Result<Vec<PathBuf>> {
        let copy = Scratch::tree(&self.working_dir)?;
        let device = text(device)?;
        let address = if self.is_file() { format!("stdio:{device}") } else { device };
        for directory in &expected.directories {
            let to = copy.path().join(directory);
            if let Some(above) = to.parent() {
                std::fs::create_dir_all(above)?;
            }
            let (name, to) = (text(directory)?, text(&to)?);
            let ran = self
                .programs
                .work(Tool::Xorriso, &[], |_| commands::extract(&address, &name, &to))?;
            said(ran).map_err(|e| e.context("cannot read the disc"))?;
        }
        expected.compare(copy.path(), &|| self.programs.host.check_cancelled())
    }
}

impl Written {
    /// Lets a file take the place of the target; a disc is written already.
    ///
    /// # Errors
    ///
    /// If that is not possible; the target is as it was then.
    pub fn commit(self) -> Result<()> {
        self.successor.map_or(Ok(()), Successor::commit)
    }
}

/// These programs say what is wrong on either output.
fn said(ran: Ran) -> Result<()> {
    let output = ran.output.clone();
    ran.good().map(drop).map_err(|error| match output.lines().rfind(|it| !it.trim().is_empty()) {
        Some(line) if error.causes().is_empty() => {
            Error::new(error.kind(), line.trim()).context(error.message())
        }
        _ => error,
    })
}

fn full(message: &str) -> Error {
    Error::new(ErrorKind::FULL, message)
        .hint("put in another disc, or spread the days over several with `hayloft span`")
}

/// Takes a mount away from everybody; it ends when nobody uses it any more.
fn detach(place: &Path) -> Result<()> {
    rustix::mount::unmount(place, UnmountFlags::DETACH).map_err(|error| {
        let message = format!("cannot unmount {}", place.display());
        Error::from(std::io::Error::from(error)).context(message)
    })
}
