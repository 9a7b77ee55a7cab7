//! What the messages of a program mean, and what to do.

use hayloft_plugin_api::{Error, ErrorKind, Finished};

/// A message of a program, and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Meaning {
    part: &'static str,
    also: &'static str,
    kind: ErrorKind,
    hint: &'static str,
}

/// Says what a line that contains `part` means.
pub const fn means(part: &'static str, kind: ErrorKind, hint: &'static str) -> Meaning {
    Meaning { part, also: "", kind, hint }
}

impl Meaning {
    /// The line must contain this too.
    #[must_use]
    pub const fn only_with(self, also: &'static str) -> Self {
        Self { also, ..self }
    }

    fn is_in(&self, line: &str) -> bool {
        line.contains(self.part) && line.contains(self.also)
    }
}

/// The messages of a family of programs; the first one that is found counts.
#[derive(Debug, Clone, Copy)]
pub struct Meanings {
    /// The name of the section of the configuration, for hints.
    pub section: &'static str,
    /// The messages, the most telling first.
    pub messages: &'static [Meaning],
}

impl Meanings {
    /// Turns the bad end of a program into an error with kind and remedy and
    /// with the last lines of its standard error; `None` if the end is a good
    /// one.
    pub fn of_program(&self, program: &str, finished: &Finished) -> Option<Error> {
        let mut finished = finished.clone();
        let lines = finished.stderr.lines().map(str::trim_end).filter(|line| !line.is_empty());
        finished.stderr = lines.collect::<Vec<_>>().join("\n");
        let (timed_out, stderr) = (finished.timed_out, finished.stderr.clone());
        let error = finished.into_result(program).err()?;
        if timed_out {
            let section = self.section;
            let hint = format!("raise <timeout> in the <{section}> section, or look what blocks");
            return Some(error.hint(hint));
        }
        let found = self.messages.iter().find(|it| stderr.lines().any(|line| it.is_in(line)));
        Some(match found {
            Some(it) => error.with_kind(it.kind).hint(it.hint),
            None => error,
        })
    }
}

/// Makes one error of those of several dumps; `None` if there are none. If
/// others of `all` are good, it is [`ErrorKind::INCOMPLETE`].
pub(crate) fn of_several(mut failed: Vec<(String, Error)>, all: usize) -> Option<Error> {
    if failed.len() < 2 {
        let (what, error) = failed.pop()?;
        let kind = if all > 1 { ErrorKind::INCOMPLETE } else { error.kind() };
        return Some(error.context(format!("cannot dump {what}")).with_kind(kind));
    }
    let first = &failed[0].1;
    let same = failed.iter().all(|(_, error)| error.kind() == first.kind());
    let number = failed.len();
    let kind = match (number == all, same) {
        (false, _) => ErrorKind::INCOMPLETE,
        (true, true) => first.kind(),
        (true, false) => ErrorKind::OTHER,
    };
    let hint = first.remedy().map(ToOwned::to_owned);
    // The innermost cause is made first.
    let mut texts = failed.into_iter().rev().map(|(what, error)| format!("{what}: {error}"));
    let mut error = Error::msg(texts.next()?);
    for text in texts {
        error = error.context(text);
    }
    let message = if number == all {
        format!("none of {all} dumps could be made")
    } else {
        format!("{number} of {all} dumps could not be made; the others are good")
    };
    error = error.context(message).with_kind(kind);
    Some(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANINGS: Meanings = Meanings {
        section: "x",
        messages: &[
            means("database \"", ErrorKind::NOT_FOUND, "look").only_with("does not exist"),
            means("refused", ErrorKind::TRANSIENT, "start it"),
        ],
    };

    fn ended(stderr: &str) -> Finished {
        Finished { code: Some(1), stderr: stderr.to_owned(), ..Finished::default() }
    }

    #[test]
    fn messages_get_a_kind_and_a_remedy() {
        let cases = [
            ("refused\n database \"x\" is", ErrorKind::TRANSIENT, Some("start it")),
            ("database \"x\" does not exist", ErrorKind::NOT_FOUND, Some("look")),
            ("boom", ErrorKind::OTHER, None),
        ];
        for (stderr, kind, hint) in cases {
            let error = MEANINGS.of_program("dump", &ended(stderr)).unwrap();
            assert_eq!((error.kind(), error.remedy()), (kind, hint), "{stderr}");
            assert!(error.to_string().contains(stderr), "{error}");
        }
    }

    #[test]
    fn a_good_end_is_no_error_and_a_time_limit_names_its_setting() {
        let good = Finished { code: Some(0), ..Finished::default() };
        assert!(MEANINGS.of_program("dump", &good).is_none());
        let error = MEANINGS.of_program("dump", &ended("boom\n\n")).unwrap();
        assert_eq!(error.to_string(), "dump failed with exit code 1: boom");
        let late = Finished { timed_out: true, signal: Some(15), ..Finished::default() };
        let error = MEANINGS.of_program("dump", &late).unwrap();
        assert_eq!(error.kind(), ErrorKind::TIMED_OUT);
        assert!(error.remedy().unwrap().contains("<timeout> in the <x> section"));
    }

    #[test]
    fn several_failures_are_all_named() {
        let error = |text: &str| Error::new(ErrorKind::NOT_FOUND, text).hint("look");
        let failed =
            vec![("database `a`".into(), error("one")), ("database `b`".into(), error("two"))];
        let none = of_several(failed.clone(), 2).unwrap();
        assert_eq!(none.kind(), ErrorKind::NOT_FOUND);
        assert!(none.message().starts_with("none of 2 dumps"));
        let all = of_several(failed, 3).unwrap();
        assert_eq!(all.kind(), ErrorKind::INCOMPLETE);
        assert_eq!(
            all.to_string(),
            "2 of 3 dumps could not be made; the others are good: database `a`: one: database `b`: two"
        );
        assert_eq!(all.remedy(), Some("look"));
        let one = of_several(vec![("database `a`".into(), error("one"))], 3).unwrap();
        assert_eq!(one.to_string(), "cannot dump database `a`: one");
        assert_eq!(one.kind(), ErrorKind::INCOMPLETE);
        let only = of_several(vec![("it".into(), error("one"))], 1).unwrap();
        assert_eq!(only.kind(), ErrorKind::NOT_FOUND);
        assert!(of_several(Vec::new(), 0).is_none());
    }
}
