//! Further arguments of a program, out of the configuration.

/// The options of a program that an action decides itself.
#[derive(Debug, Clone, Copy)]
pub struct OwnOptions {
    /// The long name, the letter (a blank if there is none), and what to do
    /// instead of giving it.
    pub options: &'static [(&'static str, char, &'static str)],
    /// The letters of those options whose value follows in the same argument.
    pub with_value: &'static str,
    /// Returns the plain name of a long option that has several spellings.
    pub plain: fn(&str) -> String,
}

impl OwnOptions {
    /// Returns why an argument cannot be passed on: it is no option, or one
    /// of these. `None` if it can.
    pub fn refuse(&self, argument: &str) -> Option<&'static str> {
        let Some(long) = argument.strip_prefix("--") else { return self.refuse_letters(argument) };
        let name = long.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Some("it is no option");
        }
        let name = (self.plain)(name);
        // Programs accept the beginning of a long option too.
        let own = self.options.iter().find(|(long, ..)| long.starts_with(&name));
        own.map(|(.., why)| *why)
    }

    /// Returns how an argument is called in a message: by its option. A value may
    /// be a secret.
    pub fn shown(argument: &str) -> &str {
        match argument.strip_prefix("--") {
            Some(_) => argument.split('=').next().unwrap_or_default(),
            None if argument.starts_with('-') => {
                argument.char_indices().nth(2).map_or(argument, |(end, _)| &argument[..end])
            }
            None => "…",
        }
    }

    fn refuse_letters(&self, argument: &str) -> Option<&'static str> {
        let Some(letters) = argument.strip_prefix('-').filter(|it| !it.is_empty()) else {
            return Some("it is no option; a value goes with its option, as --option=value");
        };
        let flags = letters.chars().scan(false, |value, letter| {
            // What follows one of these is its value.
            (!std::mem::replace(value, self.with_value.contains(letter))).then_some(letter)
        });
        let own = |flag| self.options.iter().find(|(_, letter, _)| *letter == flag);
        flags.filter_map(own).map(|(.., why)| *why).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_action_decides_is_refused_in_every_spelling() {
        let own = OwnOptions {
            options: &[("file", 'f', "its name is fixed"), ("version", ' ', "it dumps nothing")],
            with_value: "n",
            plain: |name| name.replace('_', "-"),
        };
        let cases = [
            ("--no-owner", true),
            ("--fil=/etc/passwd", false),
            ("-f/etc/passwd", false),
            ("-Of", false),
            ("-nfinance", true),
            ("--vers", false),
            ("value", false),
            ("-", false),
            ("--", false),
            ("", false),
        ];
        let shown = [
            ("--password=x", "--password"),
            ("-px", "-p"),
            ("-é", "-é"),
            ("-", "-"),
            ("secret", "…"),
            ("", "…"),
        ];
        for (argument, expected) in shown {
            assert_eq!(OwnOptions::shown(argument), expected);
        }
        for (argument, passed) in cases {
            assert_eq!(own.refuse(argument).is_none(), passed, "{argument:?}");
        }
    }
}
