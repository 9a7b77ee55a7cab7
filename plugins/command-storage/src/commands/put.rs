//! The command `hayloft storage put`.

use std::{
    fs::{File, Metadata},
    io::Read,
    path::Path,
};

use hayloft_plugin_api::{
    Argument, CommandSpec, Error, ErrorKind, PutOptions, Result, StorageHandle,
    text::{one_line, size},
};

use super::{Call, Subcommand};
use crate::{
    names,
    place::Place,
    shown::JsonObject,
    transfer::{metered, send},
};

pub(super) const COMMAND: Subcommand = Subcommand { name: "put", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Write a file, or the standard input, into an object".to_owned(),
        long_about: "Writes a file into an object, as it is. The object appears whole and \
                     durable, or not at all. An object that is there already is not touched, \
                     unless --force is given; then it is replaced in one step."
            .to_owned(),
        arguments: vec![
            Argument::positional("file", "FILE", "The file, or - for the standard input")
                .required(),
            Argument::positional(
                "object",
                "STORAGE:KEY",
                "The object; what ends with a slash gets the file's name",
            )
            .required(),
            Argument::flag("force", "Replace the object if there is one").short('f'),
        ],
        after_help: "Examples:\n  hayloft storage put notes.txt offsite:notes/\n  mysqldump --all \
                     | gzip | hayloft storage put - offsite:dumps/all.sql.gz"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let file = call.needed("file")?;
    let place = names::place(call.host, call.needed("object")?)?;
    let place = target(place, file)?;
    // Nobody far away is asked for the sake of a file that is not here.
    let path = Path::new(file);
    let opened = if file == "-" { None } else { Some(open(path)?) };
    let storage = names::open(call.host, &place)?;
    let force = call.arguments.has("force");
    if !force {
        refuse_taken(&storage, &place)?;
    }
    let sent = match &opened {
        None => write(call, &storage, &place, call.host.standard_input()?, None),
        Some((file, before)) => {
            let reader = Unchanged { file, before, path };
            write(call, &storage, &place, reader, before.is_file().then_some(before.len()))
        }
    };
    let meta = match sent {
        Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => return Err(taken(&place)),
        other => other?,
    };
    let text = if call.arguments.json {
        serde_json::to_string(&JsonObject::from(&meta))?
    } else {
        format!("{}: {}", one_line(place.to_string()), size(meta.size))
    };
    call.host.print(format!("{text}\n"))?;
    Ok(0)
}

/// Completes the key with the file's name.
fn target(place: Place, file: &str) -> Result<Place> {
    if !place.is_tree() {
        return Ok(place);
    }
    let name = Path::new(file).file_name().and_then(|it| it.to_str()).filter(|_| file != "-");
    name.map(|name| place.below(name)).ok_or_else(|| {
        Error::msg(format!("`{place}` is no single object, and there is no name for it"))
            .hint("write STORAGE:KEY, without a slash at the end")
    })
}

/// Not only at the end, when all was sent for nothing.
fn refuse_taken(storage: &StorageHandle, place: &Place) -> Result<()> {
    if storage.stat(&place.key)?.is_some() { Err(taken(place)) } else { Ok(()) }
}

fn taken(place: &Place) -> Error {
    Error::new(ErrorKind::ALREADY_EXISTS, format!("there is an object {place} already"))
        .hint("--force replaces it; or choose another key")
}

fn open(path: &Path) -> Result<(File, Metadata)> {
    let failed = |e| Error::from(e).context(format!("cannot read {}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    if before.is_dir() {
        return Err(Error::msg(format!("{} is a directory", path.display()))
            .hint("pack it: `tar -cz DIR | hayloft storage put - STORAGE:KEY`"));
    }
    Ok((file, before))
}

fn write(
    call: &Call<'_>,
    storage: &StorageHandle,
    place: &Place,
    from: impl Read,
    size_hint: Option<u64>,
) -> Result<hayloft_plugin_api::ObjectMeta> {
    let create_only = !call.arguments.has("force");
    let mut put = storage.put(&place.key, PutOptions { create_only, size_hint })?;
    let meter = metered(call.host, &place.key, size_hint);
    send(from, &mut *put, &meter).map(|(meta, _)| meta)
}

/// A file whose end comes only if it is as it was at the beginning: a mixture
/// of two contents is not stored.
struct Unchanged<'a> {
    file: &'a File,
    before: &'a Metadata,
    path: &'a Path,
}

impl Read for Unchanged<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        if read > 0 || buffer.is_empty() || !self.before.is_file() {
            return Ok(read);
        }
        let after = self.file.metadata()?;
        if after.len() == self.before.len() && after.modified()? == self.before.modified()? {
            return Ok(0);
        }
        let message = format!("{} was changed while it was read", self.path.display());
        Err(Error::new(ErrorKind::CHANGED, message).into_io())
    }
}
