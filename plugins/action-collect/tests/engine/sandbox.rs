//! Trees to collect, and how two of them are compared.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Cursor, Write},
    os::unix::{ffi::OsStrExt, fs as unix, fs::FileExt, fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use hayloft_action_collect::{
    archive::{Coverage, Facts},
    pack::{Packed, Report, Source, is_unchanged, pack},
    restore::{
        Beneath, Chain, Extracted, Extraction, Head, Index, Legacy, Target, Tree, chain, extract,
        plan,
    },
    state::{StateHeader, StateReader, StateWriter},
    walk::{Base, Rules, Start},
};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr,
    lsetxattr, makedev, mknodat, utimensat,
};
use tempfile::TempDir;

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a program and demands that it succeeds; returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join();
    let error = String::from_utf8_lossy(&output.stderr);
    // GNU tar says these of a file from 1960, and of a name that is long and
    // not UTF-8; it restores both.
    let known = ["implausibly old time stamp", "unknown extended header keyword 'hdrcharset'"];
    let error: Vec<_> =
        error.lines().filter(|it| !known.iter().any(|known| it.contains(known))).collect();
    assert!(output.status.success(), "{program} {arguments:?}: {error:?}");
    assert_eq!(error, [""; 0], "{program} {arguments:?} complains");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A scratch directory with a tree to be collected.
pub(crate) struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tree")).unwrap();
        Self { directory }
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.tree().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Where the tree is inside of something that it was put back into.
    pub(crate) fn inside(&self, target: &Path) -> PathBuf {
        target.join(self.tree().strip_prefix("/").unwrap())
    }

    pub(crate) fn empty(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

/// An archive with the state that belongs to it.
pub(crate) struct Made {
    pub(crate) archive: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) report: Report,
    pub(crate) facts: Facts,
}

impl Made {
    /// An archive that another program made.
    pub(crate) fn foreign(archive: Vec<u8>) -> Self {
        let facts = Facts {
            id: String::new(),
            mode: Coverage::Full,
            full: String::new(),
            previous: None,
            root: String::new(),
            date: String::new(),
        };
        Self { archive, state: Vec::new(), report: Report::default(), facts }
    }
}

/// How a tree is collected in a test.
pub(crate) struct Collecting<'a> {
    pub(crate) rules: Rules<'a>,
    pub(crate) settle: Duration,
    pub(crate) directory: bool,
}

pub(crate) fn nothing_excluded(_: &[u8]) -> bool {
    false
}

impl Default for Collecting<'_> {
    fn default() -> Self {
        Self {
            rules: Rules {
                exclude: &nothing_excluded,
                ignore_file: None,
                link_depth: 0,
                dereference: false,
                one_file_system: false,
                shallow: false,
                never: None,
            },
            settle: Duration::ZERO,
            directory: true,
        }
    }
}

impl Collecting<'_> {
    pub(crate) fn full(&self, root: &Path, id: &str) -> Made {
        self.run(root, id, None).unwrap()
    }

    pub(crate) fn is_unchanged(&self, root: &Path, made: &Made) -> bool {
        let state = StateReader::open(Box::new(Cursor::new(made.state.clone())) as Box<_>).unwrap();
        let totals = state.totals();
        let mut start = Start::new(root.as_os_str().as_bytes(), self.directory);
        start.settle = self.settle;
        is_unchanged(start, self.rules, Base::of_state(state, false).unwrap(), totals).unwrap()
    }

    pub(crate) fn increment(&self, root: &Path, id: &str, previous: &Made) -> Made {
        self.run(root, id, Some(previous)).unwrap()
    }

    pub(crate) fn run(&self, root: &Path, id: &str, previous: Option<&Made>) -> Option<Made> {
        let root = root.as_os_str().as_bytes();
        let facts = Facts {
            id: id.into(),
            mode: if previous.is_some() { Coverage::Incr } else { Coverage::Full },
            full: previous.map_or(id, |it| &it.facts.full).into(),
            previous: previous.map(|it| it.facts.id.clone()),
            root: Facts::escape(root),
            date: "2026-11-17T02:00:00Z".into(),
        };
        let base = previous.map_or(Base::Nothing, |it| {
            let reader = StateReader::open(Box::new(Cursor::new(it.state.clone())) as Box<_>);
            Base::of_state(reader.unwrap(), self.rules.dereference).unwrap()
        });
        let mut start = Start::new(root, self.directory);
        start.settle = self.settle;
        let source = Source { start, rules: self.rules, facts: &facts, base };
        let mut archive = Vec::new();
        let state = StateWriter::new(Vec::new(), &StateHeader::default()).unwrap();
        let packed = pack(source, &mut archive, Some(state), &mut |_| true).unwrap();
        let Packed { report, state } = packed?;
        Some(Made { archive, state: state.unwrap(), report, facts })
    }
}

