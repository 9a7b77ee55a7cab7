//! What an item leaves out, by path and by pattern.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    cedar::{EffectiveItem, Pattern},
};

use crate::{archive::clean, shown::shown};

/// What an item leaves out.
#[derive(Debug)]
pub(super) struct Exclusions {
    /// Without the leading `/`.
    paths: HashSet<Vec<u8>>,
    patterns: Vec<Pattern>,
    complained: AtomicBool,
}

impl Exclusions {
    pub(super) fn new(item: &EffectiveItem) -> Result<Self> {
        let pattern = |text: &String| {
            Pattern::exclusion(text).map_err(|e| {
                let message = format!("the pattern `{text}` of {} cannot be used", item.path);
                Error::new(ErrorKind::CONFIGURATION, format!("{message}: {e}"))
                    .hint("it is put between `^` and `$`; write flags as `(?i:…)`")
            })
        };
        Ok(Self {
            paths: item.exclude_paths.iter().filter_map(|it| clean(it.as_bytes())).collect(),
            patterns: item.exclude_patterns.iter().map(pattern).collect::<Result<_>>()?,
            complained: AtomicBool::new(false),
        })
    }

    /// Tells whether an absolute path is left out.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        let member = path.strip_prefix(b"/").unwrap_or(path);
        if self.paths.contains(member) {
            return true;
        }
        if self.patterns.is_empty() {
            return false;
        }
        let text = String::from_utf8_lossy(path);
        self.patterns.iter().any(|it| {
            it.is_match(&text).unwrap_or_else(|e| {
                // Too much is better than too little; and once is enough.
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!("a pattern gave up on {}, which is kept: {e}", shown(path));
                }
                false
            })
        })
    }
}
