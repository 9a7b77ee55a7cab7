//! The Hayloft backup program, as a library.
