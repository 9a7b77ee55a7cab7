//! Switches, as scripts have been giving them to Cedar Backup for years.
//!
//! These are the rules of the classic `getopt`: the first word that is no
//! switch ends the switches, long ones may be cut to what is still unique,
//! short ones may be joined. No maintained crate has all of that.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use thiserror::Error;

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// Its short name.
    pub short: char,
    /// Its long name.
    pub long: &'static str,
    /// Whether it has a value.
    pub value: bool,
}

/// What is wrong with a command line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GetoptError {
    /// There is no such switch.
    #[error("option {0} not recognized")]
    Unknown(String),
    /// There are several that begin like this.
    #[error("option {0} not a unique prefix")]
    Ambiguous(String),
    /// The value is missing.
    #[error("option {0} requires argument")]
    NoValue(String),
    /// There is a value where there must be none.
    #[error("option {0} must not have an argument")]
    Value(String),
}

/// What was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Short switches and long ones, in their order, by their long names.
    short: Vec<(&'static str, OsString)>,
    long: Vec<(&'static str, OsString)>,
    /// What stands behind the switches.
    pub words: Vec<OsString>,
}

impl Given {
    /// Tells whether a switch was given.
    pub fn has(&self, long: &str) -> bool {
        self.short.iter().chain(&self.long).any(|(name, _)| *name == long)
    }

    /// Returns the values of a switch that matter: the last one of the short
    /// form, then the last one of the long form, which wins.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &OsStr> {
        let last =
            |list: &'_ [(&'static str, OsString)]| list.iter().rposition(|(name, _)| *name == long);
        let short = last(&self.short).map(|at| self.short[at].1.as_os_str());
        let long = last(&self.long).map(|at| self.long[at].1.as_os_str());
        short.into_iter().chain(long)
    }
}

/// Takes a command line apart; the name of the program is not in it.
///
/// # Errors
///
/// The first thing that is wrong.
pub(super) fn parse(words: &[OsString], switches: &'static [Switch]) -> Result<Given, GetoptError> {
    let mut given = Given::default();
    let mut rest = words.iter();
    while let Some(word) = rest.as_slice().first() {
        match word.as_bytes() {
            b"--" => {
                rest.next();
                break;
            }
            [b'-', b'-', name @ ..] => {
                rest.next();
                long(name, switches, &mut rest, &mut given)?;
            }
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                rest.next();
                short(cluster, switches, &mut rest, &mut given)?;
            }
            _ => break,
        }
    }
    given.words = rest.cloned().collect();
    Ok(given)
}

type Rest<'a> = std::slice::Iter<'a, OsString>;

fn long(
    word: &[u8],
    switches: &'static [Switch],
    rest: &mut Rest<'_>,
    given: &mut Given,
) -> Result<(), GetoptError> {
    let equals = word.iter().position(|byte| *byte == b'=');
    let name = &word[..equals.unwrap_or(word.len())];
    let value = equals.map(|at| OsString::from_vec(word[at + 1..].to_vec()));
    let shown = || format!("--{}", String::from_utf8_lossy(name));
    let exact = switches.iter().find(|it| it.long.as_bytes() == name);
    let mut begun = switches.iter().filter(|it| it.long.as_bytes().starts_with(name));
    let switch = match (exact, begun.next(), begun.next()) {
        (Some(switch), ..) | (None, Some(switch), None) => switch,
        (None, None, _) => return Err(GetoptError::Unknown(shown())),
        (None, Some(_), Some(_)) => return Err(GetoptError::Ambiguous(shown())),
    };
    let full = || format!("--{}", switch.long);
    let value = match (switch.value, value) {
        (true, Some(value)) => value,
        (true, None) => rest.next().cloned().ok_or_else(|| GetoptError::NoValue(full()))?,
        (false, None) => OsString::new(),
        (false, Some(_)) => return Err(GetoptError::Value(full())),
    };
    given.long.push((switch.long, value));
    Ok(())
}

