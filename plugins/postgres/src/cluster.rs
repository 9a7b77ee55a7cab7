//! Clusters: data directories and the servers that run on them.
//!
//! [`probe`] finds out what a directory is and whether its server runs, and
//! everything else goes by that: nothing is signalled, replaced or removed
//! because of a number in a file.
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//! use hayloft_postgres::cluster::{self, Patience, StartOptions, StopOptions};
//!
//! let data = Path::new("/srv/postgres/data");
//! let patience = Patience::of(Duration::from_secs(60));
//! let started = cluster::start(data, &StartOptions::default(), &patience)?;
//! assert!(started.server.phase.accepts());
//! cluster::stop(data, &StopOptions::default(), &patience)?;
//! # Ok::<(), cluster::ClusterError>(())
//! ```
//!
//! PostgreSQL's programs run under the owner of the data directory; root
//! becomes that user for them. Linux only, for `/proc` and pidfds.

mod account;
mod control_file;
mod directory;
mod error;
mod handshake;
mod init;
mod log;
mod manager;
mod nest;
mod networks;
mod pid_file;
mod probe;
mod process;
mod programs;
mod promote;
mod reload;
mod remove;
mod restart;
mod small_file;
mod stale;
mod stale_reason;
mod start;
mod stop;
mod systemd;
mod tree;
mod unfinished;
mod wait;

pub use self::{
    account::Account,
    control_file::{ClusterState, ControlFile, ControlFileError},
    directory::{DataDirectory, Directory},
    error::ClusterError,
    init::{
        Ensured, InitOptions, InitPlan, Initialised, LocaleProvider, ensure, init, init_plan,
        init_show, init_sync,
    },
    manager::{DEBIAN_ROOT, Manager, ManagerAction, data_directory, debian_cluster},
    networks::can_leave_networks,
    pid_file::{PidFile, PidFileContent, StatusLine},
    probe::{Phase, RunningServer, Stale, State, probe},
    programs::{Programs, Search},
    promote::{Promoted, promote},
    reload::{Proof, ReloadOptions, Reloaded, reload, reload_check},
    remove::{Confirmation, DropPlan, drop_cluster, drop_plan},
    restart::restart,
    stale_reason::StaleReason,
    start::{Condition, DEFAULT_LOG, StartOptions, Started, await_condition, start},
    stop::{StopMode, StopOptions, Stopped, await_end, stop, stop_server},
    systemd::{systemd_show, systemd_unit},
    unfinished::{UnfinishedDrop, finish_drop, unfinished_drops},
    wait::Patience,
};
