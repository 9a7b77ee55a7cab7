//! `hayloft plugin new`.

mod names;
mod templates;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use self::templates::Subject;
use crate::{
    cli::{PluginNewArgs, write_out},
    failure::{Failure, Kind},
};

/// Writes a crate for a new plugin, whole or not at all.
///
/// # Errors
///
/// [`Kind::Usage`] for a name that cannot be used and a directory that is
/// there already; otherwise what kept it from being written.
pub(crate) fn run(args: &PluginNewArgs) -> Result<ExitCode, Failure> {
    names::check(&args.name).map_err(|why| {
        Failure::new(Kind::Usage, format!("`{}` cannot be the name of a plugin: {why}", args.name))
            .hint("use lower-case letters, digits and `-`, beginning with a letter")
    })?;
    let api = args.api.as_deref().map(api_directory).transpose()?;
    let subject = Subject { kind: &args.kind, name: &args.name, api: api.as_deref() };
    let directory = args.directory.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    write(&directory, &subject)?;
    write_out(next_steps(&directory, &subject).as_bytes())
}

/// Makes sure that the API's crate is where the user says.
fn api_directory(given: &Path) -> Result<PathBuf, Failure> {
    let shown = given.display();
    let wrong = |why: &str| {
        Failure::new(Kind::Usage, format!("--api {shown} {why}"))
            .hint("name the directory plugin-api of Hayloft's source")
    };
    let directory = fs::canonicalize(given).map_err(|e| wrong("cannot be used").because(&e))?;
    let manifest = fs::read_to_string(directory.join("Cargo.toml"))
        .map_err(|e| wrong("has no Cargo.toml that can be read").because(&e))?;
    if !manifest.contains("name = \"hayloft-plugin-api\"") {
        return Err(wrong("is another crate"));
    }
    if directory.to_str().is_none() {
        return Err(wrong("cannot be written into Cargo.toml: it is not UTF-8"));
    }
    Ok(directory)
}

fn write(directory: &Path, subject: &Subject<'_>) -> Result<(), Failure> {
    let shown = directory.display();
    if directory.symlink_metadata().is_ok() {
        return Err(Failure::new(Kind::Usage, format!("{shown} is there already"))
            .hint("name another directory with --directory"));
    }
    let failed = |e: &io::Error| {
        Failure::new(Kind::Failed, format!("cannot write the crate {shown}")).because(e)
    };
    let unfinished = unfinished(directory);
    let finished = fill(&unfinished, subject).and_then(|()| {
        Ok(renameat_with(CWD, &unfinished, CWD, directory, RenameFlags::NOREPLACE)?)
    });
    finished.map_err(|e| {
        // Whatever comes of it: the first error is the one to be told.
        drop(fs::remove_dir_all(&unfinished));
        failed(&e)
    })
}

fn fill(directory: &Path, subject: &Subject<'_>) -> io::Result<()> {
    fs::create_dir(directory)?;
    for (path, text) in subject.files() {
        let path = directory.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Where the crate is until it is whole: beside its place.
fn unfinished(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    directory.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn next_steps(directory: &Path, subject: &Subject<'_>) -> String {
    let (shown, library) = (directory.display(), subject.library());
    format!(
        "Wrote the {} `{}` to {shown}. It works, and waits for you to make it do your work:\n\n  \
         cd {shown}\n  cargo test\n  cargo build --release\n  \
         hayloft plugin check target/release/lib{library}.so\n\n\
         src/lib.rs is where to begin; example.xml shows how it is configured.\n",
        subject.kind, subject.name
    )
}

#[cfg(test)]
mod tests;
