//! Making a cluster: whole under its name, or not at all.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Gid, MemfdFlags, Mode, Uid},
    process::{Pid, Signal, kill_process_group},
};

use super::{
    account::Account,
    directory::{DataDirectory, Directory},
    error::ClusterError,
    nest::Nest,
    programs::{Programs, Search},
    wait::Patience,
};
use crate::version::ServerVersion;

mod options;
mod settings;
mod wal_directory;

pub use self::options::{InitOptions, LocaleProvider};
use self::wal_directory::WalDirectory;

/// How long `initdb` may take to clean up after it was told to end.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// What a fresh cluster needs beside its WAL, in bytes.
const SPACE: u64 = 64 << 20;
/// How much of what `initdb` says is kept, in bytes.
const MOST_SAID: u64 = 1 << 20;

/// A cluster that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The cluster.
    pub directory: DataDirectory,
    /// What `initdb` warned of.
    pub warnings: Vec<String>,
    /// All that it said besides its progress: much with
    /// [`InitOptions::debug`], of which the first megabyte is here.
    pub said: String,
}

/// What [`ensure`] found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It was made.
    Made(Initialised),
    /// It was there.
    Present(DataDirectory),
}

/// What [`init`] would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitPlan {
    /// The directory, with no link in the way to it.
    pub data: PathBuf,
    /// Whom it will belong to.
    pub account: Account,
    /// The version.
    pub version: ServerVersion,
    /// The arguments of `initdb`, without the directory and the password.
    pub arguments: Vec<String>,
    initdb: PathBuf,
    postgres: PathBuf,
}

/// Looks whether a cluster can be made, and how.
///
/// # Errors
///
/// [`ClusterError::Occupied`], [`ClusterError::HalfInitialised`],
/// [`ClusterError::BadOption`], [`ClusterError::Account`],
/// [`ClusterError::NoProgram`], [`ClusterError::VersionMismatch`], and
/// [`ClusterError::Io`], among them that there is too little space.
pub fn init_plan(data: &Path, options: &InitOptions) -> Result<InitPlan, ClusterError> {
    let data = resolve(data)?;
    let owner = match Directory::inspect(&data)? {
        Directory::Missing => None,
        Directory::Empty => {
            let meta = fs::metadata(&data).map_err(ClusterError::io("look at", &data))?;
            let parent = data.parent().unwrap_or(&data);
            let above = fs::metadata(parent).map_err(ClusterError::io("look at", parent))?;
            if meta.dev() != above.dev() {
                return Err(occupied(
                    &data,
                    "is a mount point; make the cluster in a directory below it",
                ));
            }
            Some((meta.uid(), meta.gid())).filter(|it| it.0 != 0)
        }
        Directory::Cluster(it) => {
            let what = format!("is a cluster of version {} already", it.version.major_text());
            return Err(occupied(&data, &what));
        }
        Directory::HalfInitialised { reason } => {
            return Err(ClusterError::HalfInitialised { data, reason });
        }
        Directory::NotACluster { .. } => return Err(occupied(&data, "is not empty")),
    };
    let account = account(options, owner)?;
    let search = Search { directory: options.programs.as_deref(), version: options.version };
    let programs = Programs::find(&search, &account)?;
    let initdb = programs.path("initdb");
    let version = programs.version_of("initdb", &account)?;
    let arguments = options.arguments(version)?;
    check_wal_directory(&data, options)?;
    check_space(&data, options)?;
    Ok(InitPlan { data, account, version, arguments, initdb, postgres: programs.path("postgres") })
}

fn occupied(data: &Path, what: &str) -> ClusterError {
    ClusterError::Occupied { data: data.to_owned(), what: what.to_owned() }
}

/// Makes the name absolute and free of links, as far as it is there.
fn resolve(data: &Path) -> Result<PathBuf, ClusterError> {
    let data = std::path::absolute(data).map_err(ClusterError::io("use", data))?;
    if fs::symlink_metadata(&data).is_ok() {
        return data.canonicalize().map_err(ClusterError::io("look at", &data));
    }
    match (data.parent().and_then(|it| it.canonicalize().ok()), data.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.join(name)),
        _ => Ok(data),
    }
}

fn account(options: &InitOptions, owner: Option<(u32, u32)>) -> Result<Account, ClusterError> {
    let is_root = rustix::process::geteuid().is_root();
    match (&options.owner, owner) {
        (Some(name), _) => Account::named(name),
        (None, _) if !is_root => Account::ours(),
        (None, Some((uid, gid))) => Account::of_owner(uid, gid),
        (None, None) => Account::named("postgres").map_err(|_| ClusterError::Account {
            problem: "nobody is named whom the cluster is to belong to".into(),
            remedy: "name the user; root cannot own a cluster".into(),
        }),
    }
}

