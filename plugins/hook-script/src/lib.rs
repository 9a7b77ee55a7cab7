//! Runs a program before and after what happens.
//!
//! The program learns of the event through variables of its environment and
//! from a JSON document on its standard input, and answers with its exit
//! code. See the README for the details.

mod config;
mod environment;
mod program;
mod tail;
mod words;

use hayloft_plugin_api::{Error, ErrorKind, Event, Hook, Result, Verdict, export_plugin};

pub use crate::config::Config;
use crate::program::{Ending, Program};

/// A script's exit code for: go on as if it had worked. As Barman's.
const ABORT_CONTINUE: i32 = 62;
/// A script's exit code for: stop, and do not try again. As Barman's.
const ABORT_STOP: i32 = 63;

/// The hook `script`.
#[derive(Debug)]
pub struct Script {
    config: Config,
    arguments: Vec<String>,
}

impl Hook for Script {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        let arguments = config.arguments()?;
        Ok(Self { config, arguments })
    }

    fn on_event(&self, event: &Event) -> Result<Verdict> {
        let program = Program {
            arguments: &self.arguments,
            environment: environment::variables(event),
            input: serde_json::to_vec(event)?,
            timeout: self.config.timeout.get(),
        };
        let finished = program.run()?;
        self.verdict(&finished, is_retried(event))
    }
}

/// Tells whether the host calls the hook again if it wants that.
fn is_retried(event: &Event) -> bool {
    event.fields.get("retry").is_some_and(|it| it == "1")
}

impl Script {
    fn verdict(&self, finished: &program::Finished, retried: bool) -> Result<Verdict> {
        let reason = || finished.describe(&self.arguments[0]);
        Ok(match finished.ending {
            Ending::Code(0) => Verdict::Continue,
            Ending::Code(ABORT_CONTINUE) if retried => {
                tracing::warn!("{}; going on as it wishes", reason());
                Verdict::Continue
            }
            Ending::Code(ABORT_STOP) if retried => Verdict::Veto(reason()),
            _ if retried => Verdict::Retry(reason()),
            Ending::TimedOut(_) => return Err(Error::new(ErrorKind::TIMED_OUT, reason())),
            _ => Verdict::Veto(reason()),
        })
    }
}

export_plugin! {
    id: "script",
    description: "Runs a program before and after what happens",
    hooks: [Script as "script"],
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{program::Finished, tail::Tail};

    #[test]
    fn exit_codes_mean_what_they_mean_to_barman_if_the_hook_is_retried() {
        let config = Config { command: "check --all".to_owned(), ..Config::default() };
        let script = Script::new(config).unwrap();
        let cases = [
            (Ending::Code(0), "continue", "continue"),
            (Ending::Code(1), "veto", "retry"),
            (Ending::Code(62), "veto", "continue"),
            (Ending::Code(63), "veto", "veto"),
            (Ending::Signal(9), "veto", "retry"),
            (Ending::TimedOut(Duration::from_secs(1)), "timed-out", "retry"),
        ];
        for (ending, once, retried) in cases {
            let finished = Finished { ending, tail: Tail::default() };
            for (expected, is_retried) in [(once, false), (retried, true)] {
                let found = match script.verdict(&finished, is_retried) {
                    Ok(Verdict::Continue) => "continue",
                    Ok(Verdict::Veto(_)) => "veto",
                    Ok(Verdict::Retry(_)) => "retry",
                    Ok(_) => "unknown",
                    Err(error) => error.kind().name(),
                };
                assert_eq!(found, expected, "{finished:?} {is_retried}");
            }
        }
    }
}
