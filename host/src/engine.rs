//! Runs things: one task in a worker, or the actions of a run.

pub mod managed;
mod plan;
mod run;
mod task;

pub(crate) use self::{
    plan::{ALL, Planner, plugin_action},
    run::run,
    task::{attempt, job, request, request_without_options, run_task},
};
pub use self::{
    plan::{Reach, Step, Work, plan},
    run::{Manner, RunOptions},
    task::TaskEnd,
};
