//! Finds days that left the machine before they were encrypted.

use hayloft_plugin_api::Node;
use hayloft_staging::day::{STORED, UPLOADED};

use crate::encrypt::Pending;

/// How many days a warning names.
const NAMED: usize = 5;

/// Another action that takes staged files, and when it takes them in clear.
struct Taker {
    section: &'static str,
    /// What it leaves in a day that it took.
    indicator: &'static str,
    did: &'static str,
    /// Elements of its section by which it encrypts what it takes.
    encrypting: &'static [&'static str],
}

const TAKERS: [Taker; 2] = [
    Taker { section: "store", indicator: STORED, did: "stored", encrypting: &["encryptor"] },
    Taker {
        section: "amazons3",
        indicator: UPLOADED,
        did: "uploaded",
        encrypting: &["encrypt", "encryptor"],
    },
];

/// Says which days were stored or uploaded while they had plain files. Cedar
/// Backup's manual has encrypt behind store, and nothing tells of it there.
pub(crate) fn warnings(pending: &[Pending], root: &Node) -> Vec<String> {
    TAKERS.iter().filter_map(|it| it.warning(pending, root)).collect()
}

impl Taker {
    fn warning(&self, pending: &[Pending], root: &Node) -> Option<String> {
        if self.encrypts(root) {
            return None;
        }
        let taken: Vec<&str> = pending
            .iter()
            .filter(|it| it.files().next().is_some() && it.day.has(self.indicator))
            .map(|it| it.day.name.as_str())
            .collect();
        let Self { section, did, .. } = self;
        let verb = if taken.len() == 1 { "was" } else { "were" };
        let mut named = taken.get(..taken.len().min(NAMED))?.join(", ");
        if taken.len() > NAMED {
            named = format!("{named} and {} more", taken.len() - NAMED);
        }
        (!taken.is_empty()).then(|| {
            format!(
                "{named} {verb} {did} in clear, before encrypt ran: give encrypt a lower index \
                 than {section}, and remove what was {did}"
            )
        })
    }

    /// Tells whether the action encrypts what it takes.
    fn encrypts(&self, root: &Node) -> bool {
        let Some(section) = root.child(self.section) else { return false };
        self.encrypting.iter().filter_map(|it| section.child(it)).any(|it| {
            let text = it.first_text.trim();
            !text.is_empty() && text != "none"
        })
    }
}
