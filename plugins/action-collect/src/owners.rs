//! Names of users and groups, looked up once each.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

/// A memory of names and numbers.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
    uids: HashMap<Vec<u8>, Option<u32>>,
    gids: HashMap<Vec<u8>, Option<u32>>,
}

impl Owners {
    /// Returns a user's name; empty if there is none.
    pub(crate) fn user(&mut self, uid: u32) -> Vec<u8> {
        let found = self.users.entry(uid).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map(|it| it.name.into_bytes()).unwrap_or_default()
        });
        found.clone()
    }

    /// Returns a group's name; empty if there is none.
    pub(crate) fn group(&mut self, gid: u32) -> Vec<u8> {
        let found = self.groups.entry(gid).or_insert_with(|| {
            let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            group.map(|it| it.name.into_bytes()).unwrap_or_default()
        });
        found.clone()
    }

    /// Returns the number that a user of that name has here, else `uid`.
    pub(crate) fn uid(&mut self, name: &[u8], uid: u32) -> u32 {
        if name.is_empty() {
            return uid;
        }
        let found = self.uids.entry(name.to_vec()).or_insert_with(|| {
            let name = std::str::from_utf8(name).ok()?;
            User::from_name(name).ok().flatten().map(|it| it.uid.as_raw())
        });
        found.unwrap_or(uid)
    }

    /// Returns the number that a group of that name has here, else `gid`.
    pub(crate) fn gid(&mut self, name: &[u8], gid: u32) -> u32 {
        if name.is_empty() {
            return gid;
        }
        let found = self.gids.entry(name.to_vec()).or_insert_with(|| {
            let name = std::str::from_utf8(name).ok()?;
            Group::from_name(name).ok().flatten().map(|it| it.gid.as_raw())
        });
        found.unwrap_or(gid)
    }
}
