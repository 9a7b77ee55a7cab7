//! Processes and what they have started, as `/proc` shows them.
//!
//! A process group is not enough to reach a program: `su USER -c …` gives its
//! command a session of its own, and when it is told to end, it ends the shell
//! but not what the shell has started.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A living process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    id: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// When it was started; with that, no other process has the same number.
    started: u64,
}

impl Process {
    /// Reads `/proc/PID/stat` (proc(5)); there is nothing of one that is dead.
    fn read(id: i32) -> Option<Self> {
        Self::parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name in parentheses may hold anything.
    fn parse(id: i32, stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let started = fields.get(19)?.parse().ok()?;
        let (parent, group, session) = (number(1)?, number(2)?, number(3)?);
        Some(Self { id, parent, group, session, started })
    }

    /// Tells whether both are one process, whose parent may have ended.
    fn is(&self, other: &Self) -> bool {
        (self.id, self.started) == (other.id, other.started)
    }

    fn is_alive(&self) -> bool {
        Self::read(self.id).is_some_and(|it| it.started == self.started)
    }

    /// Sends a signal, unless it has ended.
    fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(id) = Pid::from_raw(self.id)
            && let Err(error) = kill_process(id, signal)
        {
            tracing::debug!(%error, process = self.id, "it ended by itself");
        }
    }
}

/// Some processes, with everything that they have started.
#[derive(Debug, Default)]
pub(crate) struct Family(Vec<Process>);

impl Family {
    /// Finds a process, its group, and what they have started.
    pub(crate) fn of_program(id: u32) -> Self {
        let Ok(id) = i32::try_from(id) else { return Self::default() };
        Self::find(&all(), |it| it.id == id || it.group == id, |_| true)
    }

    /// Kills a program, its group, and what they have started.
    ///
    /// Each is stopped first, until there is nobody left who could start
    /// another one while the last are killed. Otherwise what was just being
    /// started would lose its parent, and so never be found again. Who may not
    /// be stopped, and goes on starting others, does not hold this up for ever.
    pub(crate) fn kill_program(id: u32) {
        const MOST_ROUNDS: usize = 20;
        let mut stopped = Self::default();
        for _ in 0..MOST_ROUNDS {
            let mut fresh = Self::of_program(id);
            fresh.0.retain(|it| !stopped.0.iter().any(|other| other.is(it)));
            if fresh.is_empty() {
                break;
            }
            fresh.signal(Signal::STOP);
            stopped.0.extend(fresh.0);
        }
        stopped.signal(Signal::KILL);
    }

    /// Finds a session, and what its members have started elsewhere; what its
    /// leader has started there is on its own.
    pub(crate) fn of_session(leader: u32) -> Self {
        let Ok(leader) = i32::try_from(leader) else { return Self::default() };
        Self::find(&all(), |it| it.session == leader, |parent| parent != leader)
    }

    fn find(
        all: &[Process],
        first: impl Fn(&Process) -> bool,
        leads: impl Fn(i32) -> bool,
    ) -> Self {
        let mut found: Vec<Process> = all.iter().filter(|it| first(it)).copied().collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).map(|it| it.id) {
            next += 1;
            let children = all.iter().filter(|it| it.parent == parent && leads(parent));
            for child in children {
                if !found.contains(child) {
                    found.push(*child);
                }
            }
        }
        Self(found)
    }

    /// Leaves out one of them.
    pub(crate) fn without(mut self, id: u32) -> Self {
        self.0.retain(|it| u32::try_from(it.id) != Ok(id));
        self
    }

    /// Tells whether there was none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether one of them has not ended yet.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.iter().any(Process::is_alive)
    }

    /// Sends each of them a signal, but for those that have ended meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        self.0.iter().for_each(|it| it.signal(signal));
    }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|it| it.file_name().to_str()?.parse().ok());
    numbers.filter_map(Process::read).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_process_is_read_behind_any_name() {
        let rest = "1 12 34 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 1000";
        for (name, state, parsed) in
            [("cat", "S", true), ("a) Z 1 2 3 (b", "R", true), ("cat", "Z", false)]
        {
            let found = Process::parse(12, &format!("12 ({name}) {state} {rest}"));
            let expected = Process { id: 12, parent: 1, group: 12, session: 34, started: 777 };
            assert_eq!(found, parsed.then_some(expected), "{name}");
        }
        assert_eq!(Process::parse(12, "12"), None);
    }

    fn process(id: i32, parent: i32, group: i32, session: i32) -> Process {
        Process { id, parent, group, session, started: 0 }
    }

    #[test]
    fn what_left_a_session_is_found_by_its_parents() {
        let all = [
            process(1, 0, 1, 1),
            process(10, 1, 10, 10),
            // `su`, its shell in another session, and what that has started.
            process(11, 10, 11, 10),
            process(12, 11, 12, 12),
            process(13, 12, 12, 12),
            // The leader's own child that left.
            process(14, 10, 14, 14),
            // A member whose parent has ended.
            process(15, 1, 11, 10),
            process(20, 1, 20, 20),
        ];
        let ids = |family: Family| {
            let mut ids: Vec<i32> = family.0.iter().map(|it| it.id).collect();
            ids.sort_unstable();
            ids
        };
        let session = Family::find(&all, |it| it.session == 10, |parent| parent != 10);
        assert_eq!(ids(session), [10, 11, 12, 13, 15]);
        let program = Family::find(&all, |it| it.id == 11 || it.group == 11, |_| true);
        assert_eq!(ids(program.without(11)), [12, 13, 15]);
    }

    #[test]
    fn a_program_is_ended_with_what_it_has_started_in_another_session() {
        let script = "setsid --fork --wait sh -c 'echo; sleep 600 & wait' & wait";
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        Family::kill_program(child.id());
        // The end of the output: nobody is left who could write.
        assert_eq!(output.read_line(&mut String::new()).unwrap(), 0);
        child.wait().unwrap();
    }
}
