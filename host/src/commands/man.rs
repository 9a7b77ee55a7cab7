//! `hayloft man`.

use std::{fs, path::Path, process::ExitCode};

use crate::{
    cback3,
    failure::{Failure, Kind},
};

pub(crate) fn run(command: clap::Command, directory: &Path) -> Result<ExitCode, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(&command, "hayloft", directory)?;
    for program in cback3::Program::ALL {
        write_page(&cback3::manual(program), program.name(), directory)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A page for the command and one for each below it: `hayloft-run.1`. The
/// commands of Cedar Backup have pages under their own names.
fn write_pages(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Failure> {
    write_page(command, name, directory)?;
    let below = command.get_subcommands().filter(|it| !it.is_hide_set());
    let own = |it: &&clap::Command| cback3::Program::of_name(it.get_name().as_ref()).is_none();
    for below in below.filter(own) {
        write_pages(below, &format!("{name}-{}", below.get_name()), directory)?;
    }
    Ok(())
}

fn write_page(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    let failed = |e: std::io::Error| {
        Failure::new(Kind::Failed, format!("cannot write {}", path.display()))
            .because(&e)
            .hint("name a directory that is there and can be written to")
    };
    let mut page = Vec::new();
    let named = command.clone().display_name(name.to_owned());
    clap_mangen::Man::new(named).title(name.to_uppercase()).render(&mut page).map_err(failed)?;
    fs::write(&path, page).map_err(failed)
}
