//! Runs things: one task in a worker, or the actions of a run.

mod plan;
mod run;
mod task;

pub use self::{
    plan::{PlanError, Step, plan},
    run::{RunOptions, run},
    task::{TaskEnd, attempt},
};
pub(crate) use self::task::{request, run_task};