fn check_wal_directory(data: &Path, options: &InitOptions) -> Result<(), ClusterError> {
    let Some(wal) = &options.wal_directory else { return Ok(()) };
    if wal.starts_with(data) {
        return Err(ClusterError::BadOption {
            problem: "the directory for WAL cannot lie in the data directory".into(),
            by_version: false,
        });
    }
    match fs::read_dir(wal) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(occupied(wal, "is not empty"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ClusterError::io("look into", wal)(error)),
    }
}

fn check_space(data: &Path, options: &InitOptions) -> Result<(), ClusterError> {
    let Some(there) = data.ancestors().find(|it| it.is_dir()) else { return Ok(()) };
    let failed = || ClusterError::io("look for space in", there);
    let stat = rustix::fs::statvfs(there).map_err(|it| failed()(it.into()))?;
    let wal = u64::from(options.wal_segment_size.unwrap_or(16)) << 20;
    if stat.f_bavail.saturating_mul(stat.f_frsize) < SPACE + wal {
        return Err(ClusterError::io("make a cluster in", there)(
            std::io::ErrorKind::StorageFull.into(),
        ));
    }
    Ok(())
}

/// Makes a cluster, unless there is one of that version already.
///
/// # Errors
///
/// As [`init`]; [`ClusterError::VersionMismatch`] if the cluster that is there
/// is of another version or has segments of another size than asked for.
pub fn ensure(
    data: &Path,
    options: &InitOptions,
    patience: &Patience<'_>,
) -> Result<Ensured, ClusterError> {
    let Directory::Cluster(there) = Directory::inspect(data)? else {
        return init(&init_plan(data, options)?, options, patience).map(Ensured::Made);
    };
    let mismatch = |what: &str, found: String, needed: String| {
        let what = format!("{what} of {}", there.path.display());
        ClusterError::VersionMismatch { what, found, needed }
    };
    if let Some(wanted) = options.version.filter(|it| it.major() != there.version.major()) {
        return Err(mismatch("the cluster", there.version.major_text(), wanted.major_text()));
    }
    let sizes = (options.wal_segment_size, there.control.wal_segment_size);
    if let (Some(wanted), Some(found)) = sizes
        && u64::from(found) != u64::from(wanted) << 20
    {
        return Err(mismatch("the WAL", format!("{} MB", found >> 20), format!("{wanted} MB")));
    }
    Ok(Ensured::Present(there))
}

/// Makes a cluster: in a hidden directory beside the name, which takes the
/// name when all is done and on the disk. What an earlier run left of such
/// directories when it was killed is removed.
///
/// The password is in no argument and in no file system: `initdb` reads it
/// from a file that exists in memory only.
///
/// # Errors
///
/// [`ClusterError::Program`] with what `initdb` said, and those of
/// [`init_plan`]. Nothing is left then.
pub fn init(
    plan: &InitPlan,
    options: &InitOptions,
    patience: &Patience<'_>,
) -> Result<Initialised, ClusterError> {
    let parent = plan.data.parent().unwrap_or(Path::new("/"));
    make_parents(parent, &plan.account)?;
    let mut nest = Nest::make(&plan.data, &plan.account)?;
    let wal = WalDirectory::make(options, &plan.account)?;
    let ended = run_initdb(plan, options, nest.path(), patience);
    if let (Err(ClusterError::Program { message, .. }), true) = (&ended, options.no_clean) {
        nest.stay();
        let message = format!("{message}; {} is left to be looked at", nest.path().display());
        return Err(ClusterError::Program { program: "initdb".into(), message });
    }
    let said = ended?;
    settings::write(nest.path(), options, &plan.account, &plan.postgres)?;
    nest.take_the_name()?;
    wal.keep();
    Ok(Initialised { directory: Directory::open(&plan.data)?, warnings: warnings(&said), said })
}

fn make_parents(parent: &Path, account: &Account) -> Result<(), ClusterError> {
    if parent.is_dir() {
        return Ok(());
    }
    make_parents(parent.parent().unwrap_or(Path::new("/")), account)?;
    fs::create_dir(parent).map_err(ClusterError::io("make", parent))?;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(parent, Some(account.uid()), Some(account.gid()))
            .map_err(ClusterError::io("give away", parent))?;
    }
    Ok(())
}

fn run_initdb(
    plan: &InitPlan,
    options: &InitOptions,
    directory: &Path,
    patience: &Patience<'_>,
) -> Result<String, ClusterError> {
    let mut command = plan.account.command(&plan.initdb);
    Account::die_with_us(&mut command);
    command.args(&plan.arguments).arg("--pgdata").arg(directory);
    if let Some(password) = &options.password {
        let file = password_file(password.expose(), &plan.account)
            .map_err(ClusterError::io("prepare the password for", &plan.initdb))?;
        command.arg("--pwfile=/dev/stdin").stdin(Stdio::from(file));
    }
    finish(&mut command, &plan.initdb, patience)
}

