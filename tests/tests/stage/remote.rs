//! Stages from a real SSH server, with the real `scp`.
//!
//! Root does it through `su` and a user without rights, everybody else as
//! himself.

use std::{fs, path::Path, sync::mpsc::channel, thread, time::Duration};

use hayloft_tests::{Sandbox, ssh::Sshd};
use rustix::process::{Pid, Signal, kill_process};

use super::{DAY, STAGE, appears};

/// A pool of remote peers on the scratch server, each with a collect directory
/// `peers/NAME`.
struct Pool {
    sandbox: Sandbox,
    sshd: Sshd,
}

impl Pool {
    fn new(peers: &[&str]) -> Self {
        Self::with(peers, "-O", "")
    }

    /// Makes the pool, with options for `scp` and more elements for each peer.
    fn with(peers: &[&str], scp: &str, more: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
        let sshd = Sshd::start();
        sshd.admit(&sandbox, &["working", "peers", "staging"]);
        let it = Self { sandbox, sshd };
        it.configure(peers, scp, more);
        for peer in peers {
            it.collected(peer, &["a.tar"]);
        }
        it
    }

    /// Every peer is an address of the one server.
    fn configure(&self, peers: &[&str], scp: &str, more: &str) {
        let address = |n: usize| format!("127.0.0.{}", n + 1);
        let peer = |(n, name): (usize, &&str)| {
            format!(
                "<peer><type>remote</type><name>{}</name>\
                 <collect_dir>$SANDBOX/peers/{name}</collect_dir>{more}</peer>\n",
                address(n)
            )
        };
        let peers: String = peers.iter().enumerate().map(peer).collect();
        let text = format!(
            "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>{}</backup_user><backup_group>{}</backup_group>
    <rcp_command>{}</rcp_command>
  </options>
  <peers>{peers}</peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
</cb_config>\n",
            self.sshd.user(),
            self.sshd.group(),
            self.sshd.scp(scp),
        );
        self.sandbox.write("hayloft.xml", &text);
    }

    /// Lets a peer have collected these files.
    fn collected(&self, peer: &str, files: &[&str]) {
        let directory = self.sandbox.dir(&format!("peers/{peer}"));
        self.sshd.own(&directory);
        for file in files.iter().chain(&["cback.collect"]) {
            let path = directory.join(file);
            fs::write(&path, format!("{file} of {peer}")).unwrap();
            self.sshd.own(&path);
        }
    }

    fn day(&self, below: &str) -> Vec<String> {
        self.sandbox.names(Path::new(DAY).join(below).to_str().unwrap())
    }

    fn told(&self, peer: &str) -> bool {
        self.sandbox.path(format!("peers/{peer}/cback.stage")).exists()
    }
}

#[test]
fn a_filter_on_the_other_machine_sees_the_three_known_commands() {
    let pool = Pool::new(&["p1"]);
    let directory = pool.sandbox.path("peers/p1");
    let directory = directory.display();
    let known = [
        format!("scp -f {directory}/cback.collect"),
        format!("scp -f {directory}/*"),
        format!("scp -t {directory}/cback.stage"),
    ];
    pool.sshd.allow_only(&known);
    pool.collected("p1", &["a.tar", "b c.tar"]);

    pool.sandbox.ok(STAGE).says("1 of 1 peers, 3 files");

    assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage"]);
    assert_eq!(pool.day("127.0.0.1"), ["a.tar", "b c.tar", "cback.collect"]);
    assert_eq!(pool.sandbox.read(&format!("{DAY}/127.0.0.1/b c.tar")), "b c.tar of p1");
    assert!(pool.told("p1"));
    assert_eq!(pool.sshd.requests(), known);
    assert_eq!(pool.sandbox.names("working"), ["hayloft"]);
}

#[test]
fn staging_again_is_no_failure_and_takes_over_what_changed() {
    let pool = Pool::new(&["p1"]);
    pool.sandbox.ok(STAGE);
    pool.sandbox.write(&format!("{DAY}/cback.store"), "");
    pool.sandbox.ok(STAGE);
    assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage", "cback.store"]);
    pool.collected("p1", &["b.tar"]);
    pool.sandbox.ok(STAGE);
    assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage"], "it is to be stored anew");
    let files = ["a.tar", "b.tar", "cback.collect", "cback.stage"];
    assert_eq!(pool.day("127.0.0.1"), files);
}

#[test]
fn directories_and_files_with_blanks_are_staged_by_the_old_and_the_new_scp() {
    for scp in ["-O", ""] {
        let pool = Pool::with(&["my peer"], scp, "");
        pool.collected("my peer", &["a  b.tar", "c'd\"e.tar", "*.tar", "$HOME.tar"]);
        pool.sandbox.ok(STAGE).says("1 of 1 peers, 6 files");
        assert!(pool.told("my peer"), "{scp}");
        let names = ["$HOME.tar", "*.tar", "a  b.tar", "a.tar", "c'd\"e.tar", "cback.collect"];
        assert_eq!(pool.day("127.0.0.1"), names, "{scp}");
    }
}

