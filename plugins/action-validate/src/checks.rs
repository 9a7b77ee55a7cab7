//! What is checked beyond the form of the configuration.

use std::{collections::BTreeSet, path::Path};

use hayloft_plugin_api::{Diagnostic, Error, Node};

use crate::{
    element::{Element, Value},
    machine::{self, Machine, Use},
    order,
};

/// Checks everything that the configuration speaks of. Nothing is changed, and
/// no other machine is asked, except that storages are listed.
pub fn check(document: &Node, machine: &dyn Machine) -> Vec<Diagnostic> {
    let root = Element::root(document);
    let mut checks = Checks { root: root.clone(), machine, found: Vec::new() };
    checks.reference();
    checks.options();
    checks.hooks();
    checks.collect();
    checks.peers();
    checks.stage();
    checks.store();
    checks.purge();
    checks.storages();
    checks.found.extend(order::check(document));
    checks.found.sort_by_key(|it| it.position);
    checks.found
}

struct Checks<'a> {
    root: Element<'a>,
    machine: &'a dyn Machine,
    found: Vec<Diagnostic>,
}

impl<'a> Checks<'a> {
    fn reference(&mut self) {
        if self.root.child("reference").is_none() {
            let found = self.root.error("the reference section is missing");
            self.found.push(found.help("<reference><author>…</author></reference>"));
        }
    }

    fn options(&mut self) {
        let Some(options) = self.root.child("options") else { return };
        self.directory(options.value("working_dir"), Use::Write);
        for (element, database, what) in
            [("backup_user", "passwd", "user"), ("backup_group", "group", "group")]
        {
            let Some(value) = options.value(element) else { continue };
            match self.machine.has(database, value.text) {
                Ok(true) => {}
                Ok(false) => {
                    let message = format!("there is no {what} {:?} on this machine", value.text);
                    self.found.push(value.error(message));
                }
                Err(error) => {
                    let message = format!("cannot find out whether there is a {what}: {error}");
                    self.found.push(value.warning(message));
                }
            }
        }
        for it in options.children("override") {
            let Some(path) = it.value("abs_path") else { continue };
            if let Some(message) = machine::objection_to_program(Path::new(path.text)) {
                // It may stand in for a program that no action here uses.
                self.found.push(path.warning(message));
            }
        }
    }

    fn hooks(&mut self) {
        if let Some(options) = self.root.child("options") {
            for name in ["pre_action_hook", "post_action_hook"] {
                for hook in options.children(name) {
                    self.command(hook.value("command"));
                }
            }
        }
        if let Some(hooks) = self.root.child("hooks") {
            for hook in hooks.children("hook") {
                if hook.value("type").is_none_or(|it| it.text == "script") {
                    self.command(hook.value("command"));
                }
            }
        }
    }

    fn collect(&mut self) {
        let Some(collect) = self.root.child("collect") else { return };
        self.directory(collect.value("collect_dir"), Use::Write);
        for dir in collect.children("dir") {
            self.directory(dir.value("abs_path"), Use::Read);
        }
        for file in collect.children("file") {
            let Some(path) = file.value("abs_path") else { continue };
            if let Some(message) = machine::objection_to_file(Path::new(path.text)) {
                self.found.push(path.error(message));
            }
        }
    }

    fn stage(&mut self) {
        let Some(stage) = self.root.child("stage") else { return };
        self.directory(stage.value("staging_dir"), Use::Write);
    }

    /// Checks the peers that staging uses: those of `<stage>` if it has any,
    /// else those of `<peers>`. Managed actions always use the latter.
    fn peers(&mut self) {
        let (own, general) = (self.peers_of("stage"), self.peers_of("peers"));
        let managed: Vec<_> = general.iter().filter(|it| it.flag("managed")).cloned().collect();
        let staged = if own.is_empty() { general } else { own };
        for peer in &staged {
            self.staged_peer(peer);
        }
        if let Some(options) = self.root.child("options") {
            for peer in &managed {
                self.command(peer.value("rsh_command").or(options.value("rsh_command")));
            }
            let copied = staged.iter().filter(|it| is_remote(it));
            let general = copied.filter(|it| it.value("rcp_command").is_none()).count();
            if general > 0 {
                self.command(options.value("rcp_command"));
            }
        }
        let remote = staged.iter().chain(&managed).find(|it| is_remote(it));
        if let Some(peer) = remote.filter(|_| self.machine.is_root())
            && self.program("su").is_none()
        {
            self.found.push(peer.error("there is no program su, which remote peers need"));
        }
    }

