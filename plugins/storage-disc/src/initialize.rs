//! The action `initialize`: erases a rewritable disc and labels it.

use hayloft_plugin_api::{Action, Error, Host, Outcome, Request, Result};

use crate::{
    commands::{Contents, Graft},
    config::Disc,
    drive::{Drive, text},
    policy,
    rebuild::StoreSection,
    scratch::Scratch,
    tools::Tools,
};

/// The directory that is on an empty disc: there must be something.
const EMPTY: &str = "CedarBackup";

/// Erases a disc and labels it as one for backups.
#[derive(Debug)]
pub struct Initialize;

impl Action for Initialize {
    type Config = StoreSection;

    fn new(_: StoreSection) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let document = host.document();
        let disc = Disc::configured(&document)?;
        if !disc.media.is_rewritable() {
            let message = format!("a disc of the kind {} cannot be initialized", disc.media);
            return Err(Error::msg(message).hint("only rewritable discs are; others need no label"));
        }
        let label = policy::label(&request.now);
        let tools = Tools::configured(&document)?;
        let mut drive = Drive::find(host, &tools, &disc)?;
        if request.dry_run {
            let what = format!("would erase the disc in {} and label it {label}", disc.device);
            return Ok(Outcome::new(what));
        }
        drive.probe()?;
        drive.refresh()?;
        let nothing = Scratch::tree(&drive.working_dir)?;
        let contents = Contents {
            label: Some(label.clone()),
            grafts: vec![Graft::new(EMPTY, text(nothing.path())?)],
            follow_links: false,
        };
        drive.write(&contents, true)?.commit()?;
        Ok(Outcome::new(format!("the disc in {} is empty and labelled {label}", disc.device)))
    }
}
