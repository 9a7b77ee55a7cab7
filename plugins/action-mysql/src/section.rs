//! From the `<mysql>` section to what is to be done.

use hayloft_dump::OwnOptions;
use hayloft_plugin_api::{
    Diagnostic, Error, Position, Result,
    cedar::{Located, Mysql, Text, text},
    config::{Secret, SecretSource},
};

use crate::{
    arguments,
    settings::{Connection, Extras, Settings, Which},
};

/// Checks what Cedar Backup has no rules for, and makes it usable.
///
/// # Errors
///
/// Everything that is wrong, each with its place.
pub(crate) fn settings(section: &Mysql) -> Result<Settings> {
    let wrong = check(section);
    if !wrong.is_empty() {
        return Err(Error::configuration(wrong));
    }
    Ok(Settings {
        connection: connection(section),
        compress: text(&section.compress_mode).unwrap_or("none").to_owned(),
        which: which(section),
        single_transaction: section.single_transaction,
        flush_logs: section.flush_logs.unwrap_or(true),
        extras: Extras {
            routines: section.routines,
            events: section.events,
            triggers: section.triggers,
        },
        // More than that is as good as no limit.
        parallel: section.parallel.as_ref().map(|it| it.value.try_into().unwrap_or(u32::MAX)),
        timeout: section.timeout.as_ref().map(|it| it.value.get()),
        arguments: values(&section.options),
    })
}

fn which(section: &Mysql) -> Which {
    match (section.all, section.file_per_database || !section.exclude.is_empty()) {
        (true, false) => Which::AllInOne,
        (true, true) => Which::AllBut(values(&section.exclude)),
        (false, _) => Which::Named(values(&section.databases)),
    }
}

fn connection(section: &Mysql) -> Connection {
    Connection {
        user: owned(&section.user),
        password: SecretSource::from_parts(
            text(&section.password).map(Secret::new),
            text(&section.password_file).map(Into::into),
            owned(&section.password_command),
        ),
        host: owned(&section.host),
        port: section.port.as_ref().and_then(|it| it.value.try_into().ok()),
        socket: owned(&section.socket),
        options_file: text(&section.options_file).map(Into::into),
    }
}

fn owned(value: &Text) -> Option<String> {
    text(value).map(ToOwned::to_owned)
}

fn values(located: &[Located<String>]) -> Vec<String> {
    located.iter().map(|it| it.value.clone()).collect()
}

fn check(section: &Mysql) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    let mut complain = |position: Position, element: &str, message: &str, help: &str| {
        let path = format!("{}/{element}", section.place.path);
        wrong.push(Diagnostic::error(position, path, message).help(help));
    };
    let sources = [
        ("password", &section.password),
        ("password_file", &section.password_file),
        ("password_command", &section.password_command),
    ];
    let given = sources.iter().filter_map(|(name, it)| it.as_ref().map(|it| (*name, it.position)));
    for (name, position) in given.skip(1) {
        let message = format!("<{name}> is a second source of the password");
        complain(position, name, &message, "keep one of them");
    }
    if !section.all {
        if let Some(first) = section.exclude.first() {
            let message = "<exclude> leaves databases out of <all>, which is not Y";
            complain(first.position, "exclude", message, "leave out the <exclude> elements");
        }
        if section.file_per_database {
            let message = "named databases have a file each anyway";
            let help = "leave out <file_per_database>, or set <all>Y</all>";
            complain(section.place.position, "file_per_database", message, help);
        }
    }
    let lines = [("options_file", &section.options_file), ("socket", &section.socket)];
    for (name, it) in lines {
        if let Some(it) = it.as_ref().filter(|it| it.value.contains(['\n', '\r'])) {
            complain(it.position, name, "the path is more than one line", "write it on one line");
        }
    }
    for option in &section.options {
        if let Some(why) = arguments::OWN.refuse(&option.value) {
            let name = OwnOptions::shown(&option.value);
            let message = format!("the argument `{name}` cannot be passed on");
            complain(option.position, "option", &message, why);
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::ErrorKind;

    use super::*;

    fn located<T>(value: T) -> Located<T> {
        Located { value, position: Position { line: 7, column: 9 } }
    }

    fn some(value: &str) -> Text {
        (!value.is_empty()).then(|| located(value.to_owned()))
    }

    fn section() -> Mysql {
        Mysql {
            compress_mode: some("gzip"),
            databases: vec![located("a".into())],
            ..Mysql::default()
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_place_and_remedy() {
        let two = Mysql { password: some("x"), password_file: some("/x"), ..section() };
        let cases = [
            (two, "<password_file>"),
            (Mysql { exclude: vec![located("b".into())], ..section() }, "<exclude>"),
            (Mysql { options: vec![located("-A".into())], ..section() }, "`-A`"),
            (Mysql { socket: some("/a\nb"), ..section() }, "one line"),
        ];
        for (section, message) in cases {
            let error = settings(&section).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
            let diagnostic = &error.diagnostics()[0];
            assert!(diagnostic.message.contains(message), "{diagnostic}");
            assert_eq!(diagnostic.position, Position { line: 7, column: 9 });
            assert!(diagnostic.help.is_some(), "{diagnostic}");
        }
        assert!(settings(&Mysql { file_per_database: true, ..section() }).is_err());
    }

    #[test]
    fn a_section_becomes_settings() {
        let made = settings(&Mysql {
            port: Some(located(3307)),
            parallel: Some(located(i64::MAX)),
            password: some("secret"),
            ..section()
        })
        .unwrap();
        assert_eq!((made.compress.as_str(), made.flush_logs), ("gzip", true));
        assert_eq!((made.connection.port, made.parallel), (Some(3307), Some(u32::MAX)));
        let password = made.connection.password.resolve().unwrap().unwrap();
        assert_eq!(password.expose(), "secret");
        assert!(!format!("{made:?}").contains("secret"));
    }
}
