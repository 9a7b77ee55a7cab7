//! The command that encrypts files before they are uploaded.

/// What stands for the clear file.
const INPUT: &str = "${input}";
/// What stands for the encrypted file.
const OUTPUT: &str = "${output}";

/// How the command is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Template {
    /// A program and its arguments, with the placeholders.
    Words(Vec<String>),
    /// Needs a shell: it has pipes, redirections or the like. The names of
    /// files are variables of the shell, so nothing in them is syntax.
    Shell(String),
}

/// Why a template cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// There is no `${input}` or no `${output}`.
    NoPlaceholder(&'static str),
    /// It is empty.
    Empty,
}

impl TemplateError {
    pub(crate) fn message(self) -> String {
        match self {
            Self::NoPlaceholder(name) => format!("the command has no {name}"),
            Self::Empty => "the command is empty".to_owned(),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// If a placeholder is missing: then nothing would be encrypted.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        for name in [INPUT, OUTPUT] {
            if !text.contains(name) {
                return Err(TemplateError::NoPlaceholder(name));
            }
        }
        Ok(words(text).map_or_else(|| Self::Shell(text.to_owned()), Self::Words))
    }

    /// Returns the program and its arguments for a file.
    pub(crate) fn command(&self, input: &str, output: &str) -> Vec<String> {
        match self {
            Self::Words(words) => words.iter().map(|it| substituted(it, input, output)).collect(),
            // Without field separators what a variable holds stays one word,
            // quoted or not; with -f it is no pattern.
            Self::Shell(text) => {
                let script = format!("set -f; IFS=; input=$1; output=$2; {text}");
                ["sh", "-c", &script, "sh", input, output].map(ToOwned::to_owned).to_vec()
            }
        }
    }
}

/// Fills in the names at once: what one of them contains is no placeholder.
fn substituted(word: &str, input: &str, output: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find("${") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (name, value) = if rest.starts_with(INPUT) {
            (INPUT, input)
        } else if rest.starts_with(OUTPUT) {
            (OUTPUT, output)
        } else {
            ("${", "${")
        };
        text.push_str(value);
        rest = &rest[name.len()..];
    }
    text + rest
}

/// Splits into words as a shell does, if nothing in it needs a shell.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&until(&mut chars, '\'')?),
            '"' => {
                let inside = until(&mut chars, '"')?;
                let plain = inside.replace(INPUT, "").replace(OUTPUT, "");
                if plain.contains(['$', '`', '\\', '!']) {
                    return None;
                }
                word.get_or_insert_default().push_str(&inside);
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '$' => {
                let rest = chars.as_str();
                let name = ["{input}", "{output}"].into_iter().find(|it| rest.starts_with(it))?;
                let word = word.get_or_insert_default();
                word.push('$');
                word.push_str(name);
                chars = rest[name.len()..].chars();
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' | '*' | '?' | '[' | '#' | '~' | '{'
            | '}' | '!' => return None,
            // An assignment before the command.
            '=' if words.is_empty() => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!words.is_empty()).then_some(words)
}

fn until(chars: &mut std::str::Chars<'_>, end: char) -> Option<String> {
    let (inside, rest) = chars.as_str().split_once(end)?;
    *chars = rest.chars();
    Some(inside.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn templates_become_words_or_need_a_shell() {
        let words = |it: &[&str]| Ok(Template::Words(it.iter().map(ToString::to_string).collect()));
        let shell = |it: &str| Ok(Template::Shell(it.to_owned()));
        let cases = [
            ("gpg -o ${output} ${input}", words(&["gpg", "-o", "${output}", "${input}"])),
            (
                "x --to=${output}.y \"${input}\" 'a  b' \\$c",
                words(&["x", "--to=${output}.y", "${input}", "a  b", "$c"]),
            ),
            ("x < ${input} > ${output}", shell("x < ${input} > ${output}")),
            ("A=1 x ${input} ${output}", shell("A=1 x ${input} ${output}")),
            ("x ~/key ${input} ${output}", shell("x ~/key ${input} ${output}")),
            ("x \"$HOME/key\" ${input} ${output}", shell("x \"$HOME/key\" ${input} ${output}")),
            ("gpg -e ${input}", Err(TemplateError::NoPlaceholder(OUTPUT))),
            ("gpg ${output}", Err(TemplateError::NoPlaceholder(INPUT))),
            (" ", Err(TemplateError::Empty)),
        ];
        for (text, expected) in cases {
            assert_eq!(Template::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_never_syntax() {
        let template = Template::parse("x -i ${input} -o ${output}").unwrap();
        let command = template.command("a b; rm ${output}", "c");
        assert_eq!(command, ["x", "-i", "a b; rm ${output}", "-o", "c"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn a_shell_gets_names_as_they_are(name in "[ -~\n*?]{1,20}") {
            let text = "printf '%s|%s' ${input} \"${output}\" | cat";
            let command = Template::parse(text).unwrap().command(&name, "o u t");
            let output = std::process::Command::new(&command[0]).args(&command[1..]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{name}|o u t"));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[ -~é]{0,30}") {
            drop(Template::parse(&format!("{text}${{input}} ${{output}}{text}")));
            drop(Template::parse(&text));
        }
    }
}