#[test]
fn a_peer_that_is_not_ready_fails_alone() {
    for scp in ["-O", ""] {
        let pool = Pool::with(&["late", "p2"], scp, "");
        fs::remove_file(pool.sandbox.path("peers/late/cback.collect")).unwrap();
        let output = pool.sandbox.run(STAGE).exits(1);
        output.complains("peer [127.0.0.1] was not ready to be staged");
        output.complains("cback.collect: No such file or directory");
        assert_eq!(pool.day(""), ["127.0.0.2"], "{scp}");
        assert!(pool.told("p2") && !pool.told("late"));
    }
}

#[test]
fn a_peer_with_nothing_but_its_indicator_is_staged() {
    let pool = Pool::new(&["p1"]);
    fs::remove_file(pool.sandbox.path("peers/p1/a.tar")).unwrap();
    pool.sandbox.ok(STAGE).says("1 of 1 peers, 1 files");
    assert_eq!(pool.day("127.0.0.1"), ["cback.collect"]);
}

#[test]
fn a_peer_that_cannot_be_reached_is_a_failure_unless_it_is_ignored() {
    // Monday is the first day of the week.
    let cases = [
        ("none", "2026-11-17", 1),
        ("all", "2026-11-17", 7),
        ("daily", "2026-11-17", 7),
        ("weekly", "2026-11-17", 1),
        ("daily", "2026-11-16", 1),
        ("weekly", "2026-11-16", 7),
    ];
    let mut pool = Pool::new(&["p1"]);
    pool.sshd.stop();
    let check = |(mode, day, code): (&str, &str, i32)| {
        let name = format!("{mode}-{day}");
        let config = pool.sandbox.read("hayloft.xml");
        let ignore = format!("<ignore_failures>{mode}</ignore_failures></peer>");
        let config = config
            .replace("</peer>", &ignore)
            .replace("/staging<", &format!("/staging-{name}<"))
            .replace("/working<", &format!("/working-{name}<"));
        pool.sshd.admit(&pool.sandbox, &[&format!("working-{name}"), &format!("staging-{name}")]);
        let file = pool.sandbox.write(&format!("{name}.xml"), &config);
        let now = format!("{day}T02:00:00");
        let output = pool
            .sandbox
            .run(&["--config", file.to_str().unwrap(), "--now", &now, "run", "stage"])
            .exits(code);
        if code == 1 {
            output.complains("Connection refused").complains("(tried 3 times)");
        } else {
            output.complains("no peer was staged");
        }
        let day = format!("staging-{name}/{}", day.replace('-', "/"));
        assert!(!pool.sandbox.names(&day).contains(&"cback.stage".to_owned()), "{name}");
    };
    thread::scope(|scope| {
        cases.map(|case| scope.spawn(move || check(case))).map(|it| it.join().unwrap())
    });
}

#[test]
fn what_is_no_file_in_the_collect_directory_is_named_and_nothing_of_the_peer_is_kept() {
    for scp in ["-O", ""] {
        let pool = Pool::with(&["p1"], scp, "");
        pool.sshd.own(&pool.sandbox.dir("peers/p1/inner"));
        let output = pool.sandbox.run(STAGE).exits(1);
        output.complains("inner").complains("not a regular file");
        assert!(pool.day("").is_empty(), "{scp}");
        fs::remove_dir(pool.sandbox.path("peers/p1/inner")).unwrap();
        pool.sandbox.ok(STAGE);
        assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage"], "{scp}");
    }
}

#[test]
fn several_peers_are_staged_at_once() {
    let pool = Pool::with(&["p1", "p2", "p3", "p4"], "-O", "");
    // Each copy of all files waits until four of them are under way.
    pool.sandbox.script(
        "together",
        "#!/bin/sh
case \" $* \" in
  *'/* '*)
    mkdir \"$SANDBOX/working/here-$$\" || exit
    n=0
    until [ \"$(ls -d \"$SANDBOX/working\"/here-* | wc -l)\" -ge 4 ]; do
      n=$((n + 1))
      [ $n -lt 600 ] || exit 9
      sleep 0.1
    done
esac
exec \"$@\"
",
    );
    let text = pool.sandbox.read("hayloft.xml");
    let command = pool.sandbox.expand("<rcp_command>$SANDBOX/together scp");
    pool.sandbox.write("hayloft.xml", &text.replace("<rcp_command>scp", &command));
    pool.sandbox.ok(STAGE).says("4 of 4 peers, 8 files");
    assert_eq!(pool.day(""), ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "cback.stage"]);
}

