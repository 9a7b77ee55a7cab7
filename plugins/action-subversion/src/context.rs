//! What every repository of a run needs.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hayloft_dump::{Destination, Meanings, Scratch, Started, means};
use hayloft_plugin_api::{Error, ErrorKind, Finished, Host, Request, Result};

use crate::{names::Names, sources::Source, state::Memory};

/// The name of the action, for its directories.
const ACTION: &str = "subversion";

/// What to do about codes for corrupt, missing, or undecodable revisions.
const DAMAGED: &str = "the repository is damaged: `svnadmin verify` shows where";

const MEANINGS: Meanings = Meanings {
    section: ACTION,
    messages: &[
        means(
            "/format': No such file or directory",
            ErrorKind::NOT_FOUND,
            "it is no Subversion repository: check its <abs_path>; in a <repository_dir>, leave it \
             out with <exclude>",
        ),
        means(
            "Expected repository format",
            ErrorKind::UNSUPPORTED,
            "the repository was made by another version: install a newer Subversion, or name its \
             programs with <override> in <options>",
        ),
        means(
            "Expected FS format",
            ErrorKind::UNSUPPORTED,
            "the repository was made by another version: install a newer Subversion, or name its \
             programs with <override> in <options>",
        ),
        means(
            "Permission denied",
            ErrorKind::PERMISSION,
            "the backup must run as a user who may read the whole repository",
        ),
        means("No space left on device", ErrorKind::FULL, "make room"),
        means("E160004", ErrorKind::CORRUPT, DAMAGED),
        means("E160006", ErrorKind::CORRUPT, DAMAGED),
        means("E200014", ErrorKind::CORRUPT, DAMAGED),
        means("E200046", ErrorKind::CORRUPT, DAMAGED),
        means("E140001", ErrorKind::CORRUPT, DAMAGED),
        means("E140002", ErrorKind::CORRUPT, DAMAGED),
        means("E185", ErrorKind::CORRUPT, DAMAGED),
        means("E000002: Can't open file", ErrorKind::CORRUPT, DAMAGED),
    ],
};

/// What every repository of a run needs.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// What is asked for.
    pub request: &'a Request,
    /// What is remembered.
    pub memory: Memory<'a>,
    /// How the dumps are called.
    pub names: Names,
    destinations: HashMap<String, Destination<'a>>,
    timeout: Option<Duration>,
    working_dir: PathBuf,
    scratch: OnceLock<Scratch>,
    links: AtomicU32,
}

impl<'a> Context<'a> {
    /// Opens and checks everything that a run needs.
    ///
    /// # Errors
    ///
    /// For the first thing that is missing or wrong.
    pub(crate) fn open(
        host: &'a Host,
        request: &'a Request,
        sources: &[Source],
        timeout: Option<Duration>,
    ) -> Result<Self> {
        let working_dir = host.settings()?.working_dir;
        let mut destinations = HashMap::new();
        for source in sources {
            let compress = &source.compress;
            if !destinations.contains_key(compress) {
                destinations.insert(compress.clone(), Destination::open(host, compress)?);
            }
        }
        if !request.dry_run {
            Scratch::sweep(&working_dir, ACTION);
        }
        Ok(Self {
            host,
            request,
            memory: Memory::open(host, &working_dir),
            names: Names::of(sources.iter().map(|it| it.path.as_slice())),
            destinations,
            timeout,
            working_dir,
            scratch: OnceLock::new(),
            links: AtomicU32::new(0),
        })
    }

    /// Tells whether all of every repository is dumped.
    pub(crate) fn is_complete(&self) -> bool {
        self.request.full || self.request.start_of_week
    }

    /// Returns where dumps go that are compressed that way.
    ///
    /// # Errors
    ///
    /// If it was not opened, which does not happen for what is configured.
    pub(crate) fn destination(&self, compress: &str) -> Result<&Destination<'a>> {
        let found = self.destinations.get(compress);
        found.ok_or_else(|| Error::msg(format!("the compressor {compress} was not opened")))
    }

    /// Returns any of the destinations: they have one directory.
    pub(crate) fn any_destination(&self) -> Option<&Destination<'a>> {
        self.destinations.values().next()
    }

    /// Returns a path by which Subversion's programs find a repository. They
    /// understand UTF-8 only, so one with another name gets a link.
    ///
    /// # Errors
    ///
    /// If the link cannot be made.
    pub(crate) fn address(&self, path: &[u8]) -> Result<String> {
        if let Ok(text) = std::str::from_utf8(path) {
            return Ok(text.to_owned());
        }
        let scratch = if let Some(scratch) = self.scratch.get() {
            scratch
        } else {
            let made = Scratch::make(&self.working_dir, ACTION)?;
            // If another thread was faster, this one goes away again.
            self.scratch.get_or_init(|| made)
        };
        let number = self.links.fetch_add(1, Ordering::Relaxed);
        let link = scratch.path().join(format!("repository-{number}"));
        symlink(Path::new(OsStr::from_bytes(path)), &link)
            .map_err(|e| Error::from(e).context(format!("cannot make {}", link.display())))?;
        link.into_os_string().into_string().map_err(|_| {
            Error::new(ErrorKind::UNSUPPORTED, "neither it nor <working_dir> has a name in UTF-8")
        })
    }

    /// Starts a program of Subversion.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Result<Started> {
        // Dates are compared with those of other runs.
        let mut process = self.host.process(program).env("TZ", "UTC");
        if let Some(limit) = self.timeout {
            process = process.timeout(limit);
        }
        let process = process.args(arguments.iter().copied()).spawn().map_err(|error| {
            if error.kind() != ErrorKind::NOT_FOUND {
                return error;
            }
            error.hint(format!(
                "install Subversion, on Debian with `apt-get install subversion`, or give the path \
                 of {program} with <override> in <options>"
            ))
        })?;
        Ok(Started { process, program: program.to_owned() })
    }

    /// Fails if a program did not end well.
    ///
    /// # Errors
    ///
    /// What the program said, and what that means.
    pub(crate) fn expect_good_end(program: &str, finished: &Finished) -> Result<()> {
        MEANINGS.of_program(program, finished).map_or(Ok(()), Err)
    }
}
