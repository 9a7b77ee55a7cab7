//! The command `amazons3-sync`.

use std::{
    collections::BTreeMap,
    path::{Path, absolute},
    sync::atomic::AtomicU64,
};

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, NoConfig, ObjectMeta,
    Request, Result,
};
use tracing::{info, warn};

use crate::{
    place::{Place, bucket_and_prefix, prefix},
    transfer::{Transfer, in_parallel},
    tree::{Local, Tree, tree},
};

/// How many names a message has.
const NAMED: usize = 5;

/// Makes a bucket hold what a directory holds.
#[derive(Debug)]
pub struct Sync;

impl Command for Sync {
    type Config = NoConfig;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Make a bucket hold what a directory holds".to_owned(),
            long_about: "Uploads the files of a directory that are new or changed, removes from the bucket \
                what is not in the directory, and compares the two. A file counts as changed if its \
                size differs, or if it was written to after it was uploaded. Each upload is read \
                back."
                .to_owned(),
            arguments: vec![
                Argument::flag("verify-only", "Only compare"),
                Argument::flag("upload-only", "Remove nothing from the bucket"),
                Argument::flag("ignore-warnings", "Go on despite odd names and broken links"),
                Argument::flag("no-summary", "Print nothing if all is well"),
                Argument::flag("checksum", "Compare the content of all files, not the sizes"),
                Argument::option("storage", "NAME", "A storage of the configuration, not a bucket"),
                Argument::positional("source", "SOURCE", "The directory").required(),
                Argument::positional("url", "URL", "s3://BUCKET/PREFIX; with --storage, PREFIX")
                    .required(),
            ],
            after_help: "Nothing may write into the directory meanwhile.".to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, _: &Request, arguments: &Arguments) -> Result<u8> {
        let source = absolute(arguments.get("source").unwrap_or_default())?;
        if !source.is_dir() {
            let message = format!("{} is no directory", source.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message));
        }
        let place = place(host, arguments)?;
        let tree = tree(&source)?;
        let warned = heed(&tree, arguments.has("ignore-warnings"))?;
        let work = Work {
            place: &place,
            checksum: arguments.has("checksum"),
            keep_extra: arguments.has("upload-only"),
            transfer: Transfer {
                host,
                storage: &place.storage,
                encodings: &[],
                check_data: true,
                done: AtomicU64::new(0),
                total: 0,
            },
        };
        let mut there = work.there()?;
        if !arguments.has("verify-only") {
            work.synchronise(&tree, &there)?;
            there = work.there()?;
        }
        work.verify(&tree, &there)?;
        let count = tree.files.len();
        let summary = format!("{count} files of {} are in {}", shown(&source), place.name);
        if arguments.has("no-summary") {
            info!("{summary}");
        } else {
            host.print(format!("{summary}\n"))?;
        }
        Ok(if warned { 7 } else { 0 })
    }
}

/// Refuses what cannot be uploaded as it is, unless that does not matter.
/// Returns whether there was something.
fn heed(tree: &Tree, ignore: bool) -> Result<bool> {
    let odd = tree.odd.first().map(|it| {
        format!("{} names are no keys as they are, such as {}", tree.odd.len(), shown(it))
    });
    let other = tree
        .others
        .first()
        .map(|it| format!("{} entries are no files, such as {}", tree.others.len(), shown(it)));
    let found: Vec<String> = odd.into_iter().chain(other).collect();
    if !found.is_empty() && !ignore {
        let hint = "--ignore-warnings goes on: bytes that no key can have become %XX, and what is \
                    no file is left out";
        return Err(Error::msg(found.join("; ")).hint(hint));
    }
    for it in &found {
        warn!("{it}");
    }
    Ok(!found.is_empty() && !ignore)
}