#[test]
fn a_connection_that_breaks_is_tried_again_and_a_machine_that_is_gone_leaves_nothing() {
    for comes_back in [true, false] {
        let mut pool = Pool::with(&["p1"], "-O -l 8000", "");
        let path = pool.sandbox.path("peers/p1/big.tar");
        fs::write(&path, vec![b'x'; 4_000_000]).unwrap();
        pool.sshd.own(&path);
        let run = pool.sandbox.spawn(STAGE);
        let arriving = pool.sandbox.path(format!("{DAY}/127.0.0.1/big.tar"));
        assert!(appears(&arriving), "the copy was not started");
        if comes_back {
            pool.sshd.break_connections();
        } else {
            pool.sshd.stop();
        }
        let output = pool.sandbox.wait(run);
        if comes_back {
            output.exits(0).complains("trying again");
            let size = fs::metadata(arriving).unwrap().len();
            assert_eq!((size, pool.told("p1")), (4_000_000, true));
        } else {
            output.exits(1).complains("(tried 3 times)");
            assert!(pool.day("").is_empty(), "{:?}", pool.day(""));
            pool.sshd.start_again();
            pool.configure(&["p1"], "-O", "");
            pool.sandbox.ok(STAGE);
            assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage"]);
        }
    }
}

/// Returns the command lines of the processes that have to do with a sandbox.
fn processes(sandbox: &Sandbox) -> Vec<String> {
    let path = sandbox.path("");
    let path = path.to_str().unwrap().trim_end_matches('/');
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
    let lines = lines.map(|it| String::from_utf8_lossy(&it).replace('\0', " "));
    lines.filter(|it| it.contains(path)).collect()
}

#[test]
fn nothing_goes_on_copying_after_an_interruption() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let pool = Pool::new(&["p1"]);
        let good = pool.sandbox.read("hayloft.xml");
        // What the shell of `su` starts is not ended by the end of `su`.
        pool.sandbox.script(
            "slow",
            "#!/bin/sh
case \" $* \" in
  *'/* '*)
    for last; do :; done
    echo half > \"$last/half.tar\"
    $SANDBOX/slow wait
    ;;
  ' wait ') sleep 600 ;;
  *) exec \"$@\"
esac
",
        );
        let slow = pool.sandbox.expand("<rcp_command>$SANDBOX/slow scp");
        pool.sandbox.write("hayloft.xml", &good.replace("<rcp_command>scp", &slow));
        let child = pool.sandbox.spawn(STAGE);
        assert!(appears(&pool.sandbox.path(format!("{DAY}/127.0.0.1/half.tar"))));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = pool.sandbox.wait(child);
        if signal != Signal::KILL {
            assert_eq!(output.code, Some(5), "{output}");
            assert!(pool.day("").is_empty(), "{:?}", pool.day(""));
            assert!(processes(&pool.sandbox).is_empty(), "{:?}", processes(&pool.sandbox));
        }
        // After a kill, the worker sees to it.
        let all_ended = || processes(&pool.sandbox).is_empty();
        assert!((0..1200).any(|_| all_ended() || pause()), "{:?}", processes(&pool.sandbox));

        pool.sandbox.write("hayloft.xml", &good);
        pool.sandbox.ok(STAGE);
        assert_eq!(pool.day(""), ["127.0.0.1", "cback.stage"]);
        assert_eq!(pool.day("127.0.0.1"), ["a.tar", "cback.collect"]);
    }
}

/// Waits a little; it is never done.
fn pause() -> bool {
    thread::sleep(Duration::from_millis(50));
    false
}

#[test]
fn a_server_that_never_answers_does_not_keep_the_others_from_being_staged() {
    let mut pool = Pool::with(&["p1"], "-O -o ConnectTimeout=3", "");
    // It accepts connections and says nothing.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = pool.sandbox.read("hayloft.xml");
    let command = format!("scp -B -q -P {port} -F none -o ConnectTimeout=3");
    let mute = format!(
        "<peer><type>remote</type><name>localhost</name><collect_dir>/x</collect_dir>\
         <rcp_command>{command}</rcp_command></peer></peers>"
    );
    pool.sandbox.write("hayloft.xml", &text.replace("</peers>", &mute));
    let (stop, stopped) = channel::<()>();
    let holder = thread::spawn(move || {
        let _ = stopped.recv();
        drop(silent);
    });
    let output = pool.sandbox.run(STAGE).exits(1);
    output.complains("[localhost]");
    assert_eq!(pool.day(""), ["127.0.0.1"]);
    drop(stop);
    holder.join().unwrap();
    pool.sshd.stop();
}
