//! The action, as the host sees it.

use hayloft_plugin_api::{Action, Error, ErrorKind, Host, Outcome, Request, Result, cedar};

use crate::{plan::Sizes, split};

/// Splits large staged files into parts.
#[derive(Debug)]
pub struct Split {
    sizes: Sizes,
}

impl Action for Split {
    type Config = cedar::Split;

    fn new(config: cedar::Split) -> Result<Self> {
        // Wrong sizes show when the configuration is checked, not at night.
        let sizes = Sizes::new(&config)?;
        Ok(Self { sizes })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let root = host.settings()?.staging_dir.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <stage> section, so no staged files")
                .hint("<stage><staging_dir>DIRECTORY</staging_dir></stage>")
        })?;
        let split::Done { days, files, parts, bytes } =
            split::split(host, &root, self.sizes, request.dry_run)?;
        if request.dry_run {
            return Ok(Outcome::new(format!("would split {} of {}", files_(files), days_(days))));
        }
        let summary = format!("{} of {} split into {parts} parts", files_(files), days_(days));
        let figures = [("days", days), ("files", files), ("parts", parts), ("bytes", bytes)];
        Ok(figures.into_iter().fold(Outcome::new(summary), |it, (name, n)| it.value(name, n)))
    }
}

fn files_(n: u64) -> String {
    format!("{n} file{}", if n == 1 { "" } else { "s" })
}

fn days_(n: u64) -> String {
    format!("{n} day{}", if n == 1 { "" } else { "s" })
}
