//! Runs things: one task in a worker, or the actions of a run.

mod plan;
mod run;
mod task;

pub use self::{
    plan::{Step, plan},
    run::RunOptions,
    task::TaskEnd,
};
pub(crate) use self::{
    run::run,
    task::{attempt, request, run_task},
};
