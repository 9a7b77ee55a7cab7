//! Whether the files of a server can be read from here.

use std::path::Path;

use hayloft_postgres::{
    check::{CheckLine, Facts},
    cluster::ControlFile,
};

use crate::config::{Method, Server};

/// The line; none for a server whose files come from itself, or are not backed
/// up.
pub(super) fn line(server: &Server, facts: &Facts) -> Option<CheckLine> {
    if server.backup.method != Method::Local || server.backup_destinations().is_empty() {
        return None;
    }
    let status = &facts.sql.as_ref().ok()?.status;
    // What is not told is a right that is missing, which another line says.
    let data = *status.setting("data_directory").value()?;
    Some(judge(Path::new(data), status.system_identifier.value().copied()))
}

fn judge(data: &Path, server: Option<u64>) -> CheckLine {
    const NAME: &str = "data_directory";
    let found = match (ControlFile::read(data), server) {
        (Ok(control), Some(server)) if control.system_identifier != server => {
            format!("{} of this machine is another cluster", data.display())
        }
        (Ok(_), _) => return CheckLine::ok(NAME, data.display().to_string()),
        (Err(error), _) => format!("{} cannot be read: {error}", data.display()),
    };
    CheckLine::warning(
        NAME,
        found,
        "`hayloft pg backup` with the method `local` cannot be run here",
        "run it on the server's machine, as its account or as root, or set \
         <method>stream</method> in <backup>",
    )
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::check::Outcome;

    use super::*;

    #[test]
    fn a_directory_that_is_elsewhere_is_told() {
        let line = judge(Path::new("/nonexistent"), Some(7));
        assert_eq!(line.outcome, Outcome::Warning);
        assert!(line.found.starts_with("/nonexistent cannot be read"), "{line:?}");
    }
}
