//! Builds the plugins that the tests load, and puts them where they are wanted.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use hayloft::plugins::{Registry, SearchRules};
use hayloft_plugin_api::{Node, Position};

/// A change of a source file: the file below `plugin-api`, the text that must
/// be there, and what it is replaced by.
pub(crate) type Patch = (&'static str, &'static str, &'static str);

/// How a plugin is built.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Build {
    /// The directory in `tests/fixtures`.
    pub(crate) source: &'static str,
    /// What the variant is called, `-newer` for one; part of the file's name.
    pub(crate) variant: &'static str,
    /// What `plugin-api` has that today's has not.
    pub(crate) patches: &'static [Patch],
    /// Further arguments of the compiler.
    pub(crate) rustc: &'static [&'static str],
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn workshop() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-lab")
}

/// Builds one of the fixtures, or a variant of it, and returns its file.
pub(crate) fn build(build: Build) -> PathBuf {
    fs::create_dir_all(workshop()).unwrap();
    // Tests are processes of their own, and several at once.
    let lock = fs::File::create(workshop().join("lock")).unwrap();
    lock.lock().unwrap();
    let name = crate_name(build);
    let room = workspace(build, &name);
    cargo_build(&room, &name, build.rustc);
    let debug = workshop().join("target/debug");
    let library = debug.join(format!("lib{}.so", name.replace('-', "_")));
    if library.exists() { library } else { debug.join(name) }
}

fn crate_name(build: Build) -> String {
    let base = Path::new(build.source).file_name().unwrap().to_str().unwrap();
    let prefix = if build.source.starts_with("plugins/") { "fixture-" } else { "" };
    format!("{prefix}{base}{}", build.variant)
}

/// Lays out a workspace with `plugin-api`, patched if so wanted, and the crate.
/// It has the program's versions of everything, and its profiles.
fn workspace(build: Build, name: &str) -> PathBuf {
    let api = if build.patches.is_empty() { "" } else { build.variant };
    let room = workshop().join(format!("workspace{api}"));
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = ")).unwrap();
    let mut manifest = manifest.replace(members, "members = [\"plugin-api*\", \"crates/*\"]");
    // Cargo tells packages apart by their place in the workspace.
    let api_dir = format!("plugin-api{api}");
    manifest = manifest.replace("path = \"plugin-api\"", &format!("path = \"{api_dir}\""));
    if api.contains("newer") {
        manifest = manifest.replacen("version = \"1.0.0\"", "version = \"1.1.0\"", 1);
    }
    put(&room.join("Cargo.toml"), &manifest);
    // Not written again: cargo adds the fixtures to it.
    if !room.join("Cargo.lock").exists() {
        fs::copy(repository().join("Cargo.lock"), room.join("Cargo.lock")).unwrap();
    }
    copy_tree(&repository().join("plugin-api"), &room.join(&api_dir), &|path, text| {
        build.patches.iter().filter(|(file, ..)| path.ends_with(file)).fold(
            text.to_owned(),
            |text, (file, old, new)| {
                assert!(text.contains(old), "{file} has no {old:?} any more");
                text.replacen(old, new, 1)
            },
        )
    });
    let base = name.strip_suffix(build.variant).unwrap();
    let source = repository().join("tests/fixtures").join(build.source);
    copy_tree(&source, &room.join("crates").join(name), &|path, text| {
        if path.file_name().is_some_and(|it| it == "Cargo.toml") {
            text.replace(&format!("name = \"{base}\""), &format!("name = \"{name}\""))
                .replace("../../../../plugin-api", &format!("../../{api_dir}"))
                .replace("\n[workspace]\n", "\n")
        } else {
            text.to_owned()
        }
    });
    if base == "newer-host" {
        for part in ["plugins.rs", "plugins"] {
            let source = repository().join("host/src").join(part);
            copy_tree(
                &source,
                &room.join("crates").join(name).join("src").join(part),
                &|path, text| {
                    if path.ends_with("registry/open.rs") {
                        text.to_owned() + MODULES
                    } else {
                        text.to_owned()
                    }
                },
            );
        }
    }
    room
}

