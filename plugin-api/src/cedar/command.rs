//! The text of a command such as `<rcp_command>`, cut into words or given to a
//! shell.
//!
//! Cedar Backup cuts such a text into words if it is an ordinary user, and
//! pastes it into a line for `su -c` if it is root.

use std::{iter::Peekable, str::Chars};

/// Splits a command into words as Cedar Backup does: at blanks; double quotes
/// keep blanks together and are removed, and what touches them from outside is
/// a word of its own.
pub fn command_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in command.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split(' ').filter(|it| !it.is_empty()).map(ToOwned::to_owned));
        }
    }
    words
}

/// Returns a command as it is put into a line for a shell.
///
/// It stays as it is if a shell would do nothing with it but to take quotes
/// away, and to put in variables and home directories. Otherwise its words are
/// quoted, so that it runs one program and no other.
pub fn command_for_shell(command: &str) -> String {
    if is_one_command(command) {
        return command.to_owned();
    }
    let words = command_words(command);
    words.iter().map(|it| shell_word(it)).collect::<Vec<_>>().join(" ")
}

/// Quotes `word` so that a POSIX shell takes it for one word. An ordinary one
/// stays as it is.
pub fn shell_word(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        shell_quoted(word)
    }
}

/// Puts `word` into single quotes.
pub fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Tells whether no shell sees anything special in it.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c)
}

/// Tells whether a POSIX shell finds one command in `text`, all of whose words
/// are there: nothing that is run for it, or that stands for names of files.
fn is_one_command(text: &str) -> bool {
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let good = match c {
            '\'' => rest.by_ref().any(|it| it == '\''),
            '"' => is_double_quoted(&mut rest),
            '\\' => rest.next().is_some_and(|it| it != '\n'),
            '$' => is_variable(&mut rest),
            ' ' | '\t' | '~' => true,
            c => is_plain(c) || !c.is_ascii(),
        };
        if !good {
            return false;
        }
    }
    true
}

/// Reads to the end of what stands in double quotes.
fn is_double_quoted(rest: &mut Peekable<Chars<'_>>) -> bool {
    while let Some(c) = rest.next() {
        let good = match c {
            '"' => return true,
            '\\' => rest.next().is_some(),
            '$' => is_variable(rest),
            c => c != '`',
        };
        if !good {
            return false;
        }
    }
    false
}

/// Reads the name of a variable behind its `$`.
fn is_variable(rest: &mut Peekable<Chars<'_>>) -> bool {
    let braces = rest.next_if_eq(&'{').is_some();
    let named = rest.next_if(|it| it.is_ascii_alphabetic() || *it == '_').is_some();
    while rest.next_if(|it| it.is_ascii_alphanumeric() || *it == '_').is_some() {}
    named && (!braces || rest.next() == Some('}'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_split_as_cedar_backup_splits_them() {
        let cases: [(&str, &[&str]); 6] = [
            ("scp", &["scp"]),
            ("  ", &[]),
            ("/usr/bin/scp  -B -q", &["/usr/bin/scp", "-B", "-q"]),
            ("\"/opt/my tools/scp\" -B", &["/opt/my tools/scp", "-B"]),
            ("--x=\"c d\"", &["--x=", "c d"]),
            ("a\tb", &["a\tb"]),
        ];
        for (command, words) in cases {
            assert_eq!(command_words(command), words, "{command}");
        }
    }

    #[test]
    fn an_ordinary_command_reaches_the_shell_as_it_is() {
        for command in [
            "scp",
            "/usr/bin/scp  -B -q",
            "\"/opt/my tools/scp\" -B",
            r#"scp --x="c d" -o 'A b' -o "it's" '"' a\ b"#,
            "scp -i ~/.ssh/key -F $HOME/x ${HOME}/y -o \"User $USER; # & |\"",
            "ssh -o 'ProxyCommand=ssh gate -W %h:%p'",
            "é",
        ] {
            assert_eq!(command_for_shell(command), command);
        }
    }

    #[test]
    fn what_would_be_a_script_is_a_program_with_arguments() {
        let cases = [
            ("scp; rm x", "'scp;' rm x"),
            ("scp $(id)", "scp '$(id)'"),
            ("scp \"`id`\"", "scp '`id`'"),
            ("scp \"$(id)\"", "scp '$(id)'"),
            ("scp > x", "scp '>' x"),
            ("scp & x", "scp '&' x"),
            ("scp *", "scp '*'"),
            ("scp # x", "scp '#' x"),
            ("scp ${x:-`id`}", "scp '${x:-`id`}'"),
            ("scp $1", "scp '$1'"),
            ("scp 'x", r"scp ''\''x'"),
            ("scp \"x", "scp x"),
            ("scp x\\", r"scp 'x\'"),
            ("scp\nid", "'scp\nid'"),
            ("scp \\\nid", "scp '\\\nid'"),
        ];
        for (command, line) in cases {
            assert_eq!(command_for_shell(command), line, "{command:?}");
        }
    }

    /// Returns the words that a shell makes of `line`.
    fn shell(line: &str) -> String {
        let script = format!("printf '%s\\n' {line}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

        #[test]
        fn a_shell_gives_back_the_one_word_that_went_in(text in "[ -~é]{0,12}") {
            for line in [shell_word(&text), shell_quoted(&text)] {
                prop_assert_eq!(shell(&line), format!("{}\n", text), "{}", line);
            }
        }

        #[test]
        fn no_command_makes_a_shell_run_another_one(text in "[ -~\t\n]{0,16}") {
            // What a shell would run, or find, writes its name.
            let line = command_for_shell(&format!("x {text} `echo RUN` $(echo RUN)"));
            prop_assert!(!shell(&line).lines().any(|it| it == "RUN"), "{}", line);
        }
    }
}
