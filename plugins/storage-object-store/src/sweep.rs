//! Removes what a run that crashed has left half sent.

use std::{
    collections::HashSet,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Leftover, Sweep};
use object_store::path::Path;

use crate::{
    core::{Core, RESERVED},
    failure::Failure,
    remote::LeftOver,
};

/// How long somebody waits for left-overs to be removed.
const LONGEST: Duration = Duration::from_secs(30);

/// Sweeps a place before something large is sent, once in a process. Whatever
/// does not work is not what the caller is about.
pub(crate) async fn once(core: &Core) {
    static SWEPT: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    let place = format!("{} {}", core.remote.name(), core.prefix());
    let swept = SWEPT.get_or_init(Mutex::default);
    if !swept.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
        return;
    }
    let request = Sweep { older_than_s: core.abandoned_after.as_secs(), dry_run: false };
    match tokio::time::timeout(LONGEST, sweep(core, &request)).await {
        Ok(Ok(found)) => found.iter().for_each(|it| {
            tracing::info!("removed what a run that ended early had sent of {}", it.name);
        }),
        // Whoever may not list uploads may still put objects.
        Ok(Err(failure)) => {
            tracing::debug!("{}: left-overs stay: {failure}", core.remote.name());
        }
        Err(_) => tracing::debug!("{}: left-overs take too long", core.remote.name()),
    }
}

/// Gives up uploads below our prefix, and removes objects of ours that nobody
/// sees, that are older than the limit. Returns them.
pub(crate) async fn sweep(core: &Core, request: &Sweep) -> Result<Vec<Leftover>, Failure> {
    let limit = Duration::from_secs(request.older_than_s);
    let mut found = Vec::new();
    let mut note = |path: &str, begun_ns: i64| {
        let name = path.strip_prefix(core.prefix()).unwrap_or(path).to_owned();
        found.push(Leftover { name, begun_ns, size: None });
    };
    let mut goes_on = core.remote.leaves_uploads();
    let mut after = None;
    while goes_on {
        let page = core.ask(|| core.remote.left_overs(core.prefix(), after.as_ref())).await?;
        let old = |it: &&LeftOver| it.age > limit && it.path.starts_with(core.prefix());
        for it in page.uploads.iter().filter(old) {
            if !request.dry_run {
                core.give_up(&parsed(&it.path)?, &it.upload).await?;
            }
            note(&it.path, it.begun_ns);
        }
        // One that begins again and again would never end.
        goes_on = page.next.is_some() && page.next != after;
        after = page.next;
    }
    sweep_reserved(core, limit, request.dry_run, note).await?;
    Ok(found)
}

/// Removes objects of ours that nobody sees.
async fn sweep_reserved(
    core: &Core,
    limit: Duration,
    dry_run: bool,
    mut note: impl FnMut(&str, i64),
) -> Result<(), Failure> {
    let reserved = format!("{}{RESERVED}/", core.prefix());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut after = String::new();
    loop {
        let page = core.ask(|| core.remote.page(&reserved, &after, 1000)).await?;
        let Some(last) = page.objects.last().map(|it| it.path.clone()) else { return Ok(()) };
        for it in page.objects {
            let then = Duration::from_nanos(u64::try_from(it.modified_ns).unwrap_or(0));
            if !then.is_zero() && now.saturating_sub(then) > limit {
                if !dry_run {
                    core.remove(&parsed(&it.path)?).await?;
                }
                note(&it.path, it.modified_ns);
            }
        }
        if !page.more || last <= after {
            return Ok(());
        }
        after = last;
    }
}

fn parsed(path: &str) -> Result<Path, Failure> {
    Path::parse(path).map_err(|e| Failure::Nonsense(e.to_string()))
}