fn place(host: &Host, arguments: &Arguments) -> Result<Place> {
    let url = arguments.get("url").unwrap_or_default();
    // It stands on the command line, not in the configuration.
    let bucket_and_prefix =
        |it: &str| bucket_and_prefix(it).map_err(|e| e.with_kind(ErrorKind::OTHER));
    let prefix = |it: &str| prefix(it).map_err(|e| e.with_kind(ErrorKind::OTHER));
    match arguments.get("storage") {
        Some(name) => {
            let prefix = match url.strip_prefix("s3://") {
                Some(_) => bucket_and_prefix(url)?.1,
                None => prefix(url)?,
            };
            Place::configured(host, name, prefix)
        }
        None if url.starts_with("s3://") => {
            let (bucket, prefix) = bucket_and_prefix(url)?;
            Place::bucket(host, &bucket, prefix, None)
        }
        None => Err(Error::msg(format!("`{url}` is not the address of a bucket"))
            .hint("it looks like s3://BUCKET/PREFIX; --storage NAME names a configured storage")),
    }
}

struct Work<'a> {
    place: &'a Place,
    checksum: bool,
    keep_extra: bool,
    transfer: Transfer<'a>,
}

impl Work<'_> {
    /// Returns what is in the storage, by the key below the prefix.
    fn there(&self) -> Result<BTreeMap<String, ObjectMeta>> {
        let mut objects = BTreeMap::new();
        let prefix = self.place.prefix.as_str();
        self.place.storage.for_each(prefix, |object| {
            if let Some(key) = object.key.strip_prefix(prefix) {
                objects.insert(key.to_owned(), object);
            }
            Ok(())
        })?;
        Ok(objects)
    }

    fn key(&self, file: &Local) -> String {
        format!("{}{}", self.place.prefix, file.key)
    }

    fn synchronise(&self, tree: &Tree, there: &BTreeMap<String, ObjectMeta>) -> Result<()> {
        in_parallel(&tree.files, |_, file| {
            self.transfer.host.check_cancelled()?;
            let key = self.key(file);
            if self.is_changed(file, there.get(&file.key), &key)? {
                self.transfer.send(&file.path, &key)?;
                info!("uploaded {key}");
            }
            Ok(())
        })?;
        if self.keep_extra {
            return Ok(());
        }
        for object in extra(tree, there) {
            self.transfer.host.check_cancelled()?;
            self.place.storage.delete(&object.key)?;
            info!("removed {}", object.key);
        }
        Ok(())
    }

    fn is_changed(&self, file: &Local, there: Option<&ObjectMeta>, key: &str) -> Result<bool> {
        let Some(there) = there else { return Ok(true) };
        if there.size != file.size {
            return Ok(true);
        }
        if self.checksum {
            return Ok(!self.transfer.is_same(&file.path, key)?);
        }
        Ok(file.modified_ns > i128::from(there.modified_ns))
    }

    fn verify(&self, tree: &Tree, there: &BTreeMap<String, ObjectMeta>) -> Result<()> {
        let mut wrong = Vec::new();
        for file in &tree.files {
            self.transfer.host.check_cancelled()?;
            let shown = shown(&file.path);
            match there.get(&file.key) {
                None => wrong.push(format!("{shown} is not uploaded")),
                Some(object) if object.size != file.size => wrong.push(format!(
                    "{shown} has {} bytes, and {} in the bucket",
                    file.size, object.size
                )),
                Some(_)
                    if self.checksum && !self.transfer.is_same(&file.path, &self.key(file))? =>
                {
                    wrong.push(format!("{shown} has other content in the bucket"));
                }
                Some(_) => {}
            }
        }
        if !self.keep_extra {
            let only = |it: &ObjectMeta| format!("{} is only in the bucket", it.key);
            wrong.extend(extra(tree, there).map(only));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let count = wrong.len();
        wrong.truncate(NAMED);
        if count > NAMED {
            wrong.push(format!("and {} more", count - NAMED));
        }
        let message = format!("{count} differences between directory and bucket");
        Err(Error::new(ErrorKind::CORRUPT, wrong.join("; ")).context(message))
    }
}

/// Returns the objects that no file is for.
fn extra<'a>(
    tree: &'a Tree,
    there: &'a BTreeMap<String, ObjectMeta>,
) -> impl Iterator<Item = &'a ObjectMeta> {
    let known = |key: &str| tree.files.binary_search_by(|it| it.key.as_str().cmp(key)).is_ok();
    there.iter().filter(move |(key, _)| !known(key)).map(|(_, object)| object)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}
