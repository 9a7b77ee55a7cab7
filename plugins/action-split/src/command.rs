//! The command `join`.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, NoConfig, Request, Result,
};
use hayloft_staging::{failures::Failures, files, parts, place, record::Records};
use tracing::{info, warn};

use crate::{
    join::Joining,
    record::SplitFile,
    sets::{self, Set, Verdict},
};

/// Puts the parts of split files together again.
#[derive(Debug)]
pub struct Join;

impl Command for Join {
    type Config = NoConfig;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Put the parts of split files together again".to_owned(),
            long_about: "Puts the parts of split files together again, NAME_00000, NAME_00001 and so on to \
                NAME, and makes sure that none is missing. Without --into the file takes the place \
                of its parts.\n\nPATH is a file that was split, one of its parts, a directory with \
                parts in it, or a day of the staging area such as 2026-11-17."
                .to_owned(),
            arguments: vec![
                Argument::option("into", "DIR", "Write into this directory and keep the parts"),
                Argument::flag("keep", "Keep the parts"),
                Argument::positional("path", "PATH", "What to join").required().multiple(),
            ],
            after_help: "Parts that Cedar Backup made are joined too. What is encrypted is decrypted first, \
                with `hayloft decrypt`."
                .to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, _: &Request, arguments: &Arguments) -> Result<u8> {
        let mut work = Work {
            host,
            records: records(host),
            into: arguments.get("into").map(absolute).transpose()?,
            keep: arguments.has("keep"),
            joined: 0,
            warned: false,
        };
        let mut failures = Failures::default();
        for path in arguments.all("path") {
            for (set, asked) in find(host, path)? {
                if let Err(error) = work.join(&set, asked) {
                    failures.add(error)?;
                }
            }
        }
        failures.into_result(|n| format!("{n} files were not joined"))?;
        if work.joined == 0 {
            return Err(Error::new(ErrorKind::NOT_FOUND, "there are no parts of split files")
                .hint("parts are called NAME_00000, NAME_00001 and so on"));
        }
        Ok(if work.warned { 7 } else { 0 })
    }
}

/// Without a working directory nothing is known of the parts.
fn records(host: &Host) -> Records<SplitFile> {
    if has_options(host) { Records::load(host) } else { Records::default() }
}

/// Whether there is a configuration with `<options>`: a working directory, and
/// somebody to own what is written.
fn has_options(host: &Host) -> bool {
    host.settings().is_ok_and(|it| !it.working_dir.as_os_str().is_empty())
}

/// Returns what a word of the command line means: sets, and whether the word
/// is one of them.
fn find(host: &Host, word: &str) -> Result<Vec<(Set, bool)>> {
    if let Some(directory) = place::directory(host, word) {
        let all = sets::sets(files::walk(&directory)?.files);
        return Ok(all.into_iter().map(|it| (it, false)).collect());
    }
    let path = absolute(word)?;
    let nothing =
        || Error::new(ErrorKind::NOT_FOUND, format!("{word} is no part, and has no parts"));
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(nothing());
    };
    let part = fs::symlink_metadata(&path).ok().and_then(|_| parts::parse(name));
    let bases = [Some(name.to_owned()), part.map(|(base, _)| base)];
    let mut beside = files::walk(directory)?.files;
    beside.retain(|it| it.relative.iter().count() == 1);
    let all = sets::sets(beside);
    let chosen = bases
        .into_iter()
        .flatten()
        .find_map(|base| all.iter().find(|it| it.base == Path::new(&base)).cloned());
    Ok(vec![(chosen.ok_or_else(nothing)?, true)])
}

struct Work<'a> {
    host: &'a Host,
    records: Records<SplitFile>,
    into: Option<PathBuf>,
    keep: bool,
    joined: u64,
    warned: bool,
}

impl Work<'_> {
    fn join(&mut self, set: &Set, asked: bool) -> Result<()> {
        let name = set.base.file_name().unwrap_or_default();
        let path = set.directory().join(name);
        let context = |e: Error| e.context(format!("cannot join {}", path.display()));
        let known = self.records.find(&path).map(|(day, key)| (day, key.clone()));
        let record = known.as_ref().and_then(|(day, key)| self.records.of(day)?.get(key)).cloned();
        let target = match &self.into {
            Some(directory) => directory.join(&set.base),
            None => path.clone(),
        };
        let in_place = self.into.is_none();
        let own = in_place && has_options(self.host);
        let joining =
            Joining { host: self.host, set, record: record.as_ref(), target: &target, own };
        if !joining.is_done().map_err(context)? {
            match set.check(record.as_ref(), asked).map_err(|e| context(e.into()))? {
                Verdict::NoSet => return Ok(()),
                Verdict::PerhapsWhole => self.doubt(&path),
                Verdict::Whole => {}
            }
            if let Some(parent) = target.parent() {
                make_directories(parent)?;
            }
            joining.write().map_err(context)?;
        }
        if in_place && !self.keep {
            joining.remove_parts()?;
            if let Some((day, key)) = known {
                self.records.forget(&day, &key);
                self.records.save(self.host)?;
            }
        }
        self.joined += 1;
        info!("joined {}", target.display());
        self.host.print(format!("{}\n", shown(&target)))
    }

    fn doubt(&mut self, path: &Path) {
        self.warned = true;
        warn!(
            "{}: all parts have the same size, so nobody can tell whether one is missing at the end",
            path.display()
        );
    }
}

fn make_directories(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Error::from(e).context(format!("cannot create {}", path.display())))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
