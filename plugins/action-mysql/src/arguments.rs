//! The command lines of the dump program.

use hayloft_dump::OwnOptions;

use crate::{
    plan::{Content, Dump},
    settings::{Extras, Settings},
};

/// Returns the arguments that make `dump`, without those that lead to the
/// server.
///
/// Cedar Backup says `-all`, which these programs read as `-a -l -l`; `--opt`
/// has both of it in itself.
pub(crate) fn arguments(settings: &Settings, dump: &Dump, extras: Extras) -> Vec<String> {
    let mut arguments = vec!["--opt".to_owned(), "--default-character-set=utf8mb4".to_owned()];
    let mut add = |argument: &str| arguments.push(argument.to_owned());
    // The end of a dump is a comment, and each is looked for.
    add("--comments");
    if dump.flush_logs {
        add("--flush-logs");
    }
    if settings.single_transaction {
        add("--single-transaction");
        add("--skip-lock-tables");
    }
    add(if extras.routines == Some(false) { "--skip-routines" } else { "--routines" });
    add(if extras.events == Some(false) { "--skip-events" } else { "--events" });
    add(if extras.triggers == Some(false) { "--skip-triggers" } else { "--triggers" });
    settings.arguments.iter().for_each(|it| add(it));
    match &dump.content {
        Content::All => add("--all-databases"),
        Content::Database(name) => {
            add("--databases");
            // What follows is no option, whatever it looks like.
            add("--");
            add(name);
        }
    }
    arguments
}

/// The options that this plugin's own settings decide.
pub(crate) const OWN: OwnOptions = OwnOptions {
    options: &[
        ("all-databases", 'A', "use <all>"),
        ("databases", 'B', "use <database>"),
        ("tables", ' ', "whole databases are dumped; --ignore-table leaves tables out"),
        ("system", ' ', "the database `mysql` has users and grants"),
        ("user", 'u', "use <user>"),
        ("password", 'p', "use <password_file>"),
        ("host", 'h', "use <host>"),
        ("port", 'P', "use <port>"),
        ("socket", 'S', "use <socket>"),
        ("defaults-file", ' ', "use <options_file>"),
        ("defaults-extra-file", ' ', "use <options_file>"),
        ("no-defaults", ' ', "the programs read their own option files"),
        ("print-defaults", ' ', "it dumps nothing, and shows the password"),
        ("login-path", ' ', "use <user> and <password_file>"),
        ("single-transaction", ' ', "use <single_transaction>"),
        ("routines", 'R', "use <routines>"),
        ("events", 'E', "use <events>"),
        ("triggers", ' ', "use <triggers>"),
        ("flush-logs", 'F', "use <flush_logs>"),
        ("comments", 'i', "the end of a dump is a comment, and is looked for"),
        ("compact", ' ', "the end of a dump is a comment, and is looked for"),
        ("result-file", 'r', "the file's name is fixed"),
        ("tab", 'T', "the file's name is fixed"),
        ("dir", ' ', "the file's name is fixed"),
        ("log-error", ' ', "the messages of the program are logged"),
        ("xml", 'X', "the dump is SQL"),
        ("force", 'f', "a dump in which something is missing is no dump"),
        ("ignore-error", ' ', "a dump in which something is missing is no dump"),
        ("help", '?', "it dumps nothing"),
        ("version", 'V', "it dumps nothing"),
    ],
    with_value: "wO#",
    plain,
};

/// `--loose_skip_comments` is about `comments`.
fn plain(name: &str) -> String {
    let mut name = name.replace('_', "-");
    for prefix in ["loose-", "skip-", "disable-", "enable-", "maximum-"] {
        if let Some(rest) = name.strip_prefix(prefix) {
            name = rest.to_owned();
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(content: Content) -> Dump {
        Dump { content, file: String::new(), flush_logs: false }
    }

    fn joined(settings: &Settings, dump: &Dump, extras: Extras) -> String {
        arguments(settings, dump, extras).join(" ")
    }

    const BASE: &str = "--opt --default-character-set=utf8mb4 --comments";

    #[test]
    fn a_name_is_never_taken_for_an_option() {
        for name in ["shop", "--version", "-A", "../x", "it's \"it\"", "two\nlines"] {
            let all = arguments(
                &Settings::default(),
                &dump(Content::Database(name.into())),
                Extras::default(),
            );
            let at = all.iter().position(|it| it == "--").unwrap();
            assert_eq!(all[at - 1..], ["--databases", "--", name]);
        }
    }

    #[test]
    fn what_is_configured_decides_the_arguments() {
        let all = dump(Content::All);
        let plain = Settings::default();
        let more = Settings {
            single_transaction: true,
            arguments: vec!["--hex-blob".into()],
            ..Settings::default()
        };
        let without = Extras { routines: Some(false), events: Some(false), triggers: Some(false) };
        let cases = [
            (&plain, &all, Extras::default(), "--routines --events --triggers --all-databases"),
            (
                &plain,
                &Dump { flush_logs: true, ..all.clone() },
                Extras::default(),
                "--flush-logs --routines --events --triggers --all-databases",
            ),
            (
                &more,
                &all,
                without,
                "--single-transaction --skip-lock-tables --skip-routines --skip-events \
                 --skip-triggers --hex-blob --all-databases",
            ),
        ];
        for (settings, dump, extras, expected) in cases {
            assert_eq!(joined(settings, dump, extras), format!("{BASE} {expected}"));
        }
    }

    #[test]
    fn arguments_that_the_plugin_decides_are_refused() {
        let cases = [
            ("--hex-blob", true),
            ("--max-allowed-packet=1G", true),
            ("--ignore-table=shop.log", true),
            ("--skip-opt", true),
            ("--column-statistics=0", true),
            ("--master-data=2", true),
            ("-wa=1", true),
            ("-q", true),
            ("--all-databases", false),
            ("--all_databases", false),
            ("-A", false),
            ("-qA", false),
            ("-psecret", false),
            ("--pass=secret", false),
            ("--loose-skip_comments", false),
            ("--compact", false),
            ("--result-file=/etc/passwd", false),
            ("-r/etc/passwd", false),
            ("--force", false),
            ("--", false),
            ("shop", false),
        ];
        for (argument, passed) in cases {
            assert_eq!(OWN.refuse(argument).is_none(), passed, "{argument:?}");
        }
    }
}
