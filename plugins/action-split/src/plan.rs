//! Which files are split, and into which parts.

use std::path::Path;

use hayloft_plugin_api::{Diagnostic, Error, Result, cedar};
use hayloft_staging::parts::SUFFIX;
use thiserror::Error as ThisError;

/// The numbers of parts have five digits.
pub(crate) const MOST_PARTS: u64 = 100_000;
/// The longest name that Linux knows, in bytes.
const LONGEST_NAME: usize = 255;

/// When files are split, and into what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sizes {
    /// Files above this many bytes are split.
    pub(crate) limit: f64,
    /// How many bytes a part has; the last one may have fewer.
    pub(crate) part: u64,
}

/// Why a file cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub(crate) enum PlanError {
    #[error("it would have {parts} parts, and there are numbers for {MOST_PARTS}")]
    TooManyParts { parts: u64 },
    #[error("the names of its parts would be longer than {LONGEST_NAME} bytes")]
    NameTooLong,
}

impl Sizes {
    /// Reads the section.
    ///
    /// # Errors
    ///
    /// If parts would have no bytes: Cedar Backup lets that pass until it
    /// splits.
    pub(crate) fn new(section: &cedar::Split) -> Result<Self> {
        let wrong = |position, message: String, help: &str| {
            let found = Diagnostic::error(position, "split/split_size", message).help(help);
            Error::configuration(vec![found])
        };
        let (Some(limit), Some(part)) = (&section.size_limit, &section.split_size) else {
            let position = section.place.position;
            return Err(wrong(position, "a size is missing".to_owned(), "give both sizes"));
        };
        if part.whole() == 0 {
            let message = format!("parts of {} {} have no bytes", part.quantity, part.units);
            return Err(wrong(part.position, message, "give a size such as `600 MB`"));
        }
        Ok(Self { limit: limit.bytes, part: part.whole() })
    }

    /// Tells whether a file of that size is split.
    pub(crate) fn is_large(&self, size: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "limits are decimal fractions")]
        let size = size as f64;
        size > self.limit
    }

    /// Returns into how many parts a file is split.
    pub(crate) fn count(&self, path: &Path, size: u64) -> Result<u32, PlanError> {
        let parts = size.div_ceil(self.part).max(1);
        if parts > MOST_PARTS {
            return Err(PlanError::TooManyParts { parts });
        }
        if path.file_name().is_some_and(|it| it.len() + SUFFIX > LONGEST_NAME) {
            return Err(PlanError::NameTooLong);
        }
        u32::try_from(parts).map_err(|_| PlanError::TooManyParts { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_as_many_parts_as_it_needs() {
        let cases = [
            // size, size of parts, parts
            (10, 5, Ok(2)),
            (11, 5, Ok(3)),
            (4, 5, Ok(1)),
            (0, 5, Ok(1)),
            (100_000, 1, Ok(100_000)),
            (100_001, 1, Err(PlanError::TooManyParts { parts: 100_001 })),
            (u64::MAX, u64::MAX, Ok(1)),
        ];
        for (size, part, expected) in cases {
            let sizes = Sizes { limit: 0.0, part };
            assert_eq!(sizes.count(Path::new("/a/b"), size), expected, "{size}/{part}");
        }
    }

    #[test]
    fn long_names_are_refused() {
        let sizes = Sizes { limit: 0.0, part: 1 };
        let of = |length: usize| sizes.count(&Path::new("/a").join("x".repeat(length)), 1);
        assert_eq!((of(249), of(250)), (Ok(1), Err(PlanError::NameTooLong)));
    }

    #[test]
    fn only_above_the_limit() {
        let sizes = |limit| Sizes { limit, part: 1 };
        assert!(!sizes(10.0).is_large(10) && sizes(10.0).is_large(11) && sizes(10.5).is_large(11));
        assert!(!sizes(f64::INFINITY).is_large(u64::MAX) && !sizes(f64::NAN).is_large(1));
    }
}