/// Names in an archive, as GNU tar lists them.
pub(crate) fn listed(archive: &[u8]) -> Vec<String> {
    let names = run("tar", &["-t", "--quoting-style=literal"], archive);
    names.lines().map(str::to_owned).collect()
}

pub(crate) fn untar(archive: &[u8], into: &Path, more: &[&str]) {
    let mut arguments = vec!["-x", "-C", into.to_str().unwrap(), "-p", "--xattrs"];
    arguments.push("--xattrs-include=*");
    if is_root() {
        arguments.extend(["--same-owner"]);
    }
    arguments.extend(more);
    run("tar", &arguments, archive);
}

/// Everything about a file that must survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looks {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    content: Vec<u8>,
    device: u64,
    xattrs: BTreeMap<String, Vec<u8>>,
    /// The first of the file's names.
    first_name: PathBuf,
    holes: bool,
}

/// Looks at everything in a tree, itself included.
pub(crate) fn look(root: &Path) -> BTreeMap<PathBuf, Looks> {
    let mut all = BTreeMap::new();
    let mut names = BTreeMap::new();
    look_into(root, root, &mut names, &mut all);
    all
}

fn look_into(
    root: &Path,
    path: &Path,
    names: &mut BTreeMap<u64, PathBuf>,
    all: &mut BTreeMap<PathBuf, Looks>,
) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = FileType::from_raw_mode(metadata.mode());
    let name = path.strip_prefix(root).unwrap().to_owned();
    let first_name = names.entry(metadata.ino()).or_insert_with(|| name.clone()).clone();
    let content = match kind {
        FileType::RegularFile => fs::read(path).unwrap(),
        FileType::Symlink => fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let looks = Looks {
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        holes: kind == FileType::RegularFile && metadata.blocks() * 512 < metadata.size(),
        content,
        device: metadata.rdev(),
        xattrs: xattrs(path),
        first_name,
    };
    all.insert(name, looks);
    if kind == FileType::Directory {
        let mut inside: Vec<_> = fs::read_dir(path).unwrap().map(|it| it.unwrap().path()).collect();
        inside.sort();
        for path in inside {
            look_into(root, &path, names, all);
        }
    }
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = [0; 4096];
    let length = llistxattr(path, &mut list).unwrap_or(0);
    let names = list[..length].split(|&b| b == 0).filter(|it| !it.is_empty());
    let value = |name: &[u8]| {
        let mut value = [0; 4096];
        let length = lgetxattr(path, name, &mut value).unwrap();
        (String::from_utf8(name.to_vec()).unwrap(), value[..length].to_vec())
    };
    names.map(value).collect()
}

