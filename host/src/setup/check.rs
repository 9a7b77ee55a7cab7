//! Checks what belongs to plugins.

use hayloft_plugin_api::{Diagnostic, cedar::Names};

use super::{
    Setup,
    names::{self, Named},
};

impl Setup {
    /// Returns the names of the sections that plugins claim.
    pub fn claims(&self) -> Vec<String> {
        self.registry.sections().map(|it| it.section.to_owned()).collect()
    }

    /// Returns the names that an archive, compress or encrypt mode may have.
    pub fn modes(&self) -> Names {
        Names::new(
            self.openable("compressor", "compressors"),
            self.openable("encryptor", "encryptors"),
        )
    }

    /// Lets every plugin check its section. Everything that is wrong is
    /// returned; plugins that the configuration does not use are not loaded.
    pub fn check_plugins(&self) -> Vec<Diagnostic> {
        let root = self.root();
        let mut found = Vec::new();
        for (section, kind) in
            [("storages", "storage"), ("compressors", "compressor"), ("encryptors", "encryptor")]
        {
            for named in names::all(root, section, kind) {
                self.check_named(kind, &named, &mut found);
            }
        }
        for named in names::all_hooks(root) {
            self.check_named("hook", &named, &mut found);
        }
        let action = |section| {
            let mut all = self.registry.sections();
            all.any(|it| it.kind == "action" && it.section == section)
        };
        for claimed in self.registry.sections() {
            // A command that shares the section of an action says the same.
            let checks = match claimed.kind {
                "action" => true,
                "command" => !action(claimed.section),
                _ => false,
            };
            if checks && let Some(node) = root.child(claimed.section) {
                found.extend(self.registry.check(claimed.kind, claimed.name, node));
            }
        }
        found
    }

    fn check_named(&self, kind: &str, named: &Named, found: &mut Vec<Diagnostic>) {
        match self.registry.find(kind, &named.plugin) {
            Ok(_) => found.extend(self.registry.check(kind, &named.plugin, &named.node)),
            Err(error) => {
                let path = format!("{}/type", named.node.name);
                let error = error.into_error();
                let mut diagnostic =
                    Diagnostic::error(named.type_position, path, error.to_string());
                diagnostic.help = error.remedy().map(ToOwned::to_owned);
                found.push(diagnostic);
            }
        }
    }
}
