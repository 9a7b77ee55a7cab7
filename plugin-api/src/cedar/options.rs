//! The `<options>` section.

use super::{
    Cause, Located, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// What concerns all actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The first day of the backup week, in lower case.
    pub starting_day: Text,
    /// Where temporary files and state are kept.
    pub working_dir: Text,
    /// Who owns what is written.
    pub backup_user: Text,
    /// The group of what is written.
    pub backup_group: Text,
    /// The command that copies from remote peers.
    pub rcp_command: Text,
    /// The command that runs something on a managed peer.
    pub rsh_command: Text,
    /// The backup command of managed peers.
    pub cback_command: Text,
    /// Programs to use instead of others.
    pub overrides: Vec<Override>,
    /// Commands to run around actions: first those before, then those after.
    pub hooks: Vec<ActionHook>,
    /// What is run on managed peers.
    pub managed_actions: Option<Located<Vec<String>>>,
    /// Ours: after how many seconds an action is ended; none if absent.
    pub action_timeout: Option<Located<i64>>,
    /// Where the section is.
    pub place: Place,
}

/// A program to use instead of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// The command as it is called, such as `pg_dump`.
    pub command: Text,
    /// The program to run instead.
    pub abs_path: Text,
}

/// A command to run before or after an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionHook {
    /// The name of the action.
    pub action: Text,
    /// The command.
    pub command: Text,
    /// Whether it is run before the action; after it otherwise.
    pub before: bool,
    /// Where the hook is.
    pub place: Place,
}

pub(super) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Section for Options {
    const NAME: &'static str = "options";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            starting_day: reader.one_of("starting_day", Cause::StartingDay, &DAYS),
            working_dir: reader.absolute("working_dir", Cause::WorkingDirNotAbsolute),
            backup_user: reader.text("backup_user"),
            backup_group: reader.text("backup_group"),
            rcp_command: reader.text("rcp_command"),
            rsh_command: reader.text("rsh_command"),
            cback_command: reader.text("cback_command"),
            overrides: reader
                .all("override")
                .map(|it| Override {
                    command: it.text("command"),
                    abs_path: it.absolute("abs_path", Cause::PathNotAbsolute),
                })
                .collect(),
            hooks: hooks(reader),
            managed_actions: reader.action_list("managed_actions"),
            action_timeout: reader.integer("action_timeout", Some((1, Cause::OutOfRange))),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        let required = [
            (&self.starting_day, Cause::StartingDayMissing),
            (&self.working_dir, Cause::WorkingDirMissing),
            (&self.backup_user, Cause::BackupUserMissing),
            (&self.backup_group, Cause::BackupGroupMissing),
            (&self.rcp_command, Cause::RcpCommandMissing),
        ];
        for (field, cause) in required {
            if field.is_none() {
                findings.missing(cause, &self.place);
            }
        }
    }
}

fn hooks(reader: &Reader<'_>) -> Vec<ActionHook> {
    let hook = |it: Reader<'_>, before| ActionHook {
        action: it.action_name("action"),
        command: it.text("command"),
        before,
        place: it.place(),
    };
    let before = reader.all("pre_action_hook").map(|it| hook(it, true));
    before.chain(reader.all("post_action_hook").map(|it| hook(it, false))).collect()
}
