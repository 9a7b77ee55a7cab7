//! The switches of Cedar Backup's commands, and what their values must be.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use thiserror::Error;

use super::{
    Program,
    getopt::{self, GetoptError, Given, Switch},
};

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct Options {
    /// Show the help.
    pub help: bool,
    /// Show the version.
    pub version: bool,
    /// Show facts about program and machine.
    pub diagnostics: bool,
    /// Show messages of level info.
    pub verbose: bool,
    /// Show nothing.
    pub quiet: bool,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Back everything up, whatever the day.
    pub full: bool,
    /// Run the actions on managed peers too.
    pub managed: bool,
    /// Run the actions on managed peers only.
    pub managed_only: bool,
    /// The log file.
    pub logfile: Option<PathBuf>,
    /// User and group of a new log file.
    pub owner: Option<(String, String)>,
    /// Permission bits of a new log file.
    pub mode: Option<u64>,
    /// Log what other programs write.
    pub output: bool,
    /// Log more.
    pub debug: bool,
    /// Show errors with all that caused them.
    pub stack: bool,
    /// What is there to be said about the arguments of the S3 tool.
    pub sync: Sync,
    /// What stands behind the switches.
    pub words: Vec<OsString>,
}

/// Switches that only `cback3-amazons3-sync` has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sync {
    /// Change nothing.
    pub verify_only: bool,
    /// Delete nothing.
    pub upload_only: bool,
    /// Do not look at the names of the files.
    pub ignore_warnings: bool,
}

