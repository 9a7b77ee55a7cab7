//! A part that is what a program writes.

use std::cell::Cell;

use hayloft_dump::transfer;
use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{
    context::Context,
    parts::{Empty, Program, Systemd},
    report::End,
};

/// Saves what a program writes as the file `base`.
///
/// # Errors
///
/// If it fails, or does not end in time; there is no file then.
pub(crate) fn save(context: &Context<'_>, program: &Program, base: &str) -> Result<End> {
    let name = program.names[0];
    let overridden = program.names.iter().any(|it| context.is_overridden(it));
    let offline = !context.has_systemd && !overridden;
    let mut arguments = program.arguments.to_vec();
    match program.systemd {
        Systemd::Running if offline => {
            return Ok(End::Nothing("systemd does not run".to_owned()));
        }
        Systemd::OrFiles if offline => arguments.insert(0, "--root=/"),
        _ => {}
    }
    let missing = Cell::new(false);
    let start = || {
        let started = context.start(program.names, &arguments)?;
        started.ok_or_else(|| {
            missing.set(true);
            Error::new(ErrorKind::NOT_FOUND, format!("there is no {name}"))
        })
    };
    let moved = match transfer(&context.destination, base, start, |_| {}) {
        Err(_) if missing.get() => return Ok(End::Nothing(format!("there is no {name}"))),
        other => other?,
    };
    let stderr = moved.finished.stderr.trim().to_owned();
    let nothing = program.nothing.is_some() && moved.finished.code == program.nothing;
    if !nothing {
        Context::expect_good_end(&moved.program, &moved.finished)?;
    }
    if moved.dumped == 0 {
        return Ok(empty(context, program, &stderr));
    }
    let made = moved.commit(&context.destination, base)?;
    let warnings: Vec<_> = denied(&stderr).map(|line| format!("{name}: {line}")).collect();
    Ok(End::Saved { files: 1, made, warnings })
}

fn empty(context: &Context<'_>, program: &Program, stderr: &str) -> End {
    let name = program.names[0];
    let why = match stderr.lines().last() {
        Some(line) => format!("{name} wrote nothing but `{line}`"),
        None => format!("{name} wrote nothing"),
    };
    match program.empty {
        Empty::AskRoot if !context.is_root => {
            End::Withheld(format!("{why}: only root is told what there is"))
        }
        Empty::AskRoot if !stderr.is_empty() => End::Withheld(why),
        _ => End::Nothing(why),
    }
}

/// What the program could not look at, although it ended well.
fn denied(stderr: &str) -> impl Iterator<Item = &str> {
    stderr
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("cannot open") || line.contains("ermission denied"))
}
