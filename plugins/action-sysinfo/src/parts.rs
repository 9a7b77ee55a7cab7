//! What can be saved: each part is a file, or a few.

/// What keeps a part from being made without anything being lost, besides a
/// program that is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// A program that writes nothing has nothing to say.
    Nothing,
    /// Only root is told everything: nothing means something for root only.
    AskRoot,
}

/// A program and its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// Where it is looked for, the first that is there; an `<override>` of any
    /// of them is used instead.
    pub names: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// What it means if it writes nothing.
    pub empty: Empty,
    /// An exit code, besides 0, with which it says that there is nothing.
    pub nothing: Option<i32>,
    /// What it needs of systemd.
    pub systemd: Systemd,
}

/// What a program needs of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Systemd {
    /// Nothing.
    Unneeded,
    /// It must be running.
    Running,
    /// If it does not run, the files are looked at.
    OrFiles,
}

/// Where a part comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// The standard output of a program.
    Program(Program),
    /// A file, as it is.
    Copy(&'static str),
    /// Files and directories, packed.
    Files(&'static [&'static str]),
    /// The partition table of each disk.
    Partitions,
    /// All files, with owners, modes and times.
    Listing,
}

/// Something that is saved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it is, for messages.
    pub about: &'static str,
    /// Whether Cedar Backup saves it too, and fails if it cannot.
    pub cedar: bool,
    /// Where it comes from.
    pub source: Source,
}

impl Part {
    /// Returns the name of its file, without the compressor's suffix.
    pub(crate) fn file(&self) -> String {
        let extension = if matches!(self.source, Source::Files(_)) { "tar" } else { "txt" };
        format!("{}.{extension}", self.name)
    }
}

const fn program(names: &'static [&'static str], arguments: &'static [&'static str]) -> Program {
    Program { names, arguments, empty: Empty::Nothing, nothing: None, systemd: Systemd::Unneeded }
}

const fn part(name: &'static str, about: &'static str, source: Source) -> Part {
    Part { name, about, cedar: false, source }
}

const fn of_cedar(name: &'static str, about: &'static str, source: Source) -> Part {
    Part { name, about, cedar: true, source }
}

/// Everything there is. The listing takes longest and comes first.
pub(crate) const PARTS: &[Part] = &[
    of_cedar("ls-laR", "the listing of files", Source::Listing),
    of_cedar(
        "dpkg-selections",
        "the selections of Debian packages",
        Source::Program(program(&["/usr/bin/dpkg", "dpkg"], &["--get-selections"])),
    ),
    of_cedar(
        "fdisk-l",
        "the list of partitions",
        Source::Program(Program {
            empty: Empty::AskRoot,
            ..program(&["/sbin/fdisk", "/usr/sbin/fdisk", "fdisk"], &["-l"])
        }),
    ),
    part(
        "dpkg-l",
        "the versions of Debian packages",
        Source::Program(program(&["/usr/bin/dpkg", "dpkg"], &["-l"])),
    ),
    part(
        "apt-mark-showmanual",
        "the Debian packages that were asked for",
        Source::Program(program(&["apt-mark", "/usr/bin/apt-mark"], &["showmanual"])),
    ),
    part(
        "rpm-qa",
        "the RPM packages",
        Source::Program(program(&["rpm", "/usr/bin/rpm", "/bin/rpm"], &["-qa"])),
    ),
    part(
        "pacman-q",
        "the Arch packages",
        Source::Program(program(&["pacman", "/usr/bin/pacman"], &["-Q"])),
    ),
    part(
        "apk-info",
        "the Alpine packages",
        Source::Program(program(&["apk", "/sbin/apk"], &["info", "-v"])),
    ),
    part("sfdisk-dump", "the partition tables", Source::Partitions),
    part(
        "lsblk",
        "the block devices",
        Source::Program(program(
            &["lsblk", "/usr/bin/lsblk", "/bin/lsblk"],
            &["--all", "--output", "NAME,TYPE,SIZE,RO,FSTYPE,LABEL,UUID,MOUNTPOINT,MODEL,SERIAL"],
        )),
    ),
    part(
        "blkid",
        "the labels and UUIDs of file systems",
        Source::Program(Program {
            empty: Empty::AskRoot,
            // Nothing was found.
            nothing: Some(2),
            ..program(&["/sbin/blkid", "/usr/sbin/blkid", "blkid"], &[])
        }),
    ),
    part("fstab", "the table of file systems", Source::Copy("/etc/fstab")),
    part("mounts", "the mounted file systems", Source::Copy("/proc/self/mountinfo")),
    part(
        "systemctl-units",
        "the units of systemd",
        Source::Program(Program {
            systemd: Systemd::Running,
            ..program(
                &["systemctl", "/usr/bin/systemctl", "/bin/systemctl"],
                &["list-units", "--all", "--full", "--plain", "--no-pager"],
            )
        }),
    ),
    part(
        "systemctl-unit-files",
        "the states of unit files",
        Source::Program(Program {
            systemd: Systemd::OrFiles,
            ..program(
                &["systemctl", "/usr/bin/systemctl", "/bin/systemctl"],
                &["list-unit-files", "--full", "--no-pager"],
            )
        }),
    ),
    part(
        "systemd-units",
        "the installed units",
        Source::Files(&["/etc/systemd", "/usr/local/lib/systemd"]),
    ),
    part(
        "crontabs",
        "the crontabs",
        Source::Files(&[
            "/etc/crontab",
            "/etc/anacrontab",
            "/etc/cron.allow",
            "/etc/cron.deny",
            "/etc/cron.d",
            "/etc/cron.hourly",
            "/etc/cron.daily",
            "/etc/cron.weekly",
            "/etc/cron.monthly",
            "/etc/cron.yearly",
            "/var/spool/cron",
        ]),
    ),
];

/// The parts that tell which packages are installed. If there is none of
/// them, nobody knows how to install the machine again.
pub(crate) const PACKAGES: &[&str] = &["dpkg-selections", "rpm-qa", "pacman-q", "apk-info"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn cedar_backups_files_keep_their_names() {
        let cedar: Vec<_> = PARTS.iter().filter(|it| it.cedar).map(Part::file).collect();
        assert_eq!(cedar, ["ls-laR.txt", "dpkg-selections.txt", "fdisk-l.txt"]);
    }

    #[test]
    fn names_differ_and_can_be_those_of_files() {
        let names: HashSet<_> = PARTS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), PARTS.len());
        for name in names {
            assert!(name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'), "{name}");
        }
        assert!(PACKAGES.iter().all(|name| PARTS.iter().any(|it| it.name == *name)));
    }
}
