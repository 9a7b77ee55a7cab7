//! Restarting a server as it was started.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{
    error::ClusterError,
    probe::{RunningServer, State, probe},
    small_file,
    start::{StartOptions, Started, start},
    stop::{StopOptions, Stopped, stop_server},
    wait::Patience,
};

/// Stops the server, if it runs, and starts it with the arguments, programs
/// and log that it had, as far as `options` says nothing else.
///
/// # Errors
///
/// As [`stop_server`] and [`start`].
pub fn restart(
    data: &Path,
    stop: &StopOptions,
    options: &StartOptions,
    patience: &Patience<'_>,
) -> Result<(Option<Stopped>, Started), ClusterError> {
    let mut options = options.clone();
    let stopped = match probe(data)? {
        State::Running(server) if server.is_contained() => {
            return Err(ClusterError::WrongState {
                problem: format!("process {} runs in a container", server.pid()),
                remedy: Some("restart it there: from here it would come up outside".into()),
            });
        }
        State::Running(server) => {
            inherit(&mut options, &server);
            Some(stop_server(&server, &StopOptions { no_wait: false, ..*stop }, patience)?)
        }
        State::Stopped(directory) => {
            if options.arguments.is_empty() {
                let opts = small_file::read(&directory.path.join("postmaster.opts"));
                options.arguments = further(&parse_opts(&opts.unwrap_or_default()));
            }
            None
        }
        _ => None,
    };
    start(data, &options, patience).map(|it| (stopped, it))
}

fn inherit(options: &mut StartOptions, server: &RunningServer) {
    let home = PathBuf::from(format!("/proc/{}", server.pid()));
    if options.arguments.is_empty() {
        let line = fs::read(home.join("cmdline")).unwrap_or_default();
        let words = line.split(|it| *it == 0).map(|it| OsString::from_vec(it.to_vec()));
        options.arguments = further(&words.collect::<Vec<_>>());
        // The last zero is an end, not a separator.
        options.arguments.pop_if(|it| it.is_empty());
    }
    if options.log.is_none() {
        let log = fs::read_link(home.join("fd/1")).ok();
        options.log = log.filter(|it| it.is_absolute() && it.is_file());
    }
}

/// The arguments after the program's name, without the data directory.
fn further(words: &[OsString]) -> Vec<OsString> {
    let mut all = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word == OsStr::new("-D") {
            words.next();
        } else if !word.as_bytes().starts_with(b"-D") {
            all.push(word.clone());
        }
    }
    all
}

/// Reads `postmaster.opts`: the program, and each argument between quotes that
/// are not escaped inside.
fn parse_opts(text: &[u8]) -> Vec<OsString> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|it| it == b" \"") {
        parts.push(rest[..at].to_vec());
        rest = &rest[at + 2..];
    }
    parts.push(rest.to_vec());
    let mut words = parts.into_iter();
    let program = words.next().map(OsString::from_vec);
    let arguments = words.map(|mut it| {
        it.pop_if(|last| *last == b'"');
        OsString::from_vec(it)
    });
    program.into_iter().chain(arguments).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_the_last_start_are_found() {
        let line =
            b"/usr/lib/postgresql/15/bin/postgres \"-D\" \"/srv/a b\" \"-c\" \"x=y z\" \"-F\"\n";
        let words = parse_opts(line);
        assert_eq!(words[0], "/usr/lib/postgresql/15/bin/postgres");
        assert_eq!(further(&words), ["-c", "x=y z", "-F"]);
        assert_eq!(further(&parse_opts(b"postgres \"-D/x\" \"-i\"")), ["-i"]);
        assert!(further(&parse_opts(b"")).is_empty());
    }
}
