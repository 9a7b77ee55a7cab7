//! The thread that drives all connections.

use std::{io, sync::OnceLock};

use tokio::runtime::{Builder, Handle, Runtime};

/// One for the process: it sleeps while nothing happens.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Returns the runtime, started when it is first needed.
pub(crate) fn handle() -> io::Result<&'static Handle> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_name("postgres")
        .enable_all()
        .build()?;
    // Another thread may have been faster; its runtime is the one then.
    Ok(RUNTIME.get_or_init(|| runtime).handle())
}
