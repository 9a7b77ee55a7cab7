//! The extension `capacity`: warns before the disc is full.

use hayloft_plugin_api::{Action, Host, Outcome, Request, Result, cedar};

use crate::{
    config::Disc,
    drive::Drive,
    media::{Room, approximate, shown},
    tools::Tools,
};

/// Looks how full the disc is.
#[derive(Debug)]
pub struct Capacity {
    config: cedar::Capacity,
}

impl Action for Capacity {
    type Config = cedar::Capacity;

    fn new(config: cedar::Capacity) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let document = host.document();
        let disc = Disc::configured(&document)?;
        let tools = Tools::configured(&document)?;
        let mut drive = Drive::find(host, &tools, &disc)?;
        if request.dry_run {
            return Ok(Outcome::new(format!("would look how full the disc in {} is", disc.device)));
        }
        drive.check_media()?;
        drive.probe()?;
        let room = drive.room(false)?;
        let summary = format!(
            "{} of {} in use ({:.2} %)",
            shown(room.used),
            shown(room.total()),
            room.utilised()
        );
        let outcome = Outcome::new(summary)
            .value("used", room.used)
            .value("free", room.free)
            .value("utilised", format!("{:.2}", room.utilised()));
        Ok(match objection(&self.config, &room) {
            Some(objection) => outcome.left_out(format!("the disc in {} {objection}", disc.device)),
            None => outcome,
        })
    }
}

/// Returns how the disc is fuller than it should be, if it is.
fn objection(config: &cedar::Capacity, room: &Room) -> Option<String> {
    if let Some(most) = &config.max_percentage {
        return (room.utilised() > most.value).then(|| {
            let limit = most.quantity.trim();
            format!("has reached its limit of {limit} %: {:.2} % are in use", room.utilised())
        });
    }
    let least = config.min_bytes.as_ref()?;
    (approximate(room.free) < least.bytes)
        .then(|| format!("has reached its limit: {} are free, less than {least}", shown(room.free)))
}