pub(crate) fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes one of everything below `tree`.
pub(crate) fn make_everything(sandbox: &Sandbox) {
    let tree = sandbox.tree();
    sandbox.write("plain.txt", "hay");
    sandbox.write("zero", "");
    sandbox.write("large.bin", (0..900_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    sandbox.write("sub/deep/file", "x".repeat(511));
    sandbox.write("sub/deep/block", "x".repeat(512));
    sandbox.write("new\nline", "n");
    sandbox.write("umlaut ä", "n");
    fs::write(tree.join(std::ffi::OsStr::from_bytes(b"latin-\xe9")), "l").unwrap();
    let part = "p".repeat(200);
    let long = format!("{part}/{part}/{part}");
    sandbox.write(&format!("{long}/file"), "deep");
    let latin = [b"\xe9".repeat(120), b"/".to_vec(), b"f".to_vec()].concat();
    let latin = tree.join(std::ffi::OsStr::from_bytes(&latin));
    fs::create_dir_all(latin.parent().unwrap()).unwrap();
    fs::write(latin, "long latin").unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    unix::symlink("plain.txt", tree.join("link")).unwrap();
    unix::symlink("no/such", tree.join("dangling")).unwrap();
    unix::symlink("t".repeat(300), tree.join("long link")).unwrap();
    unix::symlink("sub", tree.join("link to directory")).unwrap();
    fs::hard_link(tree.join("plain.txt"), tree.join("sub/hard")).unwrap();
    fs::hard_link(tree.join("plain.txt"), tree.join(format!("{long}/hard"))).unwrap();
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, tree.join("fifo"), FileType::Fifo, mode, 0).unwrap();
    drop(UnixListener::bind(tree.join("socket")).unwrap());
    make_sparse(&tree.join("sparse"), 10 << 20, &[(1 << 20, 4096), (9 << 20, 100)]);
    make_sparse(&tree.join("hole"), 3 << 20, &[]);
    make_sparse(&tree.join("sub").join(format!("sparse{}", "s".repeat(110))), 1 << 20, &[(0, 7)]);
    let xattr = |name: &str, key: &str, value: &[u8]| {
        lsetxattr(tree.join(name), key, value, XattrFlags::empty()).unwrap();
    };
    xattr("plain.txt", "user.plain", b"value");
    xattr("sub", "user.a=b%c", b"with\0binary\n");
    xattr("empty", "user.big", &[b'x'; 2000]);
    let acl = |arguments: &[&str], name: &str| {
        let path = tree.join(name);
        run("setfacl", &[arguments, &[path.to_str().unwrap()]].concat(), b"");
    };
    acl(&["-m", "u:12345:rw,g:4321:r"], "zero");
    acl(&["-d", "-m", "u:12345:rx"], "sub");
    let script = sandbox.write("set uid", "#!/bin/sh\n");
    if is_root() {
        make_what_only_root_can(&tree);
    }
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    set_times(&tree.join("plain.txt"), 1_600_000_000, 123_456_789);
    set_times(&tree.join("zero"), -315_619_200, 500_000_000);
    set_times(&tree.join("link"), 1_500_000_000, 1);
    set_times(&tree.join("empty"), 1_400_000_000, 999_999_999);
    set_times(&tree.join("fifo"), 1_300_000_000, 0);
    set_times(&tree.join("sub"), 1_200_000_000, 5);
}

fn make_what_only_root_can(tree: &Path) {
    let mode = Mode::from_raw_mode(0o600);
    let device = |name: &str, kind, number| {
        mknodat(CWD, tree.join(name), kind, mode, number).unwrap();
    };
    device("null", FileType::CharacterDevice, makedev(1, 3));
    device("disk", FileType::BlockDevice, makedev(259, 70_000));
    let chown = |name: &str, uid, gid| unix::lchown(tree.join(name), Some(uid), Some(gid)).unwrap();
    chown("plain.txt", 1234, 4321);
    chown("link", 1, 1);
    chown("empty", 3_000_000, 4_000_000);
    // The value that `setcap cap_net_raw=ep` sets.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let path = tree.join("set uid");
    lsetxattr(&path, "security.capability", &capability, XattrFlags::empty()).unwrap();
}

fn make_sparse(path: &Path, size: u64, data: &[(u64, usize)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for &(offset, length) in data {
        file.write_all_at(&vec![b'd'; length], offset).unwrap();
    }
}

/// Compares two trees; sockets are not expected.
pub(crate) fn assert_same(expected: &Path, actual: &Path) {
    let mut expected = look(expected);
    expected.retain(|_, it| FileType::from_raw_mode(it.mode) != FileType::Socket);
    let actual = look(actual);
    let names = |it: &BTreeMap<PathBuf, Looks>| it.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&expected), names(&actual));
    for (name, looks) in expected {
        let shown = |it: &Looks| Looks { content: Vec::new(), ..it.clone() };
        assert_eq!(shown(&looks), shown(&actual[&name]), "{}", name.display());
        assert!(looks.content == actual[&name].content, "content of {}", name.display());
    }
}

/// Everything that belongs to the newest of these archives, the newest first.
pub(crate) fn tree_of(archives: &[&Made]) -> (Vec<Index>, Tree) {
    let indexes: Vec<_> = archives
        .iter()
        .map(|it| Index::read(it.archive.as_slice(), &mut || true).unwrap())
        .collect();
    let head = |it: usize| {
        Ok::<_, std::fmt::Error>(Head { facts: indexes[it].facts.clone(), week_begins: false })
    };
    let Chain { archives, missing, .. } =
        chain(indexes.len(), Legacy::SinceWeekBegan, head).unwrap();
    assert_eq!(missing, None);
    let tree = Tree::of_chain(&indexes, &archives);
    (indexes, tree)
}

/// Puts back what the newest of these archives has, the newest first.
pub(crate) fn restore(
    archives: &[&Made],
    paths: &[&Path],
    target: &Path,
    overwrite: bool,
) -> Result<Extracted, String> {
    let (indexes, tree) = tree_of(archives);
    assert_eq!(tree.lost, []);
    let targets: Vec<_> = paths
        .iter()
        .map(|it| Target {
            path: it.strip_prefix("/").unwrap().as_os_str().as_bytes().to_vec(),
            strip: Vec::new(),
        })
        .collect();
    let plan = plan(&tree, &indexes, &targets).map_err(|e| format!("{e:?}"))?;
    let mut beneath: Vec<_> = paths.iter().map(|_| Beneath::open(target).unwrap()).collect();
    let extraction = Extraction {
        targets: &mut beneath,
        overwrite,
        open: &mut |it| Ok(Box::new(Cursor::new(archives[it].archive.clone()))),
        going_on: &mut |_| true,
    };
    extract(&plan, extraction).map_err(|e| {
        let source = std::error::Error::source(&e).map(|it| format!(": {it}"));
        format!("{e}{}", source.unwrap_or_default())
    })
}