/// Runs `initdb` to its end and returns what it said on standard error.
fn finish(
    command: &mut Command,
    initdb: &Path,
    patience: &Patience<'_>,
) -> Result<String, ClusterError> {
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(ClusterError::io("run", initdb))?;
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(MOST_SAID).read_to_end(&mut bytes);
            // Nobody reads the rest, but it must be able to say it.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let ended = patience.until(("initdb did not end", "making the cluster"), |last| {
        "initdb is at work".clone_into(last);
        child.try_wait().map_err(ClusterError::io("wait for", initdb))
    });
    if ended.is_err() {
        end(&mut child);
    }
    let said = reader.join().unwrap_or_default();
    if ended?.success() {
        return Ok(said);
    }
    Err(ClusterError::Program { program: "initdb".into(), message: first_error(&said) })
}

fn warnings(said: &str) -> Vec<String> {
    let warnings = said.lines().filter_map(|it| it.strip_prefix("initdb: warning: "));
    warnings.map(ToOwned::to_owned).collect()
}

/// Returns what `initdb` says that it would make a cluster with (`--show`):
/// its internal settings. Nothing is made.
///
/// # Errors
///
/// [`ClusterError::Program`] with what it said.
pub fn init_show(plan: &InitPlan, patience: &Patience<'_>) -> Result<String, ClusterError> {
    let mut command = plan.account.command(&plan.initdb);
    command.args(&plan.arguments).arg("--show").arg("--pgdata").arg(&plan.data);
    finish(&mut command, &plan.initdb, patience)
}

/// Forces all files of a cluster to the disk (`initdb --sync-only`), as after
/// it was made without. The server may run.
///
/// # Errors
///
/// Those of [`Directory::open`], [`ClusterError::NoProgram`],
/// [`ClusterError::BadOption`], [`ClusterError::Program`].
pub fn init_sync(
    data: &Path,
    options: &InitOptions,
    patience: &Patience<'_>,
) -> Result<DataDirectory, ClusterError> {
    let directory = Directory::open(data)?;
    let account = Account::of_owner(directory.uid, directory.gid)?;
    let version = Some(directory.version);
    let programs =
        Programs::find(&Search { directory: options.programs.as_deref(), version }, &account)?;
    let initdb = programs.path("initdb");
    let how = InitOptions { sync_method: options.sync_method.clone(), ..InitOptions::default() };
    how.arguments(programs.version_of("initdb", &account)?)?;
    let mut command = account.command(&initdb);
    Account::die_with_us(&mut command);
    command.args(options.sync_method.iter().map(|it| format!("--sync-method={it}")));
    command.arg("--sync-only").arg("--pgdata").arg(&directory.path);
    finish(&mut command, &initdb, patience)?;
    Ok(directory)
}

/// SIGINT, on which `initdb` removes what it made; if that takes too long,
/// SIGKILL. What stays is in the hidden directory, which is removed.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |it| group.map(|group| kill_process_group(group, it));
    let _ = signal(Signal::INT);
    let began = Instant::now();
    while began.elapsed() < CLEAN_UP {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = signal(Signal::KILL);
    let _ = child.wait();
}

/// The first line that says what is wrong, with what follows to explain it.
fn first_error(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let is_error = |it: &&str| it.starts_with("initdb: error: ");
    let is_fatal = |it: &&str| ["FATAL:  ", "PANIC:  "].iter().any(|word| it.contains(word));
    // What the server said inside of initdb is nearer to the cause.
    let at = lines.iter().position(is_fatal).or(lines.iter().position(is_error));
    let Some(at) = at else {
        return lines.first().map_or_else(|| "it said nothing".to_owned(), ToString::to_string);
    };
    let strip = |it: &str| {
        ["initdb: error: ", "initdb: detail: ", "initdb: hint: "]
            .iter()
            .find_map(|prefix| it.strip_prefix(prefix))
            .unwrap_or(it)
            .trim()
            .to_owned()
    };
    let more = lines[at + 1..].iter().take_while(|it| {
        ["initdb: detail: ", "initdb: hint: ", "DETAIL:  ", "HINT:  "]
            .iter()
            .any(|p| it.starts_with(p))
    });
    let mut all = vec![strip(lines[at])];
    all.extend(more.map(|it| strip(it)));
    all.join("; ")
}

/// A file in memory that only the account can open.
fn password_file(password: &str, account: &Account) -> std::io::Result<fs::File> {
    let file = rustix::fs::memfd_create("password", MemfdFlags::CLOEXEC)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))?;
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(account.uid()), Gid::from_raw(account.gid()));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    let mut file = fs::File::from(file);
    file.write_all(password.as_bytes())?;
    file.write_all(b"\n")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_told_with_its_explanation() {
        let cases = [
            (
                "initdb: warning: x\ninitdb: error: invalid locale name \"x\"\ninitdb: hint: If\n",
                "invalid locale name \"x\"; If",
            ),
            (
                "2026-01-01 UTC [1] FATAL:  could not map\nchild process exited\ninitdb: error: y\n",
                "2026-01-01 UTC [1] FATAL:  could not map",
            ),
            ("", "it said nothing"),
        ];
        for (said, message) in cases {
            assert_eq!(first_error(said), message);
        }
    }
}
