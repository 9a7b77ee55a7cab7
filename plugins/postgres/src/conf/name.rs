//! Names of parameters.

use super::token::is_identifier;

/// Old names that the server still takes for new ones.
const ALIASES: [(&str, &str); 3] = [
    ("sort_mem", "work_mem"),
    ("vacuum_mem", "maintenance_work_mem"),
    // From 18 on.
    ("ssl_ecdh_curve", "ssl_groups"),
];

/// Returns the name under which a parameter is known: small letters, and the
/// new name of one that was renamed. Only ASCII letters have a case here.
pub fn canonical_name(name: impl AsRef<[u8]>) -> Vec<u8> {
    let lower = name.as_ref().to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(old, _)| old.as_bytes() == lower);
    alias.map_or(lower, |(_, new)| new.as_bytes().to_vec())
}

/// Tells whether a name can stand in a file: an identifier, or two with a dot
/// in between.
pub(super) fn is_settable(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |it| *it == b'.');
    parts.all(is_identifier) && super::line::IncludeKind::of(name).is_none()
}
