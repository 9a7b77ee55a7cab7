//! Paths as people see them.

pub(crate) use hayloft_plugin_api::text::one_line as shown;

/// Returns a member's path on one line, absolute.
pub(crate) fn absolute(path: &[u8]) -> String {
    format!("/{}", shown(path))
}
