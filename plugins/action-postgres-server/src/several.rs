//! The same for several servers, at the same time.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Host, Result};

use crate::config::Server;

/// How often the user's wish to end is looked for.
const TICK: Duration = Duration::from_millis(50);
/// What a server may need beyond its time to say that it ran out.
const GRACE: Duration = Duration::from_millis(500);

/// Does `work` for each server, with what is prepared for it, in a thread of
/// its own, and returns what came of each in the same order; `None` for one
/// that did not end in its time.
///
/// # Errors
///
/// If the user wants an end.
pub(crate) fn for_each<I: Send + 'static, T: Send + 'static>(
    host: &Host,
    servers: &[&Server],
    prepared: Vec<I>,
    work: impl Fn(&Server, I) -> T + Send + Sync + 'static,
) -> Result<Vec<Option<T>>> {
    let work = Arc::new(work);
    let began = Instant::now();
    let (tell, told) = mpsc::channel();
    for (i, (server, input)) in servers.iter().zip(prepared).enumerate() {
        let (tell, work, server) = (tell.clone(), Arc::clone(&work), (*server).clone());
        thread::Builder::new().name(format!("server {}", server.name)).spawn(move || {
            // Nobody waits for it any more if this fails.
            drop(tell.send((i, work(&server, input))));
        })?;
    }
    let mut done: Vec<Option<T>> = servers.iter().map(|_| None).collect();
    let is_late = |server: &Server| began.elapsed() > server.check_timeout() + GRACE;
    loop {
        let mut waiting = done.iter().zip(servers).filter(|(it, _)| it.is_none());
        if waiting.all(|(_, server)| is_late(server)) {
            return Ok(done);
        }
        host.check_cancelled()?;
        if let Ok((i, result)) = told.recv_timeout(TICK) {
            done[i] = Some(result);
        }
    }
}
