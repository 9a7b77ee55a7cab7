//! The program writes staged days to discs: the command lines for real drives,
//! and real images in files.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "disc/bench.rs"]
mod bench;
#[path = "disc/calls.rs"]
mod calls;
#[path = "disc/faults.rs"]
mod faults;
#[path = "disc/images.rs"]
mod images;
#[path = "disc/span.rs"]
mod span;
