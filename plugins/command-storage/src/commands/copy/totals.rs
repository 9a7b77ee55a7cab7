//! What a copy has done.

use std::sync::{Mutex, PoisonError};

use hayloft_plugin_api::{
    Error, ErrorKind, Host, Result,
    text::{one_line, size},
};
use serde_json::json;

use super::{object::Done, pairs::Pair};
use crate::shown::objects;

/// How many that are not as they should be are named.
const NAMED: usize = 100;

pub(super) struct Totals<'a> {
    host: &'a Host,
    json: bool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    copied: u64,
    size: u64,
    same: u64,
    would: u64,
    would_size: u64,
    other: u64,
    failed: u64,
    /// Keys in the target that have other content.
    others: Vec<String>,
    /// Keys that could not be copied, and why.
    errors: Vec<(String, Error)>,
}

impl<'a> Totals<'a> {
    pub(super) fn new(host: &'a Host, json: bool) -> Self {
        Self { host, json, counts: Mutex::default() }
    }

    pub(super) fn add(&self, pair: &Pair, done: Result<Done>) {
        let mut it = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(Done::Copied(size)) => {
                it.copied += 1;
                it.size += size;
            }
            Ok(Done::Same) => it.same += 1,
            Ok(Done::Would) => {
                it.would += 1;
                it.would_size += pair.object.size;
            }
            Ok(Done::Other) => {
                it.other += 1;
                if it.others.len() < NAMED {
                    it.others.push(pair.to.clone());
                }
            }
            Err(error) => {
                it.failed += 1;
                if it.errors.len() < NAMED {
                    it.errors.push((pair.object.key.clone(), error));
                }
            }
        }
    }

    /// Tells whether everything is in the target.
    pub(super) fn is_good(&self) -> bool {
        let it = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        it.other == 0 && it.failed == 0
    }

    /// Says what was done; `after` is where it began.
    pub(super) fn report(self, after: Option<&str>) -> Result<u8> {
        let counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let text = if self.json { counts.json(after) } else { counts.text(after) };
        self.host.print(format!("{text}\n"))?;
        for key in &counts.others {
            tracing::error!("{}: other content is there; --replace replaces it", one_line(key));
        }
        for (key, error) in &counts.errors {
            tracing::error!("{}: {error}", one_line(key));
        }
        match counts.errors.iter().find(|(_, error)| error.kind() == ErrorKind::CANCELLED) {
            Some((_, error)) => Err(error.clone()),
            None if counts.other + counts.failed == 0 => Ok(0),
            None => Err(Error::msg(format!(
                "{} could not be copied",
                objects(counts.other + counts.failed)
            ))),
        }
    }
}

impl Counts {
    fn text(&self, after: Option<&str>) -> String {
        let mut parts = Vec::new();
        if self.would > 0 {
            let what = objects(self.would);
            parts.push(format!("would copy or compare {what}, {}", size(self.would_size)));
        } else {
            parts.push(format!("copied {}, {}", objects(self.copied), size(self.size)));
        }
        if self.same > 0 {
            parts.push(format!("{} there already", objects(self.same)));
        }
        if self.other > 0 {
            parts.push(format!("{} with other content", objects(self.other)));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", objects(self.failed)));
        }
        if let Some(after) = after {
            parts.push(format!("going on behind {}", one_line(after)));
        }
        parts.join("; ")
    }

    fn json(&self, after: Option<&str>) -> String {
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|(key, error)| json!({"key": key, "error": error.to_string()}))
            .collect();
        json!({
            "copied": self.copied, "size": self.size, "same": self.same, "would": self.would,
            "different": self.other, "different_keys": self.others,
            "failed": self.failed, "errors": errors, "went_on_after": after,
        })
        .to_string()
    }
}
