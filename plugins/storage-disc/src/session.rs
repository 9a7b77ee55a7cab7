//! One session on a disc, from the first question to the check.

use std::path::PathBuf;

use hayloft_plugin_api::{Host, Outcome, Request, Result, Tree};
use hayloft_staging::day;
use tracing::info;

use crate::{
    commands::{Contents, Graft},
    compare::Expected,
    config::Disc,
    drive::{Drive, text},
    media::{Room, shown},
    policy::{self, NewDisc},
    tools::Tools,
};

/// The files that tell what was done with a day.
const INDICATORS: [&str; 6] =
    ["cback.collect", day::STAGED, day::STORED, day::SPLIT, day::ENCRYPTED, day::UPLOADED];

/// Writes directory trees as one session, onto a new disc or behind what is
/// there, and checks it if that is configured.
///
/// # Errors
///
/// Whatever keeps any of it from being on the disc.
pub fn put_trees(
    host: &Host,
    disc: &Disc,
    request: &Request,
    trees: &[Tree],
    new_disc: NewDisc,
) -> Result<Outcome> {
    let names: Vec<&str> = trees.iter().map(|it| it.name.as_str()).collect();
    let names = names.join(", ");
    let tools = Tools::configured(&host.document())?;
    let mut drive = Drive::find(host, &tools, disc)?;
    if request.dry_run {
        return Ok(preview(disc, &names, new_disc));
    }
    drive.check_media()?;
    drive.probe()?;
    let contents = contents(request, trees)?;
    let new_disc = match new_disc {
        NewDisc::Yes => true,
        NewDisc::No => false,
        NewDisc::IfTight(factor) => is_tight(&drive, &contents, factor)?,
    };
    let expected = disc.check_data.then(|| Expected::of_trees(trees)).transpose()?;
    let written = drive.write(&contents, new_disc)?;
    let more = match expected {
        Some(it) if new_disc => drive.check(&written, &it)?,
        Some(it) => drive.check(&written, &it.behind_earlier())?,
        None => Vec::new(),
    };
    let (bytes, room) = (written.bytes, written.room);
    written.commit()?;
    let mut outcome = outcome(disc, &names, new_disc, bytes, &room);
    outcome.warnings.extend(left_over(&more));
    Ok(outcome)
}

fn preview(disc: &Disc, names: &str, new_disc: NewDisc) -> Outcome {
    let how = match new_disc {
        NewDisc::Yes => "as a new disc",
        NewDisc::No => "behind what is on the disc",
        NewDisc::IfTight(_) => "as a new disc if there is little room",
    };
    Outcome::new(format!("would write {names} to {} {how}", disc.device))
}

fn contents(request: &Request, trees: &[Tree]) -> Result<Contents> {
    let graft = |tree: &Tree| Ok(Graft::new(&tree.name, text(&tree.path)?));
    Ok(Contents {
        label: Some(policy::label(&request.now)),
        grafts: trees.iter().map(graft).collect::<Result<_>>()?,
        follow_links: false,
    })
}

fn is_tight(drive: &Drive<'_>, contents: &Contents, factor: f64) -> Result<bool> {
    let free = drive.room(false)?.free;
    let unlabelled = Contents { label: None, ..contents.clone() };
    let required = drive.image_size(&unlabelled, None)?;
    let tight = policy::is_tight(free, required, factor);
    let what = if tight { "a new disc is begun" } else { "the session is appended" };
    info!("{} are free for {}: {what}", shown(free), shown(required));
    Ok(tight)
}

/// Names what earlier sessions of the same days had and the days have no longer:
/// whoever restores from the disc should leave it alone. Indicators of before do no harm.
fn left_over(more: &[PathBuf]) -> Option<String> {
    let data: Vec<_> = more
        .iter()
        .filter(|it| !it.file_name().is_some_and(|name| INDICATORS.iter().any(|it| name == *it)))
        .map(|it| it.to_string_lossy().escape_debug().to_string())
        .collect();
    let first = data.first()?;
    let others = match data.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(format!(
        "{first}{others} on the disc: from an earlier session, and no longer part of the day"
    ))
}

fn outcome(disc: &Disc, names: &str, new_disc: bool, bytes: u64, room: &Room) -> Outcome {
    let how = if new_disc { "as a new disc" } else { "behind what was on the disc" };
    let checked = if disc.check_data { ", checked" } else { "" };
    let summary = format!("{names} written to {} {how}, {}{checked}", disc.device, shown(bytes));
    Outcome::new(summary)
        .value("bytes", bytes)
        .value("new_disc", new_disc)
        .value("free", room.free.saturating_sub(bytes))
}
