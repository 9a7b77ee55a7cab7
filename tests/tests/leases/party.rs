//! A contender in a process of its own, as the test sees it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::contender::Place;

/// No machine is as slow as this.
const LIMIT: Duration = Duration::from_mins(5);

/// A process that contends; it ends with the value.
#[derive(Debug)]
pub(crate) struct Party {
    child: Mutex<Child>,
    answers: Mutex<Receiver<String>>,
    name: String,
}

impl Party {
    pub(crate) fn join(place: &Place, name: &str, ttl: Duration) -> Self {
        let (variable, value) = place.of(name, ttl).variable();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_contender", "--nocapture"])
            .env(variable, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(answer) = line.strip_prefix(">> ") {
                    drop(sender.send(answer.to_owned()));
                }
            }
        });
        Self { child: Mutex::new(child), answers: Mutex::new(answers), name: name.to_owned() }
    }

    pub(crate) fn tell(&self, line: &str) {
        let mut child = self.child.lock().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn hear(&self) -> String {
        let answer = self.answers.lock().unwrap().recv_timeout(LIMIT);
        answer.unwrap_or_else(|e| panic!("{} does not answer: {e}", self.name))
    }

    pub(crate) fn ask(&self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    /// Gets the lease; returns its term.
    pub(crate) fn get(&self) -> u64 {
        term(&self.ask("get"))
    }

    /// Tells whether it has not said anything yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.answers.lock().unwrap().try_recv().is_err()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child.lock().unwrap())
    }

    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let stat = format!("/proc/{}/stat", self.pid().as_raw_nonzero());
        let begun = Instant::now();
        let is_frozen = || {
            let text = fs::read_to_string(&stat).unwrap();
            text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        while !is_frozen() {
            assert!(begun.elapsed() < LIMIT, "{} does not freeze", self.name);
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn term(answer: &str) -> u64 {
    let number = answer.strip_prefix("got ").and_then(|it| it.parse().ok());
    number.unwrap_or_else(|| panic!("no lease: {answer}"))
}

/// Waits until one has got the lease that they all have asked for; returns
/// which, and its term.
pub(crate) fn first_to_get(parties: &[&Party]) -> (usize, u64) {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        for (index, party) in parties.iter().enumerate() {
            if let Ok(answer) = party.answers.lock().unwrap().try_recv() {
                return (index, term(&answer));
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody gets the lease");
}

impl Drop for Party {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        drop(child.kill());
        drop(child.wait());
    }
}
