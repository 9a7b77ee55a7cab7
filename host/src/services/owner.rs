//! Who owns what is written.

use std::{
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use nix::unistd::{Group, User};

/// A user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Returns who is to own what is written: the backup user and group if we
    /// are root, nobody in particular otherwise (Cedar Backup 3 does the same).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if root is to give files to a user or
    /// group that does not exist.
    pub fn for_backups(user: &str, group: &str) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        Ok(Some(Self { user: user_id(user)?, group: group_id(group)? }))
    }

    /// Returns who owns a directory, if we are root: what is to be used by
    /// whoever uses that.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn of(directory: &Path) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let meta = directory.metadata().map_err(|e| {
            Error::from(e).context(format!("cannot look at {}", directory.display()))
        })?;
        Ok(Some(Self { user: meta.uid(), group: meta.gid() }))
    }

    /// Gives a file or directory to them. A link itself is given.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn give(self, path: &Path) -> Result<()> {
        lchown(path, Some(self.user), Some(self.group)).map_err(|e| {
            Error::from(e).context(format!(
                "cannot give {} to user {} and group {}",
                path.display(),
                self.user,
                self.group
            ))
        })
    }
}

fn unknown(what: &str, name: &str, element: &str) -> Error {
    Error::new(ErrorKind::CONFIGURATION, format!("there is no {what} `{name}` on this machine"))
        .hint(format!("create it, or change <options><{element}> in the configuration"))
}

/// Returns the number of a user.
///
/// # Errors
///
/// If there is none of that name.
pub fn user_id(name: &str) -> Result<u32> {
    let found = User::from_name(name)?;
    found.map(|it| it.uid.as_raw()).ok_or_else(|| unknown("user", name, "backup_user"))
}

/// Returns the number of a group.
///
/// # Errors
///
/// If there is none of that name.
pub fn group_id(name: &str) -> Result<u32> {
    let found = Group::from_name(name)?;
    found.map(|it| it.gid.as_raw()).ok_or_else(|| unknown("group", name, "backup_group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(group_id("root").unwrap(), 0);
        for name in ["no-such-user", ""] {
            let error = user_id(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CONFIGURATION, "{name:?}");
            assert!(error.remedy().is_some());
            assert!(group_id(name).is_err());
        }
    }
}
