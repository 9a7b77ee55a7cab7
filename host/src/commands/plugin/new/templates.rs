//! The files of a new plugin.

use std::path::Path;

use super::names::camel;

/// What the files are about.
pub(super) struct Subject<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// Where the API's crate is, if not in the registry.
    pub(super) api: Option<&'a Path>,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../templates/", $path))
    };
}

/// Paths and their templates.
type Files = &'static [(&'static str, &'static str)];

const ALL: Files = &[
    ("Cargo.toml", template!("Cargo.toml.txt")),
    ("README.md", template!("README.md.txt")),
    (".gitignore", template!("gitignore.txt")),
];
const ACTION: Files = &[
    ("src/lib.rs", template!("action/src/lib.rs.txt")),
    ("src/gather.rs", template!("action/src/gather.rs.txt")),
    ("tests/conformance.rs", template!("action/tests/conformance.rs.txt")),
    ("example.xml", template!("action/example.xml")),
];
const COMPRESSOR: Files = &[
    ("src/lib.rs", template!("compressor/src/lib.rs.txt")),
    ("src/encode.rs", template!("compressor/src/encode.rs.txt")),
    ("src/decode.rs", template!("compressor/src/decode.rs.txt")),
    ("tests/conformance.rs", template!("compressor/tests/conformance.rs.txt")),
    ("example.xml", template!("compressor/example.xml")),
];
const ENCRYPTOR: Files = &[
    ("src/lib.rs", template!("encryptor/src/lib.rs.txt")),
    ("src/chunks.rs", template!("encryptor/src/chunks.rs.txt")),
    ("tests/conformance.rs", template!("encryptor/tests/conformance.rs.txt")),
    ("example.xml", template!("encryptor/example.xml")),
];
const HOOK: Files = &[
    ("src/lib.rs", template!("hook/src/lib.rs.txt")),
    ("tests/conformance.rs", template!("hook/tests/conformance.rs.txt")),
    ("example.xml", template!("hook/example.xml")),
];
const STORAGE: Files = &[
    ("src/lib.rs", template!("storage/src/lib.rs.txt")),
    ("src/names.rs", template!("storage/src/names.rs.txt")),
    ("src/put.rs", template!("storage/src/put.rs.txt")),
    ("tests/conformance.rs", template!("storage/tests/conformance.rs.txt")),
    ("example.xml", template!("storage/example.xml")),
];

const SERDE: &str = "serde = { version = \"1\", features = [\"derive\"] }";
const CHACHA: &str = "chacha20poly1305 = { version = \"0.10\", features = [\"stream\"] }";

const FAST_CIPHER: &str = "
# The suite sends tens of megabytes through it.
[profile.dev.package.chacha20]
opt-level = 3
[profile.dev.package.chacha20poly1305]
opt-level = 3
[profile.dev.package.poly1305]
opt-level = 3
";

impl Subject<'_> {
    /// Returns the paths and contents of all files.
    pub(super) fn files(&self) -> Vec<(&'static str, String)> {
        let own = match self.kind {
            "action" => ACTION,
            "compressor" => COMPRESSOR,
            "encryptor" => ENCRYPTOR,
            "hook" => HOOK,
            _ => STORAGE,
        };
        ALL.iter().chain(own).map(|(path, template)| (*path, self.fill(template))).collect()
    }

    /// Returns the name of the library, without `lib` and `.so`.
    pub(super) fn library(&self) -> String {
        self.name.replace('-', "_")
    }

    fn fill(&self, template: &str) -> String {
        let magic = format!("{}1", self.name);
        let hexadecimal: Vec<_> = magic.bytes().map(|byte| format!("{byte:02x}")).collect();
        let article = if self.kind.starts_with(['a', 'e']) { "An" } else { "A" };
        let kind_of_type = camel(self.kind);
        let values = [
            ("@DEPENDENCIES@", self.dependencies()),
            ("@DEV_DEPENDENCIES@", self.dev_dependencies()),
            ("@PROFILE@", if self.kind == "encryptor" { FAST_CIPHER } else { "" }.to_owned()),
            ("@NAME@", self.name.to_owned()),
            ("@TYPE@", camel(self.name) + &kind_of_type),
            ("@CRATE@", self.library()),
            ("@LIBRARY@", self.library()),
            ("@KIND@", self.kind.to_owned()),
            ("@ARTICLE@", article.to_owned()),
            ("@MAGIC@", magic),
            ("@MAGIC_HEX@", hexadecimal.concat()),
        ];
        values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
    }

    fn dependencies(&self) -> String {
        let api = self.dependency("");
        let others: &[&str] = match self.kind {
            "compressor" => &["crc32fast = \"1\"", &api, SERDE],
            "encryptor" => &[CHACHA, &api, SERDE],
            "hook" => &[&api, SERDE, "serde_json = \"1\""],
            "storage" => &[&api, SERDE, "tempfile = \"3\""],
            _ => &[&api, SERDE],
        };
        others.join("\n") + "\n"
    }

    fn dev_dependencies(&self) -> String {
        let api = self.dependency(", features = [\"conformance\"]");
        match self.kind {
            "compressor" | "action" => api + "\n",
            _ => api + "\ntempfile = \"3\"\n",
        }
    }

    fn dependency(&self, more: &str) -> String {
        let path = self.api.and_then(Path::to_str).map(|path| format!(", path = {}", quoted(path)));
        let path = path.unwrap_or_default();
        format!("hayloft-plugin-api = {{ version = \"1\"{path}{more} }}")
    }
}

/// Returns a basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_all_kinds_can_be_written_as_toml() {
        assert_eq!(quoted("/a b/ü"), "\"/a b/ü\"");
        assert_eq!(quoted("/a\"b\\c\n"), "\"/a\\\"b\\\\c\\u000A\"");
    }
}
