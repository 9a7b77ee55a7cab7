//! Which repositories there are: those that are named, and those in
//! directories of repositories.

use std::{collections::HashSet, ffi::OsStr, fs, io, os::unix::ffi::OsStrExt, path::Path};

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    cedar::{Exclude, Pattern, RepositoryDir, Subversion, Text, text},
};

use crate::{names::shown, plan::Mode};

/// A repository, and how it is dumped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// Its path, as it is configured.
    pub path: Vec<u8>,
    /// When it is dumped.
    pub mode: Mode,
    /// The compressor's name.
    pub compress: String,
}

/// The repositories of the section in its order, and what is wrong with
/// directories of which that is not known.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The repositories; one may occur several times, dumped in other ways.
    pub all: Vec<Source>,
    /// The directories that could not be read, for messages, and why.
    pub failed: Vec<(String, Error)>,
}

impl Sources {
    /// Reads the directories of repositories.
    pub(crate) fn find(section: &Subversion) -> Self {
        let mut found = Self::default();
        let mut seen = HashSet::new();
        let mut add = |found: &mut Self, source: Source| {
            if seen.insert(source.clone()) {
                found.all.push(source);
            }
        };
        let how = |mode: &Text, compress: &Text| {
            let mode = text(mode).or(text(&section.collect_mode)).unwrap_or("daily");
            let compress = text(compress).or(text(&section.compress_mode)).unwrap_or("none");
            (Mode::of(mode), compress.to_owned())
        };
        for it in &section.repositories {
            let path = text(&it.abs_path).unwrap_or_default().as_bytes().to_owned();
            let (mode, compress) = how(&it.collect_mode, &it.compress_mode);
            add(&mut found, Source { path, mode, compress });
        }
        for it in &section.repository_dirs {
            let (mode, compress) = how(&it.collect_mode, &it.compress_mode);
            match within(it) {
                Ok(paths) => {
                    for path in paths {
                        add(&mut found, Source { path, mode, compress: compress.clone() });
                    }
                }
                Err(error) => {
                    let path = text(&it.abs_path).unwrap_or_default();
                    let what = format!("the repositories in {}", shown(path.as_bytes()));
                    found.failed.push((what, error));
                }
            }
        }
        found
    }
}

/// Returns every real directory directly in a directory of repositories, in
/// the order of their names.
fn within(configured: &RepositoryDir) -> Result<Vec<Vec<u8>>> {
    let root = text(&configured.abs_path).unwrap_or_default();
    let left_out = LeftOut::new(root, &configured.exclude)?;
    if left_out.has(root.as_bytes()) {
        return Ok(Vec::new());
    }
    let failed = |error: io::Error| {
        Error::from(error)
            .context(format!("cannot read <repository_dir> {}", shown(root.as_bytes())))
            .hint("check its <abs_path>, and whether it is mounted")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(Path::new(OsStr::from_bytes(root.as_bytes()))).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            let path = joined(root, entry.file_name().as_bytes());
            if !left_out.has(&path) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn joined(root: &str, name: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if root.ends_with('/') { b"" } else { b"/" };
    [root.as_bytes(), separator, name].concat()
}

/// What a directory of repositories leaves out.
struct LeftOut {
    paths: HashSet<Vec<u8>>,
    patterns: Vec<Pattern>,
}

impl LeftOut {
    fn new(root: &str, exclude: &Exclude) -> Result<Self> {
        let path = |relative: &str| {
            let path = if relative.starts_with('/') {
                relative.as_bytes().to_owned()
            } else {
                joined(root, relative.as_bytes())
            };
            without_slash(&path).to_owned()
        };
        let pattern = |text: &str| {
            Pattern::exclusion(text).map_err(|error| {
                let message =
                    format!("the pattern `{text}` of <repository_dir> {root} cannot be used");
                Error::new(ErrorKind::CONFIGURATION, format!("{message}: {error}"))
                    .hint("it is put between `^` and `$`; write flags as `(?i:…)`")
            })
        };
        Ok(Self {
            paths: exclude.rel_paths.iter().map(|it| path(it)).collect(),
            patterns: exclude.patterns.iter().map(|it| pattern(it)).collect::<Result<_>>()?,
        })
    }

    fn has(&self, path: &[u8]) -> bool {
        if self.paths.contains(without_slash(path)) {
            return true;
        }
        let text = String::from_utf8_lossy(path);
        self.patterns.iter().any(|it| {
            // Too much is better than too little.
            it.is_match(&text).unwrap_or_else(|error| {
                tracing::warn!("a pattern gave up on {}, which is kept: {error}", shown(path));
                false
            })
        })
    }
}

fn without_slash(path: &[u8]) -> &[u8] {
    match path {
        [most @ .., b'/'] if !most.is_empty() => without_slash(most),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use hayloft_plugin_api::cedar::{Located, Repository};

    use super::*;

    fn located(value: &str) -> Located<String> {
        Located { value: value.to_owned(), ..Located::default() }
    }

    fn dir(path: &str, exclude: Exclude) -> Subversion {
        let dir = RepositoryDir { abs_path: Some(located(path)), exclude, ..Default::default() };
        Subversion {
            collect_mode: Some(located("incr")),
            compress_mode: Some(located("gzip")),
            repository_dirs: vec![dir],
            ..Subversion::default()
        }
    }

    fn found(section: &Subversion) -> Vec<String> {
        let sources = Sources::find(section);
        assert!(sources.failed.is_empty(), "{:?}", sources.failed);
        let name = |it: &Source| shown(it.path.rsplit(|b| *b == b'/').next().unwrap());
        sources.all.iter().map(name).collect()
    }

    #[test]
    fn every_real_directory_is_taken_and_what_is_excluded_left_out() {
        let root = tempfile::tempdir().unwrap();
        for name in ["one", "two words", "three", ".hidden", "one/below"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        fs::create_dir(root.path().join(OsStr::from_bytes(b"lat\xe9"))).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        symlink("one", root.path().join("link")).unwrap();
        let path = root.path().to_str().unwrap();
        let all = [".hidden", "lat\\xe9", "one", "three", "two words"];
        assert_eq!(found(&dir(path, Exclude::default())), all);
        assert_eq!(found(&dir(&format!("{path}/"), Exclude::default())), all);
        let exclude = Exclude {
            rel_paths: vec![located("one/"), located(&format!("{path}/three"))],
            patterns: vec![located(r".*/\.hidden")],
            ..Exclude::default()
        };
        assert_eq!(found(&dir(path, exclude)), ["lat\\xe9", "two words"]);
        let itself = Exclude { patterns: vec![located(path)], ..Exclude::default() };
        assert_eq!(found(&dir(path, itself)), [""; 0]);
    }

    #[test]
    fn a_directory_that_cannot_be_read_does_not_hide_the_others() {
        let mut section = dir("/nonexistent/svn", Exclude::default());
        let it = Repository {
            abs_path: Some(located("/srv/x")),
            collect_mode: Some(located("weekly")),
            ..Repository::default()
        };
        section.repositories = vec![it.clone(), it];
        let sources = Sources::find(&section);
        assert_eq!(sources.all.len(), 1, "the same one twice is one");
        assert_eq!((sources.all[0].mode, sources.all[0].compress.as_str()), (Mode::Weekly, "gzip"));
        assert_eq!(sources.failed[0].0, "the repositories in /nonexistent/svn");
        let bad = Exclude { patterns: vec![located("(?i)x")], ..Exclude::default() };
        assert_eq!(Sources::find(&dir("/", bad)).failed[0].1.kind(), ErrorKind::CONFIGURATION);
    }
}
