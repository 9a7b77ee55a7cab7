//! What every action needs that writes the standard output of a program into
//! a file of the collect directory.
//!
//! A [`Destination`] is the collect directory and a compressor. [`stream()`]
//! starts a program, moves what it writes through the compressor into a file
//! that appears only when it is whole and durable, and looks at the end of
//! both. [`each`] does several at once, [`Retry`] tries again what may work a
//! moment later, and [`sum_up`] turns what came of them into one result.
//! [`Scratch`] is a private directory for passwords, [`encode`] makes file
//! names of names that may contain anything, and [`Meaning`] tells what the
//! messages of programs mean.

mod arguments;
mod destination;
mod failure;
mod names;
mod older;
mod parallel;
mod pump;
mod retry;
mod scratch;
mod staged;
mod stream;
mod summary;
mod untrusted;
mod watch;

pub use self::{
    arguments::OwnOptions,
    destination::Destination,
    failure::{Meaning, Meanings, means},
    names::encode,
    parallel::{default_number, each},
    pump::{Sink, pump},
    retry::{Patience, Retry},
    scratch::Scratch,
    staged::Staged,
    stream::{Attempt, Started, Transferred, stream, transfer, unfinished},
    summary::{Made, Total, sum_up},
    untrusted::{open_regular, read_small},
    watch::Watch,
};