/// What the newer host needs to see of the registry.
const MODULES: &str = "
impl Registry {
    /// Every module that is loaded.
    pub fn modules(
        &self,
    ) -> impl Iterator<Item = (&str, hayloft_plugin_api::abi::PluginModule_Ref)> {
        self.entries.iter().filter_map(|it| match it.loaded_module() {
            Some(Module::Rust(module)) => Some((it.metadata().id.as_str(), module)),
            _ => None,
        })
    }
}
";

fn copy_tree(from: &Path, to: &Path, change: &dyn Fn(&Path, &str) -> String) {
    if from.is_file() {
        return put(to, &change(from, &fs::read_to_string(from).unwrap()));
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name != "target" && name != "Cargo.lock" {
            copy_tree(&entry.path(), &to.join(name), change);
        }
    }
}

/// Writes a file if it is not so already: cargo goes by the time.
fn put(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn cargo_build(room: &Path, name: &str, rustc: &[&str]) {
    let run = |offline: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(room).args(["rustc", "--package", name]).args(offline);
        cargo.arg("--target-dir").arg(workshop().join("target")).arg("--").args(rustc);
        // Those of the build that we are part of are none of theirs.
        for variable in
            ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"]
        {
            cargo.env_remove(variable);
        }
        cargo.output().unwrap()
    };
    // What is needed is there usually, and then the network is not.
    let first = run(&["--offline"]);
    if first.status.success() {
        return;
    }
    let second = run(&[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(second.status.success(), "{}\n{}", text(&first.stderr), text(&second.stderr));
}

/// The fixture that offers one of each kind.
pub(crate) fn good() -> PathBuf {
    build(Build { source: "plugins/good", ..Build::default() })
}

/// The fixture that does what no plugin may do.
pub(crate) fn misbehaving() -> PathBuf {
    build(Build { source: "plugins/misbehaving", ..Build::default() })
}

/// Compiles a fixture in C, or the same as C++.
pub(crate) fn compile(compiler: &str, source: &str, output: &Path, arguments: &[&str]) {
    let fixtures = repository().join("tests/fixtures/plugins/c");
    let language = if compiler == "c++" { "c++" } else { "c" };
    let done = Command::new(compiler)
        .args(["-x", language, "-shared", "-fPIC", "-fvisibility=hidden"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .arg("-I")
        .arg(repository().join("plugin-api/include"))
        .arg(fixtures.join(source))
        .args(["-x", "none"])
        .args(arguments)
        .arg("-o")
        .arg(output)
        .output()
        .unwrap_or_else(|e| panic!("cannot run {compiler}: {e}"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A directory that only we can change, for the plugins of one test.
pub(crate) struct Shelf(tempfile::TempDir);

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a copy of a file on it.
    pub(crate) fn add(&self, name: &str, file: &Path) -> PathBuf {
        self.write(name, &fs::read(file).unwrap())
    }

    /// Puts a copy on it in which some bytes are others. The lengths must agree.
    pub(crate) fn add_patched(&self, name: &str, file: &Path, patches: &[(&str, &str)]) -> PathBuf {
        let mut bytes = fs::read(file).unwrap();
        for (old, new) in patches {
            assert_eq!(old.len(), new.len());
            let mut at = 0;
            while let Some(next) = find(&bytes[at..], old.as_bytes()) {
                at += next;
                bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
                at += new.len();
            }
            assert!(at > 0, "there is no {old:?}");
        }
        self.write(name, &bytes)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Everything that is found on it.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        registry.discover(&self.rules());
        registry
    }

    pub(crate) fn rules(&self) -> SearchRules {
        SearchRules { dirs: vec![self.path().to_owned()], ..SearchRules::default() }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// An element with these children.
pub(crate) fn section(children: &[(&str, &str)]) -> Node {
    let mut node = Node::empty("section", Position { line: 3, column: 5 });
    for (name, text) in children {
        let mut child = Node::empty(name, Position::default());
        child.text = (*text).into();
        node.children.push(child);
    }
    node
}
