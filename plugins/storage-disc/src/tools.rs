//! Which programs do the work.

use std::path::Path;

use hayloft_plugin_api::{Node, Result, cedar};

/// What is needed of a program, by the name that Cedar Backup calls it by and
/// that an `<override>` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Burns CDs.
    Cdrecord,
    /// Makes images.
    Mkisofs,
    /// Makes images and burns them on DVDs.
    Growisofs,
    /// Opens, closes and unlocks the tray.
    Eject,
    /// Reads the label of a disc.
    Volname,
    /// Mounts a disc.
    Mount,
    /// Unmounts it.
    Umount,
    /// Reads a disc without mounting it.
    Xorriso,
}

impl Tool {
    /// Returns its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cdrecord => "cdrecord",
            Self::Mkisofs => "mkisofs",
            Self::Growisofs => "growisofs",
            Self::Eject => "eject",
            Self::Volname => "volname",
            Self::Mount => "mount",
            Self::Umount => "umount",
            Self::Xorriso => "xorriso",
        }
    }

    /// Programs that do the same, where none is configured: first what Debian
    /// has instead of the original, then xorriso.
    fn substitutes(self) -> &'static [&'static str] {
        match self {
            Self::Cdrecord => &["/usr/bin/wodim", "/usr/bin/xorrecord"],
            Self::Mkisofs => &["/usr/bin/genisoimage", "/usr/bin/xorrisofs"],
            _ => &[],
        }
    }
}

/// A program that may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path, or a name to look for.
    pub path: String,
    /// Arguments that come before all others.
    pub prefix: &'static [&'static str],
    /// Whether it is xorriso, whatever it is called: that one takes files for
    /// drives, and wants to be told.
    pub is_xorriso: bool,
}

impl Program {
    fn new(tool: Tool, path: &str) -> Self {
        let name = Path::new(path).file_name().and_then(|it| it.to_str()).unwrap_or(path);
        let is_xorriso = matches!(name, "xorriso" | "xorrisofs" | "xorrecord");
        let prefix: &[&str] = match (name, tool) {
            ("xorriso", Tool::Mkisofs) => &["-as", "mkisofs"],
            ("xorriso", Tool::Cdrecord) => &["-as", "cdrecord"],
            _ => &[],
        };
        Self { path: path.to_owned(), prefix, is_xorriso }
    }

    /// Returns how this program calls a device, which may be a regular file.
    pub fn address(&self, device: &str, is_file: bool) -> String {
        if self.is_xorriso && is_file { format!("stdio:{device}") } else { device.to_owned() }
    }
}

/// The programs as the configuration has them.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    overrides: Vec<(String, String)>,
}

impl Tools {
    /// Reads the overrides of `<options>`.
    ///
    /// # Errors
    ///
    /// If `<options>` is wrong.
    pub fn configured(document: &Node) -> Result<Self> {
        let Some(options) = document.child("options") else { return Ok(Self::default()) };
        // A section that is not complete is somebody else's error.
        let options = cedar::read_section::<cedar::Options>(
            options,
            &cedar::Names::any(),
            &cedar::Context::default(),
        )
        .0;
        let pairs = options.overrides.iter().filter_map(|it| {
            Some((cedar::text(&it.command)?.to_owned(), cedar::text(&it.abs_path)?.to_owned()))
        });
        Ok(Self { overrides: pairs.collect() })
    }

    /// Returns the program that the configuration names instead of a tool; of
    /// several the last one counts.
    pub fn overridden(&self, tool: Tool) -> Option<&str> {
        let mut all = self.overrides.iter().rev();
        all.find(|(name, _)| name == tool.name()).map(|(_, path)| path.as_str())
    }

    /// Returns the programs that can do it, the best first: the next is tried
    /// if one is not there. What is configured has no substitute.
    pub fn candidates(&self, tool: Tool) -> Vec<Program> {
        if let Some(path) = self.overridden(tool) {
            return vec![Program::new(tool, path)];
        }
        let all = std::iter::once(tool.name()).chain(tool.substitutes().iter().copied());
        all.map(|path| Program::new(tool, path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::Section;

    use super::*;

    fn tools(overrides: &[(&str, &str)]) -> Tools {
        let pairs = overrides.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Tools { overrides: pairs.collect() }
    }

    #[test]
    fn without_configuration_debians_programs_stand_in() {
        let paths = |tool| {
            let all = Tools::default().candidates(tool);
            all.into_iter().map(|it| it.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(Tool::Cdrecord), ["cdrecord", "/usr/bin/wodim", "/usr/bin/xorrecord"]);
        assert_eq!(paths(Tool::Mkisofs), ["mkisofs", "/usr/bin/genisoimage", "/usr/bin/xorrisofs"]);
        assert_eq!(paths(Tool::Growisofs), ["growisofs"]);
    }

    #[test]
    fn what_is_configured_has_no_substitute_and_the_last_one_counts() {
        let tools = tools(&[("cdrecord", "/a"), ("mkisofs", "/m"), ("cdrecord", "/b")]);
        assert_eq!(tools.candidates(Tool::Cdrecord), [Program::new(Tool::Cdrecord, "/b")]);
        assert_eq!(tools.overridden(Tool::Mkisofs), Some("/m"));
        assert_eq!(tools.overridden(Tool::Eject), None);
    }

    #[test]
    fn xorriso_is_told_what_it_stands_for() {
        let tools = tools(&[("cdrecord", "/usr/bin/xorriso"), ("mkisofs", "/usr/bin/xorrisofs")]);
        let cdrecord = &tools.candidates(Tool::Cdrecord)[0];
        assert_eq!(cdrecord.prefix, ["-as", "cdrecord"]);
        assert_eq!(cdrecord.address("/srv/disc", true), "stdio:/srv/disc");
        assert_eq!(cdrecord.address("/dev/sr0", false), "/dev/sr0");
        let mkisofs = &tools.candidates(Tool::Mkisofs)[0];
        assert!(mkisofs.prefix.is_empty() && mkisofs.is_xorriso);
    }

    #[test]
    fn overrides_are_read_from_the_options() {
        let root = Section::new("cb_config")
            .set("options.override.command", "eject")
            .set("options.override.abs_path", "/opt/eject");
        let tools = Tools::configured(root.node()).unwrap();
        assert_eq!(tools.overridden(Tool::Eject), Some("/opt/eject"));
        assert!(Tools::configured(Section::new("cb_config").node()).unwrap().overrides.is_empty());
    }
}
