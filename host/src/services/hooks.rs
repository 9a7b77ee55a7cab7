//! Runs the hooks of an event.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Event, Result, Verdict, shim::client};

use crate::setup::{HookEntry, Setup};

/// How long to wait before the first retry; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a hook that asks for a retry is called in all.
const MOST_TRIES: u32 = 5;

/// Runs the hooks of an event: in the order of the configuration for `pre_`,
/// in the reverse order for others.
///
/// # Errors
///
/// [`ErrorKind::VETOED`] if it is a `pre_` event, or `strict`, and a hook says
/// no, fails, or asks for more retries than it gets; hooks behind it are not
/// called. For other events that is logged, and all hooks are called.
pub fn emit(setup: &Setup, event: &Event, strict: bool, cancelled: &AtomicBool) -> Result<()> {
    let before = event.name.starts_with("pre_");
    let mut hooks = setup.hooks_for(event);
    if !before {
        hooks.reverse();
    }
    for hook in hooks {
        match call(setup, &hook, event, cancelled) {
            Ok(()) => {}
            Err(error) if before || strict => {
                let what = if before { "stopped it" } else { "failed" };
                return Err(error
                    .context(format!("hook {hook} {what}"))
                    .with_kind(ErrorKind::VETOED));
            }
            Err(error) => tracing::warn!("hook {hook} for {} failed: {error}", event.name),
        }
    }
    Ok(())
}

fn call(setup: &Setup, hook: &HookEntry, event: &Event, cancelled: &AtomicBool) -> Result<()> {
    let opened = setup.hook(hook)?;
    let mut told = event.clone();
    if hook.retry {
        // A hook may answer differently if it will be called again.
        told.fields.insert("retry".to_owned(), "1".to_owned());
    }
    let document = client::to_json(&told)?;
    let tries = if hook.retry { MOST_TRIES } else { 1 };
    let mut pause = FIRST_PAUSE;
    for number in 1..=tries {
        let verdict = client::plain(opened.on_event(document.as_str().into()))?;
        let reason = match client::from_json::<Verdict>(&verdict)? {
            Verdict::Continue => return Ok(()),
            Verdict::Retry(reason) if number < tries => reason,
            Verdict::Retry(reason) => {
                return Err(Error::msg(format!("{reason} (tried {tries} times)")));
            }
            Verdict::Veto(reason) => return Err(Error::msg(reason)),
            other => return Err(Error::msg(format!("it has an unknown verdict: {other:?}"))),
        };
        tracing::warn!("hook {hook} asks for a retry: {reason}");
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}
