//! Which files in the collect directory are ours, so that none of them is
//! staged day after day.

use std::{collections::BTreeSet, fs, io, path::Path};

use hayloft_plugin_api::{Error, Host, Result};

const KEY: &str = "collect-outputs";

/// The names of our archives in the collect directory.
#[derive(Debug)]
pub(super) struct Outputs {
    names: BTreeSet<String>,
}

impl Outputs {
    pub(super) fn load(host: &Host) -> Result<Self> {
        let data = host.state().get(KEY)?.unwrap_or_else(|| b"[]".to_vec());
        // It can be made anew; what was in it stays where it is.
        let names = serde_json::from_slice(&data).unwrap_or_else(|e| {
            tracing::warn!("the list of archives in the collect directory is damaged: {e}");
            BTreeSet::new()
        });
        Ok(Self { names })
    }

    fn save(&self, host: &Host) -> Result<()> {
        host.state().put(KEY, &serde_json::to_vec(&self.names)?)
    }

    /// Remembers that there will be an archive of that name.
    pub(super) fn add(&mut self, host: &Host, name: &str) -> Result<()> {
        if self.names.insert(name.to_owned()) { self.save(host) } else { Ok(()) }
    }

    /// Removes what was staged and not made anew.
    pub(super) fn clean_up(
        &mut self,
        host: &Host,
        collect_dir: &Path,
        staged: bool,
        produced: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let stale: Vec<_> =
            self.names.iter().filter(|it| staged && !produced(it)).cloned().collect();
        if stale.is_empty() {
            return Ok(());
        }
        for name in stale {
            let path = collect_dir.join(&name);
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, which is staged", path.display()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    let message = format!("cannot remove {}, which is staged", path.display());
                    return Err(Error::from(e).context(message));
                }
            }
            self.names.remove(&name);
        }
        self.save(host)
    }
}
