//! Who owns what is written.

use std::{ffi::CString, io, os::unix::fs::lchown, path::Path};

use hayloft_plugin_api::{Error, ErrorKind, Result};

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
#[expect(unsafe_code, reason = "the C library's user database has no safe interface")]
pub fn user_id(name: &str) -> Result<u32> {
    let c_name = CString::new(name).map_err(|_| unknown("user", name, "backup_user"))?;
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    // SAFETY: the buffer outlives the call, and `entry` is read only if the
    // call has filled it.
    let found = look_up(|buffer, found| unsafe {
        libc::getpwnam_r(
            c_name.as_ptr(),
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            found,
        )
    })?;
    if !found {
        return Err(unknown("user", name, "backup_user"));
    }
    // SAFETY: the entry was found, so it was filled.
    Ok(unsafe { entry.assume_init() }.pw_uid)
}

/// Returns the number of a group.
///
/// # Errors
///
/// If there is none of that name.
#[expect(unsafe_code, reason = "the C library's group database has no safe interface")]
pub fn group_id(name: &str) -> Result<u32> {
    let c_name = CString::new(name).map_err(|_| unknown("group", name, "backup_group"))?;
    let mut entry = std::mem::MaybeUninit::<libc::group>::uninit();
    // SAFETY: as in `user_id`.
    let found = look_up(|buffer, found| unsafe {
        libc::getgrnam_r(
            c_name.as_ptr(),
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            found,
        )
    })?;
    if !found {
        return Err(unknown("group", name, "backup_group"));
    }
    // SAFETY: the entry was found, so it was filled.
    Ok(unsafe { entry.assume_init() }.gr_gid)
}

/// Calls a `get…_r` function with a buffer that grows until it suffices.
fn look_up<T>(mut call: impl FnMut(&mut [libc::c_char], *mut *mut T) -> i32) -> Result<bool> {
    let mut size = 1 << 10;
    loop {
        let mut found = std::ptr::null_mut();
        match call(&mut vec![0; size], &raw mut found) {
            0 => return Ok(!found.is_null()),
            libc::ERANGE if size < 1 << 20 => size *= 2,
            other => return Err(io::Error::from_raw_os_error(other).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(group_id("root").unwrap(), 0);
        for name in ["no-such-user", "", "a\0b"] {
            let error = user_id(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CONFIGURATION, "{name:?}");
            assert!(error.remedy().is_some());
            assert!(group_id(name).is_err());
        }
    }
}
