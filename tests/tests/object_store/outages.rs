//! A bucket that fails at each single request that a program makes.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Output, Stdio},
    sync::{Arc, OnceLock},
};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Fault, Proxy, S3Server, SECRET_KEY};
use hayloft_tests::chaos;
use rustix::process::{Pid, Signal};

/// What happens at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    /// It is refused.
    Refused,
    /// From then on nobody answers.
    Away,
    /// It is done, and the answer is lost.
    Lost,
    /// What is answered is cut off.
    Cut,
    /// The program and its workers are killed, and it is not done.
    Killed,
    /// The same, and it is done.
    KilledBehind,
}

/// A bucket, and what stands before it.
pub(crate) struct Bucket {
    pub(crate) server: S3Server,
    proxy: Proxy,
}

impl Bucket {
    pub(crate) fn start() -> Self {
        let server = S3Server::start();
        let proxy = Proxy::start(server.address());
        Self { server, proxy }
    }

    /// What a `<storage>` of it has behind its name. It asks again once.
    pub(crate) fn elements(&self) -> String {
        format!(
            "<type>s3</type><endpoint>{}</endpoint><bucket>{BUCKET}</bucket>\
             <region>us-east-1</region><access_key_id>{ACCESS_KEY}</access_key_id>\
             <password>{SECRET_KEY}</password><retries>1</retries>",
            self.proxy.endpoint()
        )
    }

    /// Runs a command at whose `at`-th request, from one, something happens;
    /// tells whether it made so many.
    pub(crate) fn strike(
        &self,
        command: &mut Command,
        (outage, at): (Outage, u64),
    ) -> (Output, bool) {
        let program: Arc<OnceLock<Pid>> = Arc::default();
        let (known, first) = (Arc::clone(&program), self.proxy.count());
        self.proxy.plan(move |call| {
            let number = call.number - first + 1;
            match outage {
                Outage::Away if number >= at => Fault::Drop,
                _ if number != at => Fault::None,
                Outage::Refused => Fault::Status(403, "AccessDenied"),
                Outage::Lost => Fault::LoseAnswer,
                Outage::Cut => Fault::CutAnswer,
                Outage::Killed | Outage::KilledBehind => {
                    chaos::signal(*known.wait(), Signal::KILL);
                    if outage == Outage::Killed { Fault::Drop } else { Fault::LoseAnswer }
                }
                Outage::Away => Fault::Drop,
            }
        });
        command.stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        program.set(Pid::from_child(&child)).unwrap();
        let output = child.wait_with_output().unwrap();
        self.proxy.plan(|_| Fault::None);
        let struck = self.proxy.count() - first >= at;
        if struck && matches!(outage, Outage::Killed | Outage::KilledBehind) {
            assert_eq!(output.status.signal(), Some(9), "{output:?}");
        }
        (output, struck)
    }
}
