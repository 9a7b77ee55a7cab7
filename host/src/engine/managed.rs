//! Actions that are run on other machines.

use std::sync::{Arc, atomic::AtomicBool};

use hayloft_plugin_api::{
    Error, ErrorKind, Result, SpawnRequest,
    cedar::{self, ManagedPeer, command_for_shell, command_words, shell_quoted, shell_word},
};

use crate::{services::process, setup::Setup};

/// An action on another machine: what is to be run here for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The action.
    pub action: String,
    /// The machine.
    pub peer: String,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// Who the program is run by, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether we are root, and become the backup user for it.
    pub root: bool,
    /// Whether everything is backed up, whatever the day.
    pub full: bool,
}

/// Returns a call for each managed peer whose list has the action, in the
/// order of the file.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if a peer cannot be called.
pub fn calls(peers: &[ManagedPeer], action: &str, manner: Manner) -> Result<Vec<Call>> {
    let managed = peers.iter().filter(|peer| peer.actions.iter().any(|it| it == action));
    managed.map(|peer| call(peer, action, manner)).collect()
}

/// Cedar Backup's own command lines: as root
/// `su USER -c "RSH REMOTE_USER@PEER 'CBACK [--full] ACTION'"`, otherwise the
/// remote shell itself. What a shell would take for more than one command is
/// quoted; Cedar Backup pastes it.
fn call(peer: &ManagedPeer, action: &str, manner: Manner) -> Result<Call> {
    let wrong = |what: &str| {
        let text = format!("the managed peer `{}` cannot be called: {what}", peer.name);
        Error::new(ErrorKind::CONFIGURATION, text)
    };
    let shell = peer.rsh_command.as_deref().unwrap_or_default();
    let cback = peer.cback_command.as_deref().unwrap_or_default();
    for (command, element) in [(shell, "rsh_command"), (cback, "cback_command")] {
        if command_words(command).first().is_none_or(String::is_empty) {
            return Err(wrong(&format!("<{element}> is empty")));
        }
    }
    let user = peer.remote_user.as_deref().unwrap_or_default();
    let local_user = peer.local_user.as_deref().unwrap_or_default();
    // The remote shell and `su` would take them for options.
    if user.is_empty() || user.starts_with('-') || local_user.starts_with('-') {
        return Err(wrong("<backup_user> is not the name of a user"));
    }
    let target = format!("{user}@{}", peer.name);
    let full = if manner.full { "--full " } else { "" };
    let remote = format!("{} {full}{}", command_for_shell(cback), shell_word(action));
    let words = if manner.root {
        let shell = command_for_shell(shell);
        let line = format!("{shell} {} {}", shell_word(&target), shell_quoted(&remote));
        vec!["su".to_owned(), local_user.to_owned(), "-c".to_owned(), line]
    } else {
        [command_words(shell), vec![target, remote]].concat()
    };
    Ok(Call { action: action.to_owned(), peer: peer.name.clone(), words })
}

/// Runs it to its end. What it writes goes to the log.
///
/// # Errors
///
/// How it failed; [`ErrorKind::CANCELLED`] if `cancelled` was set meanwhile.
pub(crate) fn run(
    call: &Call,
    setup: &Setup,
    limit_ms: Option<u64>,
    cancelled: &Arc<AtomicBool>,
) -> Result<()> {
    let [program, arguments @ ..] = call.words.as_slice() else {
        return Err(Error::msg("there is nothing to run"));
    };
    let request = SpawnRequest {
        program: program.clone(),
        args: arguments.to_vec(),
        timeout_ms: limit_ms,
        ..SpawnRequest::default()
    };
    let ended = setup
        .program(program)
        .and_then(|path| process::start(&request, &path, cancelled)?.wait())
        .and_then(|finished| finished.into_result(program));
    ended.map_err(|error| match error.kind() {
        ErrorKind::CANCELLED => error,
        _ => error.context(format!(
            "failed to execute action [{}] on managed client [{}]",
            call.action, call.peer
        )),
    })
}

