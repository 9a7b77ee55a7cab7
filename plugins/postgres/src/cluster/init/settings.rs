//! Settings of a new cluster: in a file of our own, not in the big sample.

use std::{ffi::OsString, fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use super::{Account, ClusterError, InitOptions};
use crate::conf::{Document, Edit, Policy};

/// Where files are put that a later hand can add to.
const DIRECTORY: &str = "conf.d";
/// Our file there.
const FILE: &str = "00-hayloft.conf";

/// Writes the settings, and lets the server's own program read them.
pub(super) fn write(
    data: &Path,
    options: &InitOptions,
    account: &Account,
    postgres: &Path,
) -> Result<(), ClusterError> {
    if options.settings.is_empty() {
        return Ok(());
    }
    let refused = |problem: String| ClusterError::BadConfiguration { lines: vec![problem] };
    let mut document = Document::parse(b"# Written when the cluster was made.\n");
    let edits: Vec<Edit> =
        options.settings.iter().map(|(name, value)| Edit::set(name, value)).collect();
    document.apply(&edits, &Policy::default()).map_err(|it| refused(it.to_string()))?;
    let (dir_mode, mode) = if options.group_access { (0o750, 0o640) } else { (0o700, 0o600) };
    let directory = data.join(DIRECTORY);
    make(&directory, dir_mode).map_err(ClusterError::io("make", &directory))?;
    own(&directory, account)?;
    let file = directory.join(FILE);
    create(&file, &document.to_bytes(), mode).map_err(ClusterError::io("write", &file))?;
    own(&file, account)?;
    let main = data.join("postgresql.conf");
    let add = || -> std::io::Result<()> {
        let mut main = fs::File::options().append(true).open(&main)?;
        main.write_all(format!("\ninclude_dir = '{DIRECTORY}'\n").as_bytes())?;
        main.sync_all()
    };
    add().map_err(ClusterError::io("write", &main))?;
    for directory in [&directory, data] {
        let sync = fs::File::open(directory).and_then(|it| it.sync_all());
        sync.map_err(ClusterError::io("write to the disk", directory))?;
    }
    check(data, options, account, postgres)
}

fn make(directory: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(mode).create(directory)
}

fn create(file: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = fs::File::options().write(true).create_new(true).mode(mode).open(file)?;
    file.write_all(content)?;
    file.sync_all()
}

fn own(path: &Path, account: &Account) -> Result<(), ClusterError> {
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = (Some(account.uid()), Some(account.gid()));
        std::os::unix::fs::lchown(path, uid, gid).map_err(ClusterError::io("give away", path))?;
    }
    Ok(())
}

/// `postgres -C` reads everything and says what it does not like.
fn check(
    data: &Path,
    options: &InitOptions,
    account: &Account,
    postgres: &Path,
) -> Result<(), ClusterError> {
    let Some((name, _)) = options.settings.first() else { return Ok(()) };
    let mut command = account.command(postgres);
    command.arg("-D").arg(data).arg("-C").arg(OsString::from(name));
    let output = command.output().map_err(ClusterError::io("run", postgres))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let hidden = data.join(DIRECTORY).join(FILE).display().to_string();
    let lines = super::super::log::messages(&said);
    let lines = lines.iter().map(|it| it.line().replace(&hidden, "the settings given"));
    let lines: Vec<String> = lines.filter(|it| !it.contains("contains errors")).collect();
    Err(ClusterError::BadConfiguration { lines })
}
