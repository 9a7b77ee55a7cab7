//! From archives back to files: which archives a day's state is in, what
//! belongs to it, and how it is written.

mod apply;
mod beneath;
mod chain;
mod extract;
mod index;
mod plan;
mod tree;

pub use self::{
    beneath::Beneath,
    chain::{Chain, Head, Legacy, chain},
    extract::{ExtractError, Extracted, Extraction, Open, extract},
    index::{Index, Member},
    plan::{Conflict, Plan, Planned, Target, outermost, parent, plan},
    tree::{Lost, Place, Tree},
};
