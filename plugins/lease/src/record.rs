//! What is written in a lease's object.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The form that is written here. Another one is not understood.
const FORM: u32 = 1;

/// The content of the object. No two that are written are the same: the
/// token is its writer's own, and `beat` counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    lease: u32,
    /// For people: who has it.
    pub(crate) holder: String,
    /// Drawn by lot for each acquisition.
    pub(crate) token: String,
    /// Greater for each holder than for those before.
    pub(crate) term: u64,
    /// How often it was renewed.
    pub(crate) beat: u64,
    /// How long it lasts from its renewal, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// Whether it was given back.
    #[serde(default)]
    pub(crate) released: bool,
}

impl Record {
    pub(crate) fn new(holder: &str, term: u64, ttl: Duration) -> Self {
        Self {
            lease: FORM,
            holder: holder.to_owned(),
            token: format!("{:032x}", rand::random::<u128>()),
            term,
            beat: 0,
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            released: false,
        }
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// Returns the next one of the same holder.
    pub(crate) fn next(&self) -> Self {
        Self { beat: self.beat + 1, ..self.clone() }
    }

    /// Says that the holder needs it no more.
    pub(crate) fn given_back(self) -> Self {
        Self { released: true, ..self }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // A structure of text and numbers always has a form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what another one has written; `None` if it cannot be one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|it: &Self| it.lease == FORM && it.ttl_ms > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_lease_is_not_read_as_one() {
        let good = Record::new("box", 7, Duration::from_mins(1));
        let text = String::from_utf8(good.to_bytes()).unwrap();
        let cases = [
            (text.clone(), true),
            (text.replace("\"lease\":1", "\"lease\":2"), false),
            (text.replace("\"ttl_ms\":60000", "\"ttl_ms\":0"), false),
            (text.replace("\"term\":7", "\"term\":-7"), false),
            (text.replace(",\"released\":false", ""), true),
            (text.replace('}', ",\"colour\":1}"), true),
            (text[..text.len() - 1].to_owned(), false),
            (String::new(), false),
        ];
        for (text, is_one) in cases {
            let read = Record::from_bytes(text.as_bytes());
            assert_eq!(read, is_one.then(|| good.clone()), "{text}");
        }
    }
}
