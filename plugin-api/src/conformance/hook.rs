//! What hooks must do.

use std::thread;

use super::report::{Checks, Explain, Verdict, ensure};
use crate::{
    Event, Verdict as Answer,
    abi::HookBox,
    error::{ErrorKind, Result},
    shim::client,
};

/// An event that no host of today has.
const UNKNOWN: &str = "post_something_of_a_later_release";

pub(super) fn check(checks: &mut Checks<'_>, hook: &HookBox) {
    checks.check("an unknown event goes on", || unknown(hook));
    checks.check("an event that is no event is an error", || nonsense(hook));
    checks.check("eight events at once", || {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| unknown(hook))).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
            })
        })
    });
}

fn tell(hook: &HookBox, event: &Event) -> Result<Answer> {
    let event = client::to_json(event)?;
    client::from_json(&client::plain(hook.on_event(event.as_str().into()))?)
}

fn unknown(hook: &HookBox) -> Verdict {
    let bare = Event::new(UNKNOWN);
    let full = bare.clone().field("path", "/a b/ü\n").field("", "").field("outcome", "good");
    for event in [bare, full] {
        let answer = tell(hook, &event).explain(&format!("telling of {UNKNOWN}"))?;
        ensure(answer == Answer::Continue, || format!("it says {answer:?} to {UNKNOWN}"))?;
    }
    Ok(())
}

fn nonsense(hook: &HookBox) -> Verdict {
    for text in ["", "nonsense", "{}", "[1]", "{\"name\": 7}", "{\"name\": \"x\", \"fields\": 1}"] {
        match client::plain(hook.on_event(text.into())) {
            Err(error) if error.kind() == ErrorKind::PANIC => return Err(error.to_string()),
            Err(_) => {}
            Ok(answer) => return Err(format!("it says {answer} to {text:?}")),
        }
    }
    Ok(())
}
