//! The files that are backed up, and what happens to them in the week.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The files, the same for both programs, and the collect directory of the
/// second peer, which each has for itself.
pub(crate) struct Tree {
    root: PathBuf,
    others: [PathBuf; 2],
}

impl Tree {
    /// Makes the files in `root`. `others` are the second peer's directories.
    pub(crate) fn new(root: PathBuf, others: [PathBuf; 2]) -> Self {
        let tree = Self { root, others };
        tree.write("single.conf", "[single]\n");
        tree.data();
        for number in 1..=5 {
            tree.write(&format!("incr/f{number}.txt"), &format!("file {number}\n"));
        }
        tree.write("incr/d/in.txt", "inner\n");
        symlink("f1.txt", tree.path("incr/l1")).unwrap();
        tree.write("weekly/w.txt", "weekly\n");
        for name in ["alice", "bob", "carol"] {
            tree.write(&format!("homes/{name}/letter.txt"), name);
        }
        tree.write("homes/dave/letter.txt", "not to be kept");
        tree.write("homes/dave/.cbignore", "");
        tree.write("homes/top.txt", "top\n");
        tree
    }

    fn data(&self) {
        for name in [
            "one.txt",
            "sub/two.txt",
            "sub/deep/three.txt",
            ".hidden/h.txt",
            "café.txt",
            "new\nline.txt",
        ] {
            self.write(&format!("data/{name}"), name);
        }
        self.write("data/zero.bin", "");
        self.write("data/big.bin", &"0123456789abcdef".repeat(20_000));
        let long = format!("data/{0}/{0}/f.txt", "x".repeat(120));
        self.write(&long, "long\n");
        fs::write(self.path("data").join(OsStr::from_bytes(b"lat\xe9.txt")), "latin\n").unwrap();
        self.write("data/script.sh", "#!/bin/sh\n");
        self.mode("data/script.sh", 0o4755);
        fs::hard_link(self.path("data/one.txt"), self.path("data/hard.txt")).unwrap();
        symlink("one.txt", self.path("data/link-file")).unwrap();
        symlink("sub", self.path("data/link-dir")).unwrap();
        symlink("/etc/hostname", self.path("data/link-abs")).unwrap();
        symlink("nowhere", self.path("data/link-dangling")).unwrap();
        fs::create_dir(self.path("data/empty")).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        mknodat(CWD, self.path("data/fifo"), FileType::Fifo, mode, 0).unwrap();
        self.write("data/excluded/x.txt", "by path\n");
        self.write("data/file.bak", "by pattern\n");
        self.write("data/ignored/x.txt", "by ignore file\n");
        self.write("data/ignored/.cbignore", "");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The second peer has collected, on its own.
    fn other_collects(&self, ready: bool) {
        for directory in &self.others {
            write(&directory.join("other.tar.gz"), "what another machine has collected\n");
            if ready {
                write(&directory.join("cback.collect"), "");
            }
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn nothing(tree: &Tree) {
    tree.other_collects(true);
}

pub(crate) fn much_changes(tree: &Tree) {
    tree.other_collects(true);
    tree.write("incr/f1.txt", "file 1, longer than it was\n");
    fs::remove_file(tree.path("incr/f2.txt")).unwrap();
    tree.mode("incr/f3.txt", 0o600);
    tree.write("incr/f4.txt", "file 4\n");
    tree.write("incr/f5.txt", "FILE 5\n");
    tree.write("incr/f6.txt", "file 6\n");
    fs::rename(tree.path("incr/d/in.txt"), tree.path("incr/d/in2.txt")).unwrap();
    tree.write("weekly/w.txt", "changed in the middle of the week\n");
}

pub(crate) fn something_is_new(tree: &Tree) {
    tree.other_collects(true);
    tree.write("data/new.txt", "new\n");
    fs::remove_dir_all(tree.path("homes/bob")).unwrap();
}

pub(crate) fn the_peer_is_not_ready(tree: &Tree) {
    tree.other_collects(false);
}

pub(crate) fn a_file_goes(tree: &Tree) {
    tree.other_collects(true);
    fs::remove_file(tree.path("single.conf")).unwrap();
}

pub(crate) fn the_file_comes_back(tree: &Tree) {
    tree.other_collects(true);
    tree.write("single.conf", "[single]\nback = yes\n");
}
