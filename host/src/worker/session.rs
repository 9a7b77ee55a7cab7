//! Ends everything that a worker has started.

use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

/// Kills every process of a session.
///
/// A worker leads a session of its own, so this reaches programs that it
/// started in other process groups too. A process may appear while we look;
/// looking again until there is none catches it.
pub(super) fn kill(leader: u32) {
    const MOST_ROUNDS: usize = 20;
    for _ in 0..MOST_ROUNDS {
        let members = members(leader).unwrap_or_default();
        if members.is_empty() {
            return;
        }
        for member in members {
            if let Some(member) = Pid::from_raw(member)
                && let Err(error) = kill_process(member, Signal::KILL)
            {
                tracing::debug!(%error, "a process of a worker ended by itself");
            }
        }
    }
}

fn members(leader: u32) -> io::Result<Vec<i32>> {
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        // It may be gone by now.
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        if session_of(&stat) == Some((leader, false)) {
            members.push(process);
        }
    }
    Ok(members)
}

/// Returns the session of a process, and whether it is dead already, from
/// `/proc/PID/stat` (proc(5)): the name in parentheses may hold anything.
fn session_of(stat: &str) -> Option<(u32, bool)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let dead = matches!(fields.next()?, "Z" | "X");
    let session = fields.nth(2)?.parse().ok()?;
    Some((session, dead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_behind_any_name() {
        let cases = [
            ("12 (cat) S 1 12 34 0 -1", Some((34, false))),
            ("12 (a) Z 1 2 3 (b) R 1 12 35 0 -1", Some((35, false))),
            ("12 (cat) Z 1 12 34 0", Some((34, true))),
            ("12", None),
        ];
        for (stat, session) in cases {
            assert_eq!(session_of(stat), session, "{stat}");
        }
    }
}
