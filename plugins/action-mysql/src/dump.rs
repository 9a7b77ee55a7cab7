//! Makes one dump.

use hayloft_dump::{Attempt, Made, Watch, stream};
use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{
    arguments,
    context::Context,
    failure::{self, Denied},
    plan::Dump,
    programs,
    settings::Extras,
};

/// The beginning of the last line of every complete dump.
const END: &[u8] = b"-- Dump completed";

/// Makes one dump. The file appears whole and durable, or not at all. Returns
/// what was left out, too.
///
/// # Errors
///
/// Whatever kept it from being complete, with the last lines that the dump
/// program wrote to its standard error.
pub(crate) fn make(context: &Context<'_>, dump: &Dump) -> Result<(Made, Vec<String>)> {
    if let Some(complaint) = dump.complaint() {
        return Err(
            Error::new(ErrorKind::NOT_FOUND, complaint).hint("check the <database> elements")
        );
    }
    let (mut extras, mut left_out) = (context.settings.extras, Vec::new());
    let made = loop {
        let made =
            context.retry.run(context.host, failure::patience, || attempt(context, dump, extras));
        match made {
            Ok(made) => break made,
            Err(error) => left_out.push(leave_out(dump, &mut extras, error)?),
        }
    };
    let file = context.destination.file_name(&dump.file);
    tracing::info!("dumped {}: {} bytes in {file}", dump.content, made.stored);
    Ok((made, left_out))
}

/// Leaves out what the user may not read and nobody asked for, and says so.
/// Cedar Backup never dumped it, with users that were given no right to it.
fn leave_out(dump: &Dump, extras: &mut Extras, error: Error) -> Result<String> {
    let (setting, what, right, element) = match failure::denied(&error) {
        Some(Denied::Events) => (&mut extras.events, "events", "EVENT", "events"),
        Some(Denied::Routines) => {
            (&mut extras.routines, "stored routines", "SELECT ON mysql.proc", "routines")
        }
        None => return Err(error),
    };
    if setting.is_some() {
        return Err(error);
    }
    *setting = Some(false);
    let warning = format!(
        "{} was dumped without its {what}, which the user may not read: GRANT {right}, or set \
         <{element}>N</{element}>",
        dump.content
    );
    tracing::warn!("{warning}");
    Ok(warning)
}

fn attempt(context: &Context<'_>, dump: &Dump, extras: Extras) -> Result<Made> {
    let arguments = arguments::arguments(context.settings, dump, extras);
    let start = || context.start(programs::DUMP, &arguments);
    match stream(&context.destination, &dump.file, start, complaint)? {
        Attempt::Done(made) => Ok(made),
        Attempt::Failed { program, finished } => {
            let error = failure::MEANINGS.of_program(&program, &finished);
            Err(error.unwrap_or_else(|| Error::msg(format!("{program} failed"))))
        }
    }
}

fn complaint(watch: &Watch) -> Option<String> {
    if watch.bytes() == 0 {
        return Some("the dump is empty".to_owned());
    }
    let complete = watch.last_line_begins_with(END);
    let text = "the dump has no end: its last line says nothing of being complete";
    (!complete).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Content;

    #[test]
    fn only_a_dump_with_its_end_is_complete() {
        let cases = [
            ("", false),
            ("INSERT INTO t VALUES (1);\n", false),
            ("INSERT;\n\n-- Dump completed on 2026-11-21  6:04:37\n", true),
            ("INSERT;\n\n-- Dump completed\n", true),
            ("-- Dump completed\nINSERT", false),
        ];
        for (text, complete) in cases {
            let mut watch = Watch::default();
            watch.see(text.as_bytes());
            assert_eq!(complaint(&watch).is_none(), complete, "{text:?}");
        }
    }

    #[test]
    fn only_what_nobody_asked_for_is_left_out() {
        let dump = Dump {
            content: Content::Database("shop".into()),
            file: String::new(),
            flush_logs: false,
        };
        let error = || Error::msg("Couldn't execute 'show events': Access denied (1044)");
        let mut extras = Extras::default();
        let warning = leave_out(&dump, &mut extras, error()).unwrap();
        assert!(warning.contains("database `shop` was dumped without its events"), "{warning}");
        assert_eq!(extras.events, Some(false));
        assert!(leave_out(&dump, &mut extras, error()).is_err());
        let mut wanted = Extras { events: Some(true), ..Extras::default() };
        assert!(leave_out(&dump, &mut wanted, error()).is_err());
    }
}
