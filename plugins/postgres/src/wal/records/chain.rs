//! Segments one behind the other: whether each continues the one before.

use super::{DamageReason, WalDamage, Walked, record::Open};
use crate::wal::Lsn;

/// Segments that were walked through, in the order of the log.
///
/// A record that begins in one segment and ends in another is checked here.
/// Where segments do not touch, what comes behind is taken as it is.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// Where the next segment begins, if anything is known.
    next: Option<Lsn>,
    /// The record that the last segment has begun.
    tail: Option<Open>,
    /// Where the last whole record begins.
    last: Option<Lsn>,
}

impl Chain {
    /// Begins without a segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next segment.
    ///
    /// # Errors
    ///
    /// [`WalDamage`] if it does not continue the one before: one of the two is
    /// damaged, or of another server. The next one is then taken as it is.
    pub fn follow(&mut self, walked: &Walked) -> Result<(), WalDamage> {
        let before = std::mem::take(self);
        let touches = before.next == Some(walked.start);
        let joined = if touches { before.join(walked)? } else { Self::default() };
        if walked.ended.is_some() {
            return Ok(());
        }
        self.next = Some(walked.end);
        self.tail = walked.tail.clone().or(joined.tail);
        self.last = walked.last.or(joined.last);
        Ok(())
    }

    /// Ends the record that the segments before have begun, and looks at the
    /// first that the segment begins.
    fn join(self, walked: &Walked) -> Result<Self, WalDamage> {
        let damage = |position, reason| WalDamage { position, reason };
        let not_continued = damage(walked.start, DamageReason::NotContinued);
        let mut last = self.last;
        match (self.tail, &walked.rest) {
            (None, None) => {}
            (Some(_), None) if walked.overwrites || walked.ended.is_some() => {}
            (Some(tail), Some(rest)) if tail.left == rest.total() => {
                let mut open = tail;
                let had_header = open.has_header();
                open.join(rest);
                if rest.lost {
                    return Self { last, ..Self::default() }.check_first(walked);
                }
                if open.left > 0 {
                    return Ok(Self { tail: Some(open), last, next: None });
                }
                let found = open.previous(walked.order);
                if let Some(expected) = last.filter(|it| !had_header && *it != found) {
                    let reason = DamageReason::Previous { expected, found };
                    return Err(damage(open.start, reason));
                }
                if !open.is_right(walked.order) {
                    return Err(damage(open.start, DamageReason::Checksum));
                }
                last = Some(open.start);
            }
            _ => return Err(not_continued),
        }
        Self { last, ..Self::default() }.check_first(walked)
    }

    fn check_first(self, walked: &Walked) -> Result<Self, WalDamage> {
        match (walked.first, self.last) {
            (Some((position, found)), Some(expected)) if found != expected => {
                let reason = DamageReason::Previous { expected, found };
                Err(WalDamage { position, reason })
            }
            _ => Ok(self),
        }
    }
}
