//! The command `span`: spreads staged days that do not fit on one disc over
//! several.

pub mod dialogue;
pub mod discs;
pub mod files;
pub mod fit;

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, Node, Request, Result,
};
use hayloft_staging::day::{STAGED, STORED};

use self::{
    dialogue::Dialogue,
    files::{Pending, SpanFile},
    fit::{Algorithm, Share, TooLarge},
};
use crate::{
    config::{self, Disc},
    drive::{Drive, Target},
    media::{SECTOR, approximate, shown},
    rebuild::StoreSection,
    tools::Tools,
};

/// What is set aside if nobody says otherwise, in per cent.
const CUSHION: f64 = 4.5;

/// Spreads staged days over several discs.
#[derive(Debug)]
pub struct Span;

impl Command for Span {
    type Config = StoreSection;

    fn spec() -> CommandSpec {
        let algorithms: Vec<&str> = Algorithm::ALL.iter().map(|it| it.name()).collect();
        CommandSpec {
            about: "Write staged days over several discs".to_owned(),
            long_about: "Write staged days over several discs\n\nAll days that are not stored \
                         yet are spread, file by file, over as many discs as they need. Only \
                         when all discs are written, the days are marked as stored."
                .to_owned(),
            arguments: vec![
                Argument::flag("yes", "Answer every question with what it suggests").short('y'),
                Argument::option("cushion", "PERCENT", "How much of a disc is set aside [4.5]"),
                Argument::option("algorithm", "NAME", "How files are chosen for a disc [worst]")
                    .choices(&algorithms),
                Argument::flag("dry-run", "Show which discs would be written, and write none")
                    .short('n'),
            ],
            ..CommandSpec::default()
        }
    }

    fn new(_: StoreSection) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
        let document = host.document();
        let disc = Disc::configured(&document)?;
        let tools = Tools::configured(&document)?;
        let agreed = arguments.has("yes") || arguments.has("dry-run");
        let dialogue = Dialogue { host, agreed };
        Session { dialogue, request, arguments, document: &document, disc: &disc, tools: &tools }
            .run()
    }
}

/// A command's exit code for: done, with warnings.
const WARNINGS: u8 = 7;

struct Session<'a> {
    dialogue: Dialogue<'a>,
    request: &'a Request,
    arguments: &'a Arguments,
    document: &'a Node,
    disc: &'a Disc,
    tools: &'a Tools,
}

