//! The action, as the host sees it.

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, Outcome, Request, Result, cedar,
};
use tracing::{info, warn};

use crate::{
    clear,
    encrypt::{Done, Pending, Work},
    open,
};

/// Encrypts staged files.
#[derive(Debug)]
pub struct Encrypt {
    config: cedar::Encrypt,
}

impl Action for Encrypt {
    type Config = cedar::Encrypt;

    fn new(config: cedar::Encrypt) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let mode = cedar::text(&self.config.encrypt_mode).unwrap_or_default();
        let recipient = cedar::text(&self.config.encrypt_target).unwrap_or_default();
        let root = host.settings()?.staging_dir.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <stage> section, so no staged files")
                .hint("<stage><staging_dir>DIRECTORY</staging_dir></stage>")
        })?;
        let encryptors = open::encryptors(host, mode, recipient).map_err(|it| self.placed(it))?;
        let suffix = encryptors.plain.suffix().to_owned();
        open::probe(&encryptors.plain, mode, recipient)?;
        let work = Work::new(host, encryptors);
        let pending = work.pending(&root, !request.dry_run)?;
        let clear = clear::warnings(&pending, &host.document());
        if request.dry_run {
            let mut files = 0;
            for file in pending.iter().flat_map(Pending::files) {
                info!("would encrypt {} to {suffix}", file.path.display());
                files += 1;
            }
            let days = counted(pending.len() as u64, "day");
            let outcome =
                Outcome::new(format!("would encrypt {} of {days}", counted(files, "file")));
            return Ok(clear.into_iter().fold(outcome, Outcome::left_out));
        }
        let Done { days, files, bytes, warnings } =
            work.encrypt(&pending).inspect_err(|_| clear.iter().for_each(|it| warn!("{it}")))?;
        let summary = format!("{} of {} encrypted", counted(files, "file"), counted(days, "day"));
        // Whatever is clear where it should not be must be seen.
        let warnings = warnings.into_iter().chain(clear);
        let outcome = warnings.fold(Outcome::new(summary), Outcome::left_out);
        let figures = [("days", days), ("files", files), ("bytes", bytes)];
        Ok(figures.into_iter().fold(outcome, |it, (name, n)| it.value(name, n)))
    }
}

impl Encrypt {
    /// Gives what an encryptor says of its settings the place where we got
    /// them from.
    fn placed(&self, error: Error) -> Error {
        let [found] = error.diagnostics() else { return error };
        let target = self.config.encrypt_target.as_ref();
        let position = target.map_or(self.config.place.position, |it| it.position);
        let placed = Diagnostic::error(position, "encrypt/encrypt_target", found.message.as_str());
        Error::configuration(vec![match found.help.as_deref().or(error.remedy()) {
            Some(help) => placed.help(help),
            None => placed,
        }])
    }
}

fn counted(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}
