//! Runs things: one task in a worker, or the actions of a run.

mod plan;
mod run;
mod task;

pub(crate) use self::task::{request, run_task};
pub use self::{
    plan::{Step, plan},
    run::{RunOptions, run},
    task::{TaskEnd, attempt},
};