impl Session<'_> {
    fn run(&self) -> Result<u8> {
        if !self.introduce()? {
            return Ok(0);
        }
        let dry_run = self.arguments.has("dry-run");
        let mut drive = Drive::find(self.dialogue.host, self.tools, self.disc)?;
        if !dry_run {
            drive.probe()?;
        }
        let Some(pending) = self.pending()? else { return Ok(0) };
        let Some(capacity) = self.capacity(&pending)? else { return Ok(0) };
        let Some(shares) = self.shares(&pending, capacity)? else { return Ok(0) };
        if dry_run {
            return Ok(0);
        }
        self.write(&pending, &shares, &drive)?;
        for day in &pending.days {
            self.dialogue.host.touch(&day.path.join(STORED))?;
        }
        self.dialogue.say("All discs are written.")?;
        Ok(if pending.others.is_empty() { 0 } else { WARNINGS })
    }

    fn introduce(&self) -> Result<bool> {
        let dialogue = self.dialogue;
        dialogue.say(
            "This spreads staged days over several discs, if they do not fit on one. It uses\n\
             the drive and the staging area of the configuration.\n",
        )?;
        if !dialogue.agree("Continue?", true)? {
            return Ok(false);
        }
        let disc = self.disc;
        let yes = |it: bool| if it { "Y" } else { "N" };
        let none = || "none".to_owned();
        let rows = [
            ("source directory", config::source_dir(self.document)?.display().to_string()),
            ("media type", disc.media.to_string()),
            ("device type", disc.kind.name().to_owned()),
            ("device", disc.device.clone()),
            ("SCSI address", disc.scsi_id.clone().unwrap_or_else(none)),
            ("drive speed", disc.speed.map_or_else(none, |it| it.to_string())),
            ("check data", yes(disc.check_data).to_owned()),
            ("no eject", yes(disc.no_eject).to_owned()),
        ];
        dialogue.say("\nThe configuration says:\n")?;
        for (name, value) in rows {
            dialogue.say(&format!("  {name:<17} {value}"))?;
        }
        dialogue.say("")?;
        dialogue.agree("Is this OK?", true)
    }

    fn pending(&self) -> Result<Option<Pending>> {
        let dialogue = self.dialogue;
        let source = config::source_dir(self.document)?;
        // Whoever is asked can see that a day is not finished, and say no.
        let pending = Pending::find(&source, !dialogue.agreed)?;
        if pending.days.is_empty() {
            let none = format!("\nEvery day below {} is stored already.", source.display());
            dialogue.say(&none)?;
            return Ok(None);
        }
        dialogue.say("\nThese days are not stored yet:\n")?;
        for day in &pending.days {
            let note = if day.has(STAGED) { "" } else { "  (not staged completely)" };
            dialogue.say(&format!("  {}{note}", files::shown(day.path.as_os_str())))?;
        }
        for other in &pending.others {
            let path = files::shown(other.as_os_str());
            dialogue.say(&format!("  not written, for it is no regular file: {path}"))?;
        }
        dialogue.say(&format!("\nThey have {} in all.\n", shown(pending.size())))?;
        Ok(dialogue.agree("Continue?", true)?.then_some(pending))
    }

    /// Returns how many bytes go onto a disc.
    fn capacity(&self, pending: &Pending) -> Result<Option<u64>> {
        let dialogue = self.dialogue;
        let whole = self.disc.media.sectors() * SECTOR;
        let about = "Sizes are estimates, so that part of each disc is set aside as a cushion.";
        dialogue.say(&format!("\nA disc takes {}. {about}\n", shown(whole)))?;
        let cushion = match self.arguments.get("cushion") {
            Some(text) => dialogue::percentage(text).ok_or_else(|| {
                Error::msg(format!("--cushion {text} is no number from 0 to less than 100"))
            })?,
            None => dialogue.percentage("What cushion percentage?", CUSHION)?,
        };
        let capacity = part(whole, 100.0 - cushion);
        let least = pending.size().checked_div(capacity).map_or(0, |it| it + 1);
        let (cushioned, size) = (shown(capacity), shown(pending.size()));
        dialogue.say(&format!(
            "\nWith a cushion of {cushion:.2} % that is {cushioned}.\n\
             At least {least} disc(s) are needed for {size}.\n"
        ))?;
        Ok(dialogue.agree("Continue?", true)?.then_some(capacity))
    }

    fn shares(&self, pending: &Pending, capacity: u64) -> Result<Option<Vec<Share>>> {
        let dialogue = self.dialogue;
        let sizes: Vec<u64> = pending.files.iter().map(|it| it.size).collect();
        let names: Vec<&str> = Algorithm::ALL.iter().map(|it| it.name()).collect();
        loop {
            let given = self.arguments.get("algorithm");
            let name = if let Some(name) = given {
                name.to_owned()
            } else {
                dialogue.say(
                    "\nFiles can be taken in the order of their names (first), the largest \
                     first (best),\nthe smallest first (worst), or in turn (alternate).\n",
                )?;
                dialogue.choose("Which algorithm?", "worst", &names)?
            };
            let algorithm = Algorithm::named(&name)
                .ok_or_else(|| Error::msg(format!("there is no algorithm {name}")))?;
            let shares = fit::spread(&sizes, capacity, algorithm)
                .map_err(|TooLarge(at)| too_large(&pending.files[at], capacity))?;
            let discs = counted(shares.len(), "disc");
            dialogue.say(&format!("\nThe {name}-fit algorithm needs {discs}:\n"))?;
            for (at, share) in shares.iter().enumerate() {
                let percent = approximate(share.size) / approximate(capacity) * 100.0;
                let (files, size) = (counted(share.items.len(), "file"), shown(share.size));
                let row = format!("  disc {}: {files}, {size}, {percent:.2} %", at + 1);
                dialogue.say(&row)?;
            }
            dialogue.say("")?;
            if dialogue.agree("Accept this solution?", true)? {
                return Ok(Some(shares));
            }
            if given.is_some() {
                return Ok(None);
            }
        }
    }

    fn write(&self, pending: &Pending, shares: &[Share], found: &Drive<'_>) -> Result<()> {
        let dialogue = self.dialogue;
        let (all, is_file) = (shares.len(), found.target == Target::File);
        if dialogue.agreed && !is_file && all > 1 {
            let message = format!("{all} discs are needed, and nobody is asked to change them");
            return Err(Error::msg(message).hint("run it without --yes"));
        }
        discs::check_free(self.disc, is_file, all)?;
        for (at, share) in shares.iter().enumerate() {
            let number = at + 1;
            let disc =
                Disc { device: discs::device_of(self.disc, is_file, number), ..self.disc.clone() };
            dialogue.say("")?;
            dialogue.wait(if at == 0 {
                "Please put the first disc into the drive."
            } else {
                "Please replace the disc in the drive."
            })?;
            let drive = Drive::find(dialogue.host, self.tools, &disc)?.like(found);
            let files: Vec<&SpanFile> = share.items.iter().map(|&it| &pending.files[it]).collect();
            dialogue.say(&format!("Disc {number} of {all}, {}", disc.device))?;
            discs::write(&drive, dialogue, (&files, &self.request.now))?;
        }
        Ok(())
    }
}

fn counted(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

fn too_large(file: &SpanFile, capacity: u64) -> Error {
    let path = files::shown(file.path.as_os_str());
    let (size, room) = (shown(file.size), shown(capacity));
    Error::new(ErrorKind::FULL, format!("{path} has {size} and does not fit on a disc of {room}"))
        .hint("the action split makes smaller files of it")
}

/// Returns that many per cent of a number of bytes, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage of what a disc takes is neither negative nor large"
)]
fn part(bytes: u64, percent: f64) -> u64 {
    (approximate(bytes) * percent / 100.0) as u64
}
