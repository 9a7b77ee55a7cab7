//! The Hayloft backup program, as a library.
pub mod clock;
pub mod failure;
pub mod lock;
pub mod log;
pub mod plugins;
pub mod services;
pub mod worker;
