//! The threads that talk to stores. The boundary to the host is synchronous;
//! its threads wait here.

use std::{future::Future, io, sync::OnceLock};

use hayloft_plugin_api::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Enough to keep two cores busy with checksums and encryption.
const THREADS: usize = 2;

/// Returns the threads of all storages of this process.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("object-store")
            .enable_all()
            .build()
    });
    made.as_ref().map_err(|e| Error::msg(format!("cannot start threads: {e}")))
}

/// Waits in a thread of the host's for what happens in ours.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    Ok(runtime()?.block_on(future))
}
