//! The peers whose collected files are staged.

use std::path::PathBuf;

use hayloft_plugin_api::cedar::{command_words, objection_to_peer_name};

/// A machine, or a directory of this one, that files are staged from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name: a directory in the day's directory, and for a remote peer the
    /// machine's name.
    pub name: String,
    /// Where its archives are.
    pub collect_dir: PathBuf,
    /// When its failures do not matter.
    pub ignore: IgnoreFailures,
    /// How its files are reached.
    pub place: Place,
}

/// How the files of a peer are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file system of this machine.
    Local,
    /// With a program that copies files from and to another machine.
    Remote {
        /// The user to log in as.
        user: String,
        /// The program and its first arguments, as the configuration has them.
        copy_command: String,
    },
}

/// When a failure of a peer does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IgnoreFailures {
    /// It always matters.
    #[default]
    None,
    /// It never matters.
    All,
    /// It matters on the first day of the week and in full backups only.
    Daily,
    /// It matters on all other days.
    Weekly,
}

impl IgnoreFailures {
    /// Tells whether a failure is to be ignored. `full` is true on the week's
    /// first day, and in a full backup.
    pub fn ignores(self, full: bool) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Daily => !full,
            Self::Weekly => full,
        }
    }
}

/// Why a peer cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The name would not be a single directory below the day's.
    #[error("the peer name {name:?} cannot be used: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two peers would share one directory.
    #[error("two peers have the name {name:?}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The user cannot be logged in as.
    #[error("the backup user {user:?} of peer {name:?} cannot be used: {why}")]
    User {
        /// The peer's name.
        name: String,
        /// The user.
        user: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The program that copies is missing.
    #[error("peer {name:?} has an empty remote copy command")]
    CopyCommand {
        /// The peer's name.
        name: String,
    },
}

/// Checks all peers before anything is written.
///
/// # Errors
///
/// The first one that cannot be used.
pub fn check(peers: &[Peer]) -> Result<(), PeerError> {
    for (index, peer) in peers.iter().enumerate() {
        let name = || peer.name.clone();
        check_name(&peer.name)?;
        if peers[..index].iter().any(|it| it.name == peer.name) {
            return Err(PeerError::Duplicate { name: name() });
        }
        let Place::Remote { user, copy_command } = &peer.place else { continue };
        if let Some(why) = objection_to_user(user) {
            return Err(PeerError::User { name: name(), user: user.clone(), why });
        }
        if command_words(copy_command).first().is_none_or(String::is_empty) {
            return Err(PeerError::CopyCommand { name: name() });
        }
    }
    Ok(())
}

/// Checks a name.
///
/// # Errors
///
/// [`PeerError::Name`] if it is not that of a plain directory.
pub fn check_name(name: &str) -> Result<(), PeerError> {
    match objection_to_name(name) {
        Some(why) => Err(PeerError::Name { name: name.to_owned(), why }),
        None => Ok(()),
    }
}

fn objection_to_name(name: &str) -> Option<&'static str> {
    if name.starts_with(crate::TEMPORARY) {
        return Some("it is reserved for temporary files");
    }
    objection_to_peer_name(name)
}

/// A user is put in front of an address, and given to `su`.
fn objection_to_user(user: &str) -> Option<&'static str> {
    match user {
        "" => Some("it is empty"),
        _ if user.starts_with('-') => Some("it would be taken for an option"),
        _ if user.chars().any(|it| it.is_control() || it.is_whitespace()) => {
            Some("it contains white space")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: &str) -> Peer {
        Peer {
            name: name.to_owned(),
            collect_dir: "/c".into(),
            ignore: IgnoreFailures::None,
            place: Place::Local,
        }
    }

    #[test]
    fn a_name_is_one_plain_directory() {
        let good = ["box", "box.example.org", "[::1]", "a b", "…", "..a", "-x", &"x".repeat(255)];
        for name in good {
            assert_eq!(check(&[local(name)]), Ok(()), "{name}");
        }
        let bad = [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/",
            "a\nb",
            "a\0",
            "cback.stage",
            ".hayloft-x",
            &"x".repeat(256),
        ];
        for name in bad {
            let error = check(&[local("good"), local(name)]).unwrap_err();
            assert!(matches!(&error, PeerError::Name { name: it, .. } if it == name), "{error}");
        }
    }

    #[test]
    fn no_two_peers_share_a_directory() {
        let error = check(&[local("a"), local("b"), local("a")]).unwrap_err();
        assert_eq!(error.to_string(), "two peers have the name \"a\"");
    }

    #[test]
    fn a_remote_user_cannot_be_an_option() {
        for (user, good) in
            [("backup", true), ("-oProxyCommand=x", false), ("", false), ("a b", false)]
        {
            let place = Place::Remote { user: user.to_owned(), copy_command: "scp".to_owned() };
            assert_eq!(check(&[Peer { place, ..local("a") }]).is_ok(), good, "{user}");
        }
    }

    #[test]
    fn failures_are_ignored_as_configured() {
        // On an ordinary day, on the first of the week.
        let cases = [
            (IgnoreFailures::None, false, false),
            (IgnoreFailures::All, true, true),
            (IgnoreFailures::Daily, true, false),
            (IgnoreFailures::Weekly, false, true),
        ];
        for (mode, ordinary, first) in cases {
            assert_eq!((mode.ignores(false), mode.ignores(true)), (ordinary, first), "{mode:?}");
        }
    }
}
