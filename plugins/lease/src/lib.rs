#![doc = include_str!("../README.md")]

mod acquire;
mod clock;
mod error;
mod held;
mod object;
mod record;

#[cfg(test)]
mod tests;

pub use self::{
    acquire::{Terms, acquire},
    error::is_held,
    held::Lease,
    object::{Holder, holder},
};