/// Returns the managed peers of a configuration.
pub(crate) fn peers(setup: &Setup) -> Vec<ManagedPeer> {
    let (document, _) = cedar::read(setup.root(), &setup.modes());
    cedar::managed_peers(&document)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn peer(name: &str) -> ManagedPeer {
        ManagedPeer {
            name: name.to_owned(),
            remote_user: Some("backup".to_owned()),
            local_user: Some("backup".to_owned()),
            rsh_command: Some("/usr/bin/ssh -o BatchMode=yes".to_owned()),
            cback_command: Some("/usr/bin/cback3 -q".to_owned()),
            actions: vec!["collect".to_owned(), "purge".to_owned()],
        }
    }

    fn words(peer: ManagedPeer, root: bool, full: bool) -> Vec<String> {
        let mut calls = calls(&[peer], "collect", Manner { root, full }).unwrap();
        assert_eq!(calls.len(), 1);
        calls.remove(0).words
    }

    #[test]
    fn command_lines_are_cedar_backups() {
        let line = "/usr/bin/ssh -o BatchMode=yes backup@p1 '/usr/bin/cback3 -q collect'";
        assert_eq!(words(peer("p1"), true, false), ["su", "backup", "-c", line]);
        let line = "/usr/bin/ssh -o BatchMode=yes backup@p1 '/usr/bin/cback3 -q --full collect'";
        assert_eq!(words(peer("p1"), true, true), ["su", "backup", "-c", line]);
        let direct = ["/usr/bin/ssh", "-o", "BatchMode=yes", "backup@p1"];
        let expected = [&direct[..], &["/usr/bin/cback3 -q --full collect"]].concat();
        assert_eq!(words(peer("p1"), false, true), expected);
    }

    #[test]
    fn each_peer_is_called_for_the_actions_of_its_list() {
        let other = ManagedPeer { actions: vec!["stage".to_owned()], ..peer("p2") };
        let peers = [peer("p1"), other, peer("p3")];
        let names = |action: &str| {
            let calls = calls(&peers, action, Manner { root: false, full: false }).unwrap();
            calls.into_iter().map(|it| it.peer).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("collect"), "p1 p3");
        assert_eq!(names("stage"), "p2");
        assert_eq!(names("store"), "");
    }

    #[test]
    fn what_a_shell_would_run_is_quoted() {
        let nasty = ManagedPeer {
            cback_command: Some("cback3; touch x".to_owned()),
            rsh_command: Some("\"/opt/my tools/ssh\" $(id)".to_owned()),
            ..peer("p`id`")
        };
        let line = r"'/opt/my tools/ssh' '$(id)' 'backup@p`id`' ''\''cback3;'\'' touch x collect'";
        assert_eq!(words(nasty, true, false)[3], line);
        let quotes = ManagedPeer {
            rsh_command: Some("ssh -i ~/key -o 'ProxyCommand ssh gate'".to_owned()),
            cback_command: Some("cback3 -c \"x y\" -l 'it'".to_owned()),
            ..peer("p")
        };
        let line = r#"ssh -i ~/key -o 'ProxyCommand ssh gate' backup@p 'cback3 -c "x y" -l '\''it'\'' collect'"#;
        assert_eq!(words(quotes, true, false)[3], line);
    }

    #[test]
    fn options_in_disguise_and_empty_commands_are_refused() {
        let cases = [
            ManagedPeer { remote_user: Some("-oProxyCommand=x".to_owned()), ..peer("p") },
            ManagedPeer { remote_user: None, ..peer("p") },
            ManagedPeer { local_user: Some("--command".to_owned()), ..peer("p") },
            ManagedPeer { rsh_command: None, ..peer("p") },
            ManagedPeer { cback_command: Some("  ".to_owned()), ..peer("p") },
        ];
        for case in cases {
            let result = calls(&[case], "collect", Manner { root: true, full: false });
            assert_eq!(result.unwrap_err().kind(), ErrorKind::CONFIGURATION);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

        /// Two shells come after each other: that of `su` and the remote one.
        /// What they take away and put in themselves is not in these words.
        #[test]
        fn every_word_arrives_at_the_other_end(text in "[!-~é]{1,12}", full in any::<bool>()) {
            let word = text.replace(['"', '\'', '\\', '$', '~'], "#");
            let peer = ManagedPeer {
                rsh_command: Some(r#"sh -c "set -f; eval $2" x"#.to_owned()),
                cback_command: Some(format!("printf %s|%s|%s {word}")),
                ..peer("p")
            };
            let line = words(peer, true, full).remove(3);
            let output = Command::new("sh").arg("-c").arg(&line).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let tail = if full { "--full|collect" } else { "collect|" };
            let expected = format!("{word}|{tail}");
            prop_assert_eq!(text, expected, "{}", line);
        }
    }
}