/// What is wrong with a command line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsageError {
    /// A switch cannot be understood.
    #[error(transparent)]
    Switch(#[from] GetoptError),
    /// A value is empty.
    #[error("The {0} parameter must be a non-empty string.")]
    Empty(&'static str),
    /// An owner without a colon.
    #[error("Must specify user and group tuple for owner parameter.")]
    Owner,
    /// An owner with an empty half.
    #[error("User and group tuple values must be non-empty strings.")]
    EmptyOwner,
    /// A mode that is not octal.
    #[error("invalid literal for int() with base 8: {0}")]
    NotOctal(String),
    /// A mode below 0.
    #[error("Mode must be an octal integer >= 0, such as 644.")]
    NegativeMode,
    /// No action.
    #[error("At least one action must be specified.")]
    NoAction,
    /// Both ways of running actions on managed peers.
    #[error("The --managed and --managed-only options may not be combined.")]
    ManagedTwice,
    /// Not exactly two words for the S3 tool.
    #[error("Source directory and S3 bucket URL are both required.")]
    SourceAndBucket,
}

const fn flag(short: char, long: &'static str) -> Switch {
    Switch { short, long, value: false }
}

const fn valued(short: char, long: &'static str) -> Switch {
    Switch { short, long, value: true }
}

/// The switches of `cback3` and `cback3-span`.
const CBACK3: &[Switch] = &[
    flag('h', "help"),
    flag('V', "version"),
    flag('b', "verbose"),
    flag('q', "quiet"),
    valued('c', "config"),
    flag('f', "full"),
    flag('M', "managed"),
    flag('N', "managed-only"),
    valued('l', "logfile"),
    valued('o', "owner"),
    valued('m', "mode"),
    flag('O', "output"),
    flag('d', "debug"),
    flag('s', "stack"),
    flag('D', "diagnostics"),
];

/// The switches of `cback3-amazons3-sync`.
const SYNC: &[Switch] = &[
    flag('h', "help"),
    flag('V', "version"),
    flag('b', "verbose"),
    flag('q', "quiet"),
    valued('l', "logfile"),
    valued('o', "owner"),
    valued('m', "mode"),
    flag('O', "output"),
    flag('d', "debug"),
    flag('s', "stack"),
    flag('D', "diagnostics"),
    flag('v', "verifyOnly"),
    flag('u', "uploadOnly"),
    flag('w', "ignoreWarnings"),
];

impl Options {
    /// Reads a command line; the name of the program is not in it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in Cedar Backup's order.
    pub fn parse(program: Program, words: &[OsString]) -> Result<Self, UsageError> {
        let switches = if program == Program::Sync { SYNC } else { CBACK3 };
        let given = getopt::parse(words, switches)?;
        let options = Self {
            help: given.has("help"),
            version: given.has("version"),
            diagnostics: given.has("diagnostics"),
            verbose: given.has("verbose"),
            quiet: given.has("quiet"),
            config: path(&given, "config")?,
            full: given.has("full"),
            managed: given.has("managed"),
            managed_only: given.has("managed-only"),
            logfile: path(&given, "logfile")?,
            owner: last(&given, "owner", owner)?,
            mode: last(&given, "mode", mode)?,
            output: given.has("output"),
            debug: given.has("debug"),
            stack: given.has("stack"),
            sync: Sync {
                verify_only: given.has("verifyOnly"),
                upload_only: given.has("uploadOnly"),
                ignore_warnings: given.has("ignoreWarnings"),
            },
            words: given.words,
        };
        options.check(program)?;
        Ok(options)
    }

    /// Tells whether something is only to be shown.
    pub fn only_shows(&self) -> bool {
        self.help || self.version || self.diagnostics
    }

    fn check(&self, program: Program) -> Result<(), UsageError> {
        let works = !self.only_shows();
        match program {
            Program::Cback3 if works && self.words.is_empty() => Err(UsageError::NoAction),
            Program::Cback3 if self.managed && self.managed_only => Err(UsageError::ManagedTwice),
            Program::Sync if works && self.words.len() != 2 => Err(UsageError::SourceAndBucket),
            _ => Ok(()),
        }
    }

    /// Returns the command line with long names and in Cedar Backup's order, as
    /// the log has it.
    pub fn normalised(&self) -> String {
        let flag = |given: bool, name: &str| given.then(|| format!("--{name} "));
        let quoted =
            |name: &str, value: Option<String>| value.map(|value| format!("--{name} \"{value}\" "));
        let path = |it: &Option<PathBuf>| it.as_ref().map(|it| it.display().to_string());
        let owner = self.owner.as_ref().map(|(user, group)| format!("{user}:{group}"));
        let switches = [
            flag(self.verbose, "verbose"),
            flag(self.quiet, "quiet"),
            quoted("config", path(&self.config)),
            flag(self.full, "full"),
            flag(self.managed, "managed"),
            flag(self.managed_only, "managed-only"),
            quoted("logfile", path(&self.logfile)),
            quoted("owner", owner),
            self.mode.map(|it| format!("--mode {it:o} ")),
            flag(self.output, "output"),
            flag(self.debug, "debug"),
            flag(self.stack, "stack"),
            flag(self.sync.verify_only, "verifyOnly"),
            flag(self.sync.upload_only, "uploadOnly"),
            flag(self.sync.ignore_warnings, "ignoreWarnings"),
        ];
        let words = self.words.iter().map(|it| format!("\"{}\" ", it.display()));
        switches.into_iter().flatten().chain(words).collect()
    }
}

/// Reads all values that matter, and returns that of the last: a wrong one is
/// wrong even if another wins.
fn last<T>(
    given: &Given,
    long: &str,
    read: impl Fn(&OsStr) -> Result<T, UsageError>,
) -> Result<Option<T>, UsageError> {
    given.values(long).try_fold(None, |_, value| read(value).map(Some))
}

fn path(given: &Given, long: &'static str) -> Result<Option<PathBuf>, UsageError> {
    last(given, long, |value| {
        if value.is_empty() { Err(UsageError::Empty(long)) } else { Ok(PathBuf::from(value)) }
    })
}

fn owner(value: &OsStr) -> Result<(String, String), UsageError> {
    let value = value.to_string_lossy();
    let (user, group) = value.split_once(':').ok_or(UsageError::Owner)?;
    if user.is_empty() || group.is_empty() {
        return Err(UsageError::EmptyOwner);
    }
    Ok((user.to_owned(), group.to_owned()))
}

/// Reads an octal number as Python's `int(text, 8)` does: blanks around, a
/// sign, `0o` in front, single underscores between digits.
fn mode(value: &OsStr) -> Result<u64, UsageError> {
    let text = value.to_string_lossy();
    let number = text.trim();
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let prefix = digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O"));
    let digits = prefix.map_or(digits, |it| it.strip_prefix('_').unwrap_or(it));
    let good = digits.split('_').all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    let read = good.then(|| u64::from_str_radix(&digits.replace('_', ""), 8));
    match read {
        Some(Ok(mode)) if negative && mode > 0 => Err(UsageError::NegativeMode),
        Some(Ok(mode)) => Ok(mode),
        _ => Err(UsageError::NotOctal(python_quoted(&text))),
    }
}

fn python_quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let inner = text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    let inner = if quote == '\'' { inner.replace('\'', "\\'") } else { inner };
    format!("{quote}{inner}{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(program: Program, words: &[&str]) -> Result<Options, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Options::parse(program, &words).map_err(|e| e.to_string())
    }

    #[test]
    fn wrong_command_lines_are_refused_in_cedar_backups_words() {
        let cases: [(&[&str], &str); 18] = [
            (&[], "At least one action must be specified."),
            (&["-b", "-q"], "At least one action must be specified."),
            (&["--nosuch"], "option --nosuch not recognized"),
            (&["--ver", "all"], "option --ver not a unique prefix"),
            (&["-c", "", "all"], "The config parameter must be a non-empty string."),
            (
                &["-c", "", "--config", "x", "all"],
                "The config parameter must be a non-empty string.",
            ),
            (&["--logfile=", "all"], "The logfile parameter must be a non-empty string."),
            (&["-o", "root", "all"], "Must specify user and group tuple for owner parameter."),
            (&["-o", "root:", "all"], "User and group tuple values must be non-empty strings."),
            (&["-o", ":adm", "all"], "User and group tuple values must be non-empty strings."),
            (&["-m", "9z", "all"], "invalid literal for int() with base 8: '9z'"),
            (&["-m", "", "all"], "invalid literal for int() with base 8: ''"),
            (&["-m", "6__4", "all"], "invalid literal for int() with base 8: '6__4'"),
            (&["-m", "it's", "all"], "invalid literal for int() with base 8: \"it's\""),
            (&["-m", "-4", "all"], "Mode must be an octal integer >= 0, such as 644."),
            (&["-M", "-N", "all"], "The --managed and --managed-only options may not be combined."),
            (&["-D", "-M", "-N"], "The --managed and --managed-only options may not be combined."),
            (&["--help", "-m", "8"], "invalid literal for int() with base 8: '8'"),
        ];
        for (words, message) in cases {
            assert_eq!(parsed(Program::Cback3, words).unwrap_err(), message, "{words:?}");
        }
    }

    #[test]
    fn modes_are_read_as_python_reads_them() {
        for (text, mode) in
            [("640", 0o640), ("0o640", 0o640), (" +6_40 ", 0o640), ("-0", 0), ("0O_7", 7)]
        {
            let options = parsed(Program::Cback3, &["-m", text, "all"]).unwrap();
            assert_eq!(options.mode, Some(mode), "{text}");
        }
    }

    #[test]
    fn an_owner_is_split_at_the_first_colon() {
        let options = parsed(Program::Cback3, &["-o", "a:b:c", "all"]).unwrap();
        assert_eq!(options.owner, Some(("a".to_owned(), "b:c".to_owned())));
    }

    #[test]
    fn what_only_shows_something_needs_no_action() {
        for word in ["-h", "-V", "-D", "--diag"] {
            assert!(parsed(Program::Cback3, &[word]).unwrap().only_shows(), "{word}");
        }
    }

    #[test]
    fn the_other_commands_have_rules_of_their_own() {
        assert!(parsed(Program::Span, &["-M", "-N", "whatever"]).is_ok());
        assert!(parsed(Program::Sync, &["-u", "/a", "s3://b/c"]).unwrap().sync.upload_only);
        for words in [&["/a"][..], &["/a", "b", "c"], &[]] {
            let message = parsed(Program::Sync, words).unwrap_err();
            assert_eq!(message, "Source directory and S3 bucket URL are both required.");
        }
        assert_eq!(parsed(Program::Sync, &["-c", "x"]).unwrap_err(), "option -c not recognized");
    }

    #[test]
    fn the_log_has_the_command_line_with_long_names() {
        let words =
            ["-fMdsObq", "-m0640", "-oa:b", "-c", "x y", "-l", "z", "collect", "purge", "-h"];
        let text = parsed(Program::Cback3, &words).unwrap().normalised();
        let expected = "--verbose --quiet --config \"x y\" --full --managed --logfile \"z\" \
                        --owner \"a:b\" --mode 640 --output --debug --stack \
                        \"collect\" \"purge\" \"-h\" ";
        assert_eq!(text, expected);
        let words = ["-wuvsb", "/s", "s3://b"];
        let text = parsed(Program::Sync, &words).unwrap().normalised();
        let expected = "--verbose --stack --verifyOnly --uploadOnly --ignoreWarnings \
                        \"/s\" \"s3://b\" ";
        assert_eq!(text, expected);
    }
}
