//! A Hayloft plugin.
