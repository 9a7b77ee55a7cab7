//! Which timelines an archive has, and which comes from which.

use std::collections::{BTreeMap, BTreeSet};

use hayloft_plugin_api::Result;
use hayloft_postgres::wal::{FileName, History, TimelineId};

use super::{Archive, place, retry::patiently, target::Target};

/// How many digits the number of a timeline has in a name.
const DIGITS: usize = 8;

impl Archive<'_> {
    /// Returns each timeline of which there is anything, with those that it
    /// comes from, itself among them; nothing for one whose history is not
    /// there or cannot be read.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell.
    pub(crate) fn branches(&self) -> Result<BTreeMap<TimelineId, Option<BTreeSet<TimelineId>>>> {
        let mut timelines = BTreeSet::new();
        for target in &self.targets {
            self.timelines_in(target, &mut timelines)?;
        }
        Ok(timelines.into_iter().map(|it| (it, self.line(it))).collect())
    }

    /// Asks for one object of each timeline.
    fn timelines_in(&self, target: &Target, found: &mut BTreeSet<TimelineId>) -> Result<()> {
        let root = place::root(&self.server.name);
        let storage = target.storage(self.host)?;
        let mut after = String::new();
        loop {
            let page = patiently(|| storage.list(&root, &after, 1))
                .map_err(|e| target.failed("look into", e))?;
            let Some(object) = page.into_iter().next() else { return Ok(()) };
            let digits = object.key.get(root.len()..root.len() + DIGITS).unwrap_or_default();
            let timeline = u32::from_str_radix(digits, 16).ok().and_then(TimelineId::new);
            after = match timeline.filter(|_| digits.len() == DIGITS) {
                Some(timeline) => {
                    found.insert(timeline);
                    // Behind everything whose name begins so.
                    format!("{root}{digits}~")
                }
                None => object.key,
            };
        }
    }

    fn line(&self, timeline: TimelineId) -> Option<BTreeSet<TimelineId>> {
        if timeline == TimelineId::FIRST {
            return Some([timeline].into());
        }
        let copies = self.copies(FileName::History(timeline)).filter_map(Result::ok);
        for copy in copies {
            let mut content = Vec::new();
            if self.fetch(&copy, &mut content).is_ok()
                && let Ok(history) = History::parse(timeline, &content)
            {
                return Some(history.timelines().collect());
            }
        }
        tracing::info!("the history of timeline {timeline} cannot be read");
        None
    }
}
