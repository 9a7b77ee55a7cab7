//! Which file systems are mounted where, and which of them are not listed.

use std::{
    collections::HashMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// File systems that are no files but the kernel's view of itself.
const KERNEL: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// File systems of other machines, which may not answer.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "pvfs2",
    "smb3",
    "smbfs",
    "virtiofs",
];

/// Programs behind FUSE that are about disks of this machine.
const LOCAL_FUSE: &[&str] = &["fuseblk", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.zfs"];

/// Why a file system is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is one of the kernel's views of itself.
    Kernel,
    /// It is another machine's, or a program's that may not answer.
    Network,
}

/// The file systems that are not listed, by where they are mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mounts {
    skipped: HashMap<PathBuf, (Kind, String)>,
}

impl Mounts {
    /// Reads the kernel's list, `/proc/self/mountinfo`. What is mounted last
    /// at a place hides what was there.
    pub(crate) fn read(text: &[u8], network: bool) -> Self {
        let mut skipped = HashMap::new();
        for line in text.split(|it| *it == b'\n') {
            let Some((point, kind)) = mount(line) else { continue };
            match class(&kind).filter(|class| !(network && *class == Kind::Network)) {
                Some(class) => drop(skipped.insert(point, (class, kind))),
                None => drop(skipped.remove(&point)),
            }
        }
        Self { skipped }
    }

    /// Tells what is mounted at a path if it is not listed.
    pub(crate) fn skipped(&self, path: &Path) -> Option<(Kind, &str)> {
        self.skipped.get(path).map(|(kind, name)| (*kind, name.as_str()))
    }
}

fn class(kind: &str) -> Option<Kind> {
    if KERNEL.contains(&kind) {
        return Some(Kind::Kernel);
    }
    let fuse = kind == "fuse" || kind.starts_with("fuse.");
    (NETWORK.contains(&kind) || fuse && !LOCAL_FUSE.contains(&kind)).then_some(Kind::Network)
}

/// Returns the place and the type of a line such as
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn mount(line: &[u8]) -> Option<(PathBuf, String)> {
    let mut fields = line.split(|it| *it == b' ');
    let point = fields.nth(4)?;
    let kind = fields.skip_while(|it| *it != b"-").nth(1)?;
    let kind = String::from_utf8_lossy(kind).into_owned();
    Some((PathBuf::from(OsString::from_vec(unescape(point))), kind))
}

/// Blanks, line ends and `\` are written as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        let code = code.and_then(|it| u8::from_str_radix(it, 8).ok());
        if let Some(code) = code.filter(|_| byte == b'\\') {
            out.push(code);
            rest = &tail[3..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &[u8] = b"\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:28 / /mnt/a\\040b rw,relatime shared:7 master:2 - nfs4 server:/x rw
31 27 0:29 / /mnt/local rw - fuseblk /dev/sdb1 rw
32 27 0:30 / /mnt/ssh rw - fuse.sshfs me@there: rw
33 27 0:31 / /mnt/over rw - nfs server:/y rw
34 33 0:32 / /mnt/over rw - ext4 /dev/sdc rw
35 27 0:33 / /run rw - tmpfs tmpfs rw
garbage
";

    #[test]
    fn what_is_no_file_of_this_machine_is_not_listed() {
        let mounts = Mounts::read(LIST, false);
        let cases = [
            ("/proc", Some((Kind::Kernel, "proc"))),
            ("/", None),
            ("/mnt/a b", Some((Kind::Network, "nfs4"))),
            ("/mnt/local", None),
            ("/mnt/ssh", Some((Kind::Network, "fuse.sshfs"))),
            ("/mnt/over", None),
            ("/run", None),
            ("/elsewhere", None),
        ];
        for (path, skipped) in cases {
            assert_eq!(mounts.skipped(Path::new(path)), skipped, "{path}");
        }
        let all = Mounts::read(LIST, true);
        assert_eq!(all.skipped(Path::new("/mnt/ssh")), None);
        assert_eq!(all.skipped(Path::new("/proc")), Some((Kind::Kernel, "proc")));
    }

    proptest! {
        #[test]
        fn any_text_is_a_list(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Mounts::read(&text, false);
        }
    }
}