fn short(
    cluster: &[u8],
    switches: &'static [Switch],
    rest: &mut Rest<'_>,
    given: &mut Given,
) -> Result<(), GetoptError> {
    for (at, byte) in cluster.iter().enumerate() {
        let letter = char::from(*byte);
        let Some(switch) = switches.iter().find(|it| it.short == letter) else {
            let shown = String::from_utf8_lossy(&cluster[at..]);
            let letter = shown.chars().next().unwrap_or_default();
            return Err(GetoptError::Unknown(format!("-{letter}")));
        };
        if !switch.value {
            given.short.push((switch.long, OsString::new()));
            continue;
        }
        let value = match &cluster[at + 1..] {
            [] => rest.next().cloned(),
            value => Some(OsString::from_vec(value.to_vec())),
        };
        let value = value.ok_or_else(|| GetoptError::NoValue(format!("-{letter}")))?;
        given.short.push((switch.long, value));
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SWITCHES: &[Switch] = &[
        Switch { short: 'b', long: "verbose", value: false },
        Switch { short: 'V', long: "version", value: false },
        Switch { short: 'M', long: "managed", value: false },
        Switch { short: 'N', long: "managed-only", value: false },
        Switch { short: 'c', long: "config", value: true },
    ];

    fn parsed(words: &[&str]) -> Result<Given, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, SWITCHES).map_err(|e| e.to_string())
    }

    fn config(given: &Given) -> Option<&str> {
        given.values("config").last()?.to_str()
    }

    #[test]
    fn switches_end_at_the_first_other_word() {
        type Case = (&'static [&'static str], bool, Option<&'static str>, &'static [&'static str]);
        let cases: [Case; 14] = [
            (&[], false, None, &[]),
            (&["all"], false, None, &["all"]),
            (&["-b", "all", "-c", "x"], true, None, &["all", "-c", "x"]),
            (&["--", "-b"], false, None, &["-b"]),
            (&["-", "-b"], false, None, &["-", "-b"]),
            (&["-bcx", "all"], true, Some("x"), &["all"]),
            (&["-bc", "x"], true, Some("x"), &[]),
            (&["-c=x"], false, Some("=x"), &[]),
            (&["-c", "-b"], false, Some("-b"), &[]),
            (&["--conf", "x"], false, Some("x"), &[]),
            (&["--config=x=y"], false, Some("x=y"), &[]),
            (&["--config="], false, Some(""), &[]),
            (&["--config", "long", "-c", "short"], false, Some("long"), &[]),
            (&["-c", "1", "-c", "2"], false, Some("2"), &[]),
        ];
        for (words, verbose, value, left) in cases {
            let given = parsed(words).unwrap();
            assert_eq!((given.has("verbose"), config(&given)), (verbose, value), "{words:?}");
            assert_eq!(given.words, left, "{words:?}");
        }
    }

    #[test]
    fn a_whole_name_is_never_ambiguous() {
        assert!(parsed(&["--managed"]).unwrap().has("managed"));
        assert!(parsed(&["--managed-"]).unwrap().has("managed-only"));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_that_scripts_know() {
        let cases: [(&[&str], &str); 9] = [
            (&["--nosuch"], "option --nosuch not recognized"),
            (&["--ver"], "option --ver not a unique prefix"),
            (&["--=x"], "option -- not a unique prefix"),
            (&["--conf"], "option --config requires argument"),
            (&["--verb=x"], "option --verbose must not have an argument"),
            (&["-c"], "option -c requires argument"),
            (&["-bx"], "option -x not recognized"),
            (&["-b="], "option -= not recognized"),
            (&["-é"], "option -é not recognized"),
        ];
        for (words, message) in cases {
            assert_eq!(parsed(words).unwrap_err(), message, "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..6)) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            if let Ok(given) = parse(&words, SWITCHES) {
                prop_assert!(words.ends_with(&given.words));
            }
        }
    }
}
