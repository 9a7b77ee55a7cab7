//! The partition table of each disk, as `sfdisk` reads it again.

use std::{fs, path::Path};

use hayloft_dump::{Made, transfer};
use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{context::Context, report::End};

/// Where the kernel shows the block devices.
const DEVICES: &str = "/sys/block";
/// Devices that are no disks, by the beginning of their names.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "sr", "fd", "nbd", "mtd"];
const SFDISK: &[&str] = &["/sbin/sfdisk", "/usr/sbin/sfdisk", "sfdisk"];

/// Saves the partition table of each disk as a file of its own, whose name
/// begins with `name`.
///
/// # Errors
///
/// If a table cannot be read; those of other disks are saved.
pub(crate) fn save(context: &Context<'_>, name: &str) -> Result<End> {
    let overridden = SFDISK.iter().any(|it| context.is_overridden(it));
    if !context.is_root && !overridden {
        return Ok(End::Withheld("only root may read partition tables".to_owned()));
    }
    let (mut files, mut made, mut warnings, mut failed) = (0, Made::default(), Vec::new(), None);
    for disk in disks(Path::new(DEVICES)) {
        context.host.check_cancelled()?;
        match save_disk(context, name, &disk) {
            Ok(Some(it)) => {
                files += 1;
                made.dumped += it.dumped;
                made.stored += it.stored;
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) if error.kind() == ErrorKind::PERMISSION => {
                warnings.push(error.to_string());
            }
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                return Ok(End::Nothing(error.to_string()));
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error),
        None if files > 0 => Ok(End::Saved { files, made, warnings }),
        None => Ok(match warnings.pop() {
            Some(why) => End::Withheld(why),
            None => End::Nothing("no disk has a partition table".to_owned()),
        }),
    }
}

fn save_disk(context: &Context<'_>, name: &str, disk: &str) -> Result<Option<Made>> {
    let base = format!("{name}-{}.txt", disk.replace(['/', '!'], "-"));
    let device = format!("/dev/{}", disk.replace('!', "/"));
    let start = || {
        let started = context.start(SFDISK, &["--dump", &device])?;
        started.ok_or_else(|| Error::new(ErrorKind::NOT_FOUND, "there is no sfdisk"))
    };
    let moved = transfer(&context.destination, &base, start, |_| {})?;
    let stderr = &moved.finished.stderr;
    if stderr.contains("does not contain a recognized partition table") {
        context.destination.failed(&base);
        return Ok(None);
    }
    Context::expect_good_end(&moved.program, &moved.finished).inspect_err(|_| {
        context.destination.failed(&base);
    })?;
    if moved.dumped == 0 {
        return Ok(None);
    }
    moved.commit(&context.destination, &base).map(Some)
}

/// Returns the names of the disks that are not empty drives.
fn disks(devices: &Path) -> Vec<String> {
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    let mut disks: Vec<String> = entries
        .filter(|it| {
            let size = fs::read_to_string(it.path().join("size")).unwrap_or_default();
            size.trim() != "0" && !size.is_empty()
        })
        .filter_map(|it| it.file_name().into_string().ok())
        .filter(|name| !NO_DISKS.iter().any(|it| name.starts_with(it)))
        .collect();
    disks.sort();
    disks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        for (name, size) in
            [("sda", "1000"), ("sdb", "0"), ("loop0", "7"), ("nvme0n1", "5"), ("cciss!c0d0", "9")]
        {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("size"), format!("{size}\n")).unwrap();
        }
        assert_eq!(disks(directory.path()), ["cciss!c0d0", "nvme0n1", "sda"]);
        assert!(disks(Path::new("/nonexistent")).is_empty());
    }
}