    fn peers_of(&self, section: &'a str) -> Vec<Element<'a>> {
        let Some(section) = self.root.child(section) else { return Vec::new() };
        let mut peers: Vec<_> = section.children("peer").collect();
        peers.retain(|it| it.value("type").is_some_and(|it| matches!(it.text, "local" | "remote")));
        peers
    }

    fn staged_peer(&mut self, peer: &Element<'_>) {
        if let Some(name) = peer.value("name")
            && let Some(why) = objection_to_name(name.text)
        {
            self.found.push(name.error(format!("the peer name {:?} {why}", name.text)));
        }
        if is_remote(peer) {
            self.command(peer.value("rcp_command"));
        } else {
            self.directory(peer.value("collect_dir"), Use::Write);
        }
    }

    fn store(&mut self) {
        let Some(store) = self.root.child("store") else { return };
        self.directory(store.value("source_dir"), Use::Read);
        if let Some(device) = store.value("target_device")
            && !is_image_to_be(Path::new(device.text))
            && let Some(message) = machine::objection_to_device(Path::new(device.text))
        {
            self.found.push(device.error(message));
        }
        for kind in ["compressor", "encryptor"] {
            let Some(name) = store.value(kind) else { continue };
            if let Err(error) = self.machine.try_encoding(kind, name.text) {
                self.found.push(unusable(&name, kind, &error));
            }
        }
        let known = self.configured_storages();
        for name in store.values("storage") {
            if !known.contains(name.text) {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                let message = format!("there is no storage {:?} in <storages>", name.text);
                self.found.push(name.error(message).help(format!("one of: {}", known.join(", "))));
            }
        }
    }

    fn purge(&mut self) {
        let Some(purge) = self.root.child("purge") else { return };
        for dir in purge.children("dir") {
            self.directory(dir.value("abs_path"), Use::Write);
        }
    }

    fn storages(&mut self) {
        let Some(storages) = self.root.child("storages") else { return };
        for storage in storages.children("storage") {
            let Some(name) = storage.value("name") else { continue };
            if let Err(error) = self.machine.try_storage(name.text.trim()) {
                self.found.push(unusable(&name, "storage", &error));
            }
        }
    }

    fn configured_storages(&self) -> BTreeSet<String> {
        let Some(storages) = self.root.child("storages") else { return BTreeSet::new() };
        let name = |it: Element<'_>| Some(it.value("name")?.text.trim().to_owned());
        storages.children("storage").filter_map(name).collect()
    }

    fn directory(&mut self, path: Option<Value<'_>>, purpose: Use) {
        let Some(path) = path else { return };
        if let Some(message) = machine::objection_to_directory(Path::new(path.text), purpose) {
            self.found.push(path.error(message));
        }
    }

    /// Checks that the program of a command line is there.
    fn command(&mut self, command: Option<Value<'_>>) {
        let Some(command) = command else { return };
        let Some(word) = first_word(command.text) else {
            self.found.push(command.error("the command names no program"));
            return;
        };
        if self.program(word).is_none() {
            let found = command.error(format!("there is no program {word:?}"));
            self.found.push(found.help("install it, or name it with <override> in <options>"));
        }
    }

    /// Finds a program in the overrides, the last of which counts, or in the
    /// search path.
    fn program(&self, word: &str) -> Option<std::path::PathBuf> {
        let options = self.root.child("options");
        let overrides = options.into_iter().flat_map(|it| it.children("override"));
        let matching = overrides.filter(|it| it.value("command").is_some_and(|it| it.text == word));
        let other = matching.last().and_then(|it| Some(it.value("abs_path")?.text.to_owned()));
        machine::find_program(other.as_deref().unwrap_or(word))
    }
}

/// An image file that is not there yet is made, if its directory is.
fn is_image_to_be(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "iso")
        && !path.exists()
        && path.parent().is_some_and(Path::is_dir)
}

fn is_remote(peer: &Element<'_>) -> bool {
    peer.value("type").is_some_and(|it| it.text == "remote")
}

fn unusable(name: &Value<'_>, kind: &str, error: &Error) -> Diagnostic {
    let found = name.error(format!("{kind} {} cannot be used: {error}", name.text));
    match error.remedy() {
        Some(remedy) => found.help(remedy),
        None => found,
    }
}

/// Returns the first word of a command, as Cedar Backup splits it: at blanks,
/// double quotes keep blanks together.
fn first_word(command: &str) -> Option<&str> {
    let command = command.trim_start_matches(' ');
    let word = match command.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => command.split([' ', '"']).next()?,
    };
    (!word.is_empty()).then_some(word)
}

/// A peer's name is a directory in that of the day.
fn objection_to_name(name: &str) -> Option<&'static str> {
    match name {
        "." | ".." => Some("would leave the day's directory"),
        _ if name.contains('/') => Some("contains a slash"),
        _ if name.chars().any(char::is_control) => Some("contains a control character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_command_is_its_first_word() {
        let cases = [
            ("scp", Some("scp")),
            ("/usr/bin/scp -B", Some("/usr/bin/scp")),
            ("  scp\t-B", Some("scp\t-B")),
            ("\"/opt/my tools/scp\" -B", Some("/opt/my tools/scp")),
            ("a\"b\"", Some("a")),
            ("", None),
            ("   ", None),
            ("\"\" x", None),
        ];
        for (command, word) in cases {
            assert_eq!(first_word(command), word, "{command:?}");
        }
    }
}
