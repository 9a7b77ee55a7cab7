//! The command `hayloft storage get`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Argument, CommandSpec, Error, ErrorKind, ObjectMeta, OutputOptions, Result, StorageHandle,
};

use super::{Call, Subcommand};
use crate::{
    names,
    transfer::{metered, missing, receive, tried},
};

pub(super) const COMMAND: Subcommand = Subcommand { name: "get", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Read an object into a file, or to the standard output".to_owned(),
        long_about: "Reads an object as it is stored, packed and encrypted or not. The file \
                     appears whole and durable, or not at all, and only its owner may read it. \
                     `hayloft restore` is what puts back files."
            .to_owned(),
        arguments: vec![
            Argument::positional("object", "STORAGE:KEY", "The object").required(),
            Argument::positional(
                "file",
                "FILE",
                "Where to write it: a file, a directory, or - for the standard output; without \
                 it, a file here that is called as the last part of the key",
            ),
            Argument::flag("force", "Replace the file if there is one").short('f'),
        ],
        after_help: "Examples:\n  hayloft storage get offsite:2026/11/17/box/etc.tar.gz\n  \
                     hayloft storage get offsite:2026/11/17/box/etc.tar.gz - | tar -tz"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let place = names::place(call.host, call.needed("object")?)?.single()?;
    let storage = names::open(call.host, &place)?;
    let object = storage.stat(&place.key)?.ok_or_else(|| missing(&place))?;
    match call.arguments.get("file") {
        Some("-") => to_standard_output(call, &storage, &object)?,
        file => {
            let file = Path::new(file.unwrap_or("."));
            let file = if file.is_dir() { file.join(place.name()) } else { file.to_owned() };
            to_file(call, &storage, &object, file)?;
        }
    }
    Ok(0)
}

fn to_standard_output(call: &Call<'_>, storage: &StorageHandle, object: &ObjectMeta) -> Result<()> {
    let mut output = call.host.standard_output()?;
    let go_on = |_| call.host.check_cancelled();
    receive(storage, object, &go_on, |piece| Ok(output.write_all(piece)?)).map_err(unread)
}

/// A part of an object is no object: that whoever read it has gone is told.
fn unread(error: Error) -> Error {
    if error.kind() == ErrorKind::CANCELLED && error.message().contains("nobody reads") {
        return error.with_kind(ErrorKind::OTHER);
    }
    error
}

fn to_file(
    call: &Call<'_>,
    storage: &StorageHandle,
    object: &ObjectMeta,
    file: PathBuf,
) -> Result<()> {
    let replace = call.arguments.has("force");
    if !replace && file.symlink_metadata().is_ok() {
        let message = format!("{} is there already", file.display());
        return Err(Error::new(ErrorKind::ALREADY_EXISTS, message)
            .hint("--force replaces it; or name another file"));
    }
    let options =
        OutputOptions { replace, give_to_backup_user: false, cached: false, ..Default::default() };
    // The program has been started elsewhere than it works, perhaps.
    let file = std::path::absolute(file)?;
    tried(call.host, || {
        let mut output = call.host.create(&file, &options)?;
        let meter = metered(call.host, &object.key, Some(object.size));
        receive(storage, object, &meter, |piece| Ok(output.write_all(piece)?))?;
        output.commit().map(drop)
    })
}
