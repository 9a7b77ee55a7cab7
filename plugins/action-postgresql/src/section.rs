//! From the `<postgresql>` section to what is to be done.

use hayloft_dump::OwnOptions;
use hayloft_plugin_api::{
    Diagnostic, Error, Position, Result,
    cedar::{Located, Postgresql, Text, text},
};

use crate::{
    arguments,
    settings::{Connection, Format, Selection, Settings},
};

/// Checks what Cedar Backup has no rules for, and makes it usable.
///
/// # Errors
///
/// Everything that is wrong, each with its place.
pub(crate) fn settings(section: &Postgresql) -> Result<Settings> {
    let wrong = check(section);
    if !wrong.is_empty() {
        return Err(Error::configuration(wrong));
    }
    Ok(Settings {
        connection: connection(section),
        compress: text(&section.compress_mode).unwrap_or("none").to_owned(),
        all: section.all,
        databases: values(&section.databases),
        exclude: values(&section.exclude),
        format: format(section),
        jobs: number(section.jobs.as_ref()),
        parallel: number(section.parallel.as_ref()),
        globals: section.globals,
        selection: Selection {
            schemas: values(&section.schemas),
            exclude_schemas: values(&section.exclude_schemas),
            tables: values(&section.tables),
            exclude_tables: values(&section.exclude_tables),
            exclude_table_data: values(&section.exclude_table_data),
        },
        timeout: section.timeout.as_ref().map(|it| it.value.get()),
        arguments: values(&section.options),
    })
}

fn connection(section: &Postgresql) -> Connection {
    Connection {
        host: owned(&section.host),
        port: section.port.as_ref().and_then(|it| it.value.try_into().ok()),
        user: owned(&section.user),
        service: owned(&section.service),
        password_file: text(&section.password_file).map(Into::into),
    }
}

fn format(section: &Postgresql) -> Format {
    match text(&section.format) {
        Some("custom") => Format::Custom,
        Some("directory") => Format::Directory,
        _ => Format::Plain,
    }
}

fn owned(value: &Text) -> Option<String> {
    text(value).map(ToOwned::to_owned)
}

fn values(located: &[Located<String>]) -> Vec<String> {
    located.iter().map(|it| it.value.clone()).collect()
}

fn number(value: Option<&Located<i64>>) -> Option<u32> {
    // More than that is as good as no limit.
    value.map(|it| it.value.try_into().unwrap_or(u32::MAX))
}

fn check(section: &Postgresql) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    let mut complain = |position: Position, element: &str, message: &str, help: &str| {
        let path = format!("{}/{element}", section.place.path);
        wrong.push(Diagnostic::error(position, path, message).help(help));
    };
    if let Some(first) = section.exclude.first()
        && !section.all
    {
        let message = "<exclude> leaves databases out of <all>, which is not Y";
        complain(first.position, "exclude", message, "leave out the <exclude> elements");
    }
    if let Some(jobs) = &section.jobs
        && jobs.value > 1
        && format(section) != Format::Directory
    {
        let message = "only <format>directory</format> is written by several <jobs>";
        let help = "change the format, or use <parallel> to dump several databases at once";
        complain(jobs.position, "jobs", message, help);
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

    fn section() -> Postgresql {
        Postgresql {
            compress_mode: Some(located("gzip".into())),
            databases: vec![located("a".into())],
            ..Postgresql::default()
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_place_and_remedy() {
        let cases = [
            (Postgresql { exclude: vec![located("b".into())], ..section() }, "<exclude>"),
            (Postgresql { jobs: Some(located(2)), ..section() }, "<jobs>"),
            (Postgresql { options: vec![located("-Fc".into())], ..section() }, "`-F`"),
        ];
        for (section, message) in cases {
            let error = settings(&section).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
            let diagnostic = &error.diagnostics()[0];
            assert!(diagnostic.message.contains(message), "{diagnostic}");
            assert_eq!(diagnostic.position, Position { line: 7, column: 9 });
            assert!(diagnostic.help.is_some(), "{diagnostic}");
        }
    }

    #[test]
    fn a_section_becomes_settings() {
        let directory = Postgresql {
            format: Some(located("directory".into())),
            jobs: Some(located(4)),
            port: Some(located(5433)),
            ..section()
        };
        let made = settings(&directory).unwrap();
        assert_eq!(made.compress, "gzip");
        assert_eq!(made.databases, ["a"]);
        assert_eq!((made.format, made.jobs), (Format::Directory, Some(4)));
        assert_eq!(made.connection.port, Some(5433));
        assert!(made.has_globals_file());
        assert!(!settings(&section()).unwrap().has_globals_file());
    }
}
