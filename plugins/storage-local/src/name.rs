//! How the segments of keys are called on disk.
//!
//! As they are, with one exception: what begins like the staging directory
//! (`.hayloft-staging`) gets its first character written as `%2E`. For the
//! way back to be clear, what looks like the result of that gets its `%`
//! written as `%25`.

use std::borrow::Cow;

/// The directory below the root for files that are being written.
pub(crate) const STAGING: &str = ".hayloft-staging";

/// Returns a segment's name on disk.
pub(crate) fn on_disk(segment: &str) -> Cow<'_, str> {
    if segment.starts_with(STAGING) {
        Cow::Owned(format!("%2E{}", &segment[1..]))
    } else if is_escaped(segment) {
        Cow::Owned(format!("%25{}", &segment[1..]))
    } else {
        Cow::Borrowed(segment)
    }
}

/// Returns the segment that has this name on disk; `None` if it is none.
pub(crate) fn from_disk(name: &str) -> Option<Cow<'_, str>> {
    let is_key = !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
    if !is_key || name.starts_with(STAGING) {
        return None;
    }
    if !is_escaped(name) {
        return Some(Cow::Borrowed(name));
    }
    Some(Cow::Owned(match name.strip_prefix("%25") {
        Some(rest) => format!("%{rest}"),
        None => format!(".{}", &name[3..]),
    }))
}

/// Tells whether it is `%2Ehayloft-staging…`, `%252Ehayloft-staging…` and so
/// on.
fn is_escaped(name: &str) -> bool {
    name.strip_prefix('%')
        .map(|rest| rest.trim_start_matches("25"))
        .and_then(|rest| rest.strip_prefix("2E"))
        .is_some_and(|rest| rest.starts_with(&STAGING[1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_could_be_mistaken_is_escaped() {
        let cases = [
            ("base", "base"),
            (".hidden", ".hidden"),
            ("x.tmp", "x.tmp"),
            ("50%", "50%"),
            ("%2E", "%2E"),
            (".hayloft-staging", "%2Ehayloft-staging"),
            (".hayloft-staging-old", "%2Ehayloft-staging-old"),
            ("%2Ehayloft-staging", "%252Ehayloft-staging"),
            ("%252Ehayloft-staging", "%25252Ehayloft-staging"),
        ];
        for (segment, name) in cases {
            assert_eq!(on_disk(segment), name);
            assert_eq!(from_disk(name).as_deref(), Some(segment));
        }
    }

    #[test]
    fn what_is_no_key_is_not_shown() {
        for name in [".", "..", "a\nb", STAGING, ".hayloft-staging-1"] {
            assert_eq!(from_disk(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_segment_is_found_again(
            start in "(%25|%2E|%|\\.|25|2E)*",
            middle in "(hayloft-staging)?",
            end in "[a-z%.0-9]{0,9}",
        ) {
            let segment = format!("{start}{middle}{end}");
            prop_assume!(!matches!(segment.as_str(), "" | "." | ".."));
            let name = on_disk(&segment).into_owned();
            prop_assert!(!name.starts_with(STAGING));
            prop_assert_eq!(from_disk(&name).unwrap(), segment);
        }
    }
}
