//! The command lines and environments of the dump programs.
//!
//! Other users can read a command line; neither the role nor a password nor,
//! where it can be avoided, the database's name is put there. They travel in
//! the environment, which only the same user can read.

use std::{collections::BTreeMap, path::Path};

use hayloft_dump::OwnOptions;

use crate::{
    names::quote,
    plan::{Content, Dump},
    settings::{Connection, Format, Settings},
};

/// Variables to set; `None` removes one.
pub(crate) type Environment = BTreeMap<&'static str, Option<String>>;

/// How the programs find the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    environment: Environment,
    /// Whether a service is used. libpq prefers what a service says, its
    /// database included, to the environment; only the command line beats it.
    service: bool,
    conninfo: Vec<(&'static str, String)>,
}

impl Target {
    /// Works out how to reach the server. `inherited_service` says whether
    /// our own environment has `PGSERVICE`; `password_file` is in the format
    /// of `~/.pgpass`.
    pub(crate) fn new(
        connection: &Connection,
        inherited_service: bool,
        password_file: Option<&Path>,
    ) -> Self {
        let mut it = Self::default();
        // Messages are looked at, so they must be in English.
        it.set("LC_ALL", "C");
        if let Some(service) = &connection.service {
            it.set("PGSERVICE", service);
        } else if !inherited_service {
            // libpq would look for a service without a name if it is empty.
            it.environment.insert("PGSERVICE", None);
        }
        it.service = connection.service.is_some() || inherited_service;
        if let Some(host) = &connection.host {
            it.connect("host", "PGHOST", host);
            it.environment.insert("PGHOSTADDR", None);
        }
        if let Some(port) = connection.port {
            it.connect("port", "PGPORT", &port.to_string());
        }
        if let Some(user) = &connection.user {
            it.connect("user", "PGUSER", user);
        }
        if let Some(file) = password_file {
            it.set("PGPASSFILE", &file.to_string_lossy());
            it.environment.insert("PGPASSWORD", None);
        }
        it
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.environment.insert(name, Some(value.to_owned()));
    }

    fn connect(&mut self, keyword: &'static str, variable: &'static str, value: &str) {
        if self.service {
            self.conninfo.push((keyword, value.to_owned()));
        }
        self.set(variable, value);
    }

    /// Returns the environment of a program that connects to `database`; to
    /// libpq's own choice if there is none.
    pub(crate) fn environment(&self, database: Option<&str>) -> Environment {
        let mut environment = self.environment.clone();
        if let Some(database) = database {
            environment.insert("PGDATABASE", Some(database.to_owned()));
        }
        environment
    }

    /// Returns the arguments of a program that connects to `database`.
    pub(crate) fn arguments(&self, database: Option<&str>) -> Vec<String> {
        let mut arguments = vec!["--no-password".to_owned()];
        if self.service {
            let database = database.map(|it| ("dbname", it.to_owned()));
            let pairs = database.iter().chain(&self.conninfo);
            let conninfo: Vec<_> =
                pairs.map(|(keyword, value)| format!("{keyword}={}", quote(value))).collect();
            if !conninfo.is_empty() {
                arguments.push(format!("--dbname={}", conninfo.join(" ")));
            }
        }
        arguments
    }
}

/// Returns the program that makes `dump`.
pub(crate) fn program(dump: &Dump) -> &'static str {
    match dump.content {
        Content::Cluster | Content::Globals => "pg_dumpall",
        Content::Database(_) => "pg_dump",
    }
}

/// Returns the database that `dump` is connected to.
pub(crate) fn database(dump: &Dump) -> Option<&str> {
    match &dump.content {
        Content::Database(name) => Some(name),
        Content::Cluster | Content::Globals => None,
    }
}

/// Returns the arguments of [`program`]. `directory` is where the directory
/// format is written to.
pub(crate) fn arguments(
    settings: &Settings,
    target: &Target,
    dump: &Dump,
    directory: Option<&Path>,
) -> Vec<String> {
    let mut arguments = target.arguments(database(dump));
    match dump.content {
        Content::Globals => arguments.push("--globals-only".to_owned()),
        Content::Cluster => arguments.extend(settings.arguments.iter().cloned()),
        Content::Database(_) => of_database(settings, dump, &mut arguments),
    }
    if let Some(directory) = directory {
        arguments.push(format!("--file={}", directory.display()));
    }
    arguments
}

fn of_database(settings: &Settings, dump: &Dump, arguments: &mut Vec<String>) {
    let mut add = |option: &str, value: &str| arguments.push(format!("--{option}={value}"));
    add("format", dump.format.name());
    if dump.format != Format::Plain && settings.compress != "none" {
        // Compressing twice costs time and gains nothing.
        add("compress", "0");
    }
    let selection = &settings.selection;
    let lists = [
        ("schema", &selection.schemas),
        ("exclude-schema", &selection.exclude_schemas),
        ("table", &selection.tables),
        ("exclude-table", &selection.exclude_tables),
        ("exclude-table-data", &selection.exclude_table_data),
    ];
    for (option, values) in lists {
        for value in values {
            add(option, value);
        }
    }
    if dump.format == Format::Directory {
        add("jobs", &settings.jobs.unwrap_or(1).to_string());
        arguments.push("--no-sync".to_owned());
    }
    arguments.extend(settings.arguments.iter().cloned());
}

/// The options that this plugin's own settings decide.
pub(crate) const OWN: OwnOptions = OwnOptions {
    options: &[
        ("file", 'f', "the file's name is fixed"),
        ("format", 'F', "use <format>"),
        ("jobs", 'j', "use <jobs>"),
        ("compress", 'Z', "use <compress_mode>"),
        ("dbname", 'd', "use <database>"),
        ("host", 'h', "use <host>"),
        ("port", 'p', "use <port>"),
        ("username", 'U', "use <user>"),
        ("password", 'W', "use <password_file>"),
        ("no-password", 'w', "it is always given"),
        ("help", '?', "it dumps nothing"),
        ("version", 'V', "it dumps nothing"),
    ],
    with_value: "EnNStTe",
    plain: ToOwned::to_owned,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(arguments: &[String]) -> Vec<&str> {
        arguments.iter().map(String::as_str).collect()
    }

    fn dump(content: Content, format: Format) -> Dump {
        Dump { content, format, file: String::new(), former: Vec::new() }
    }

    #[test]
    fn no_name_and_no_password_is_in_an_argument() {
        let connection = Connection {
            host: Some("db.example.com".into()),
            port: Some(5433),
            user: Some("backup".into()),
            ..Connection::default()
        };
        let target = Target::new(&connection, false, Some(Path::new("/w/pgpass")));
        for database in ["shop", "--version", "a=b", "postgresql://x/y", "it's"] {
            let content = Content::Database(database.into());
            let settings = Settings { compress: "zstd".into(), ..Settings::default() };
            let all = arguments(&settings, &target, &dump(content, Format::Plain), None);
            assert_eq!(strings(&all), ["--no-password", "--format=plain"]);
            let environment = target.environment(Some(database));
            assert_eq!(environment["PGDATABASE"].as_deref(), Some(database));
            assert_eq!(environment["PGUSER"].as_deref(), Some("backup"));
            assert_eq!(environment["PGHOST"].as_deref(), Some("db.example.com"));
            assert_eq!(environment["PGPORT"].as_deref(), Some("5433"));
            assert_eq!(environment["PGPASSFILE"].as_deref(), Some("/w/pgpass"));
            assert_eq!(environment["PGPASSWORD"], None);
            assert_eq!(environment["PGHOSTADDR"], None);
        }
    }

    #[test]
    fn a_service_does_not_decide_which_database_is_dumped() {
        let connection = Connection {
            service: Some("main".into()),
            user: Some("o'hara".into()),
            ..Connection::default()
        };
        let target = Target::new(&connection, false, None);
        assert_eq!(
            target.arguments(Some("a b")),
            ["--no-password", r"--dbname=dbname='a b' user='o\'hara'"]
        );
        let inherited = Target::new(&Connection::default(), true, None);
        assert_eq!(inherited.arguments(Some("x")), ["--no-password", "--dbname=dbname='x'"]);
        assert_eq!(inherited.arguments(None), ["--no-password"]);
    }

    #[test]
    fn the_format_decides_the_arguments() {
        let target = Target::default();
        let db = || Content::Database("x".into());
        let some = Settings {
            compress: "zstd".into(),
            jobs: Some(4),
            arguments: vec!["--no-owner".into()],
            ..Settings::default()
        };
        let none = Settings { compress: "none".into(), jobs: None, ..some.clone() };
        let cases: [(&Settings, Content, Format, &[&str]); 5] = [
            (&some, db(), Format::Plain, &["--format=plain", "--no-owner"]),
            (&some, db(), Format::Custom, &["--format=custom", "--compress=0", "--no-owner"]),
            (
                &none,
                db(),
                Format::Directory,
                &["--format=directory", "--jobs=1", "--no-sync", "--no-owner"],
            ),
            (&some, Content::Cluster, Format::Plain, &["--no-owner"]),
            (&some, Content::Globals, Format::Plain, &["--globals-only"]),
        ];
        for (settings, content, format, expected) in cases {
            let all = arguments(settings, &target, &dump(content, format), None);
            assert_eq!(strings(&all)[1..], *expected);
        }
        let all =
            arguments(&some, &target, &dump(db(), Format::Directory), Some(Path::new("/w/d")));
        assert!(strings(&all).contains(&"--jobs=4"));
        assert_eq!(strings(&all).last(), Some(&"--file=/w/d"));
    }

    #[test]
    fn a_selection_becomes_arguments_in_one_piece() {
        let settings = Settings {
            selection: crate::settings::Selection {
                schemas: vec!["-x".into()],
                exclude_table_data: vec!["log*".into()],
                ..Default::default()
            },
            compress: "none".into(),
            ..Settings::default()
        };
        let content = Content::Database("x".into());
        let all = arguments(&settings, &Target::default(), &dump(content, Format::Plain), None);
        assert_eq!(
            strings(&all)[1..],
            ["--format=plain", "--schema=-x", "--exclude-table-data=log*"]
        );
    }

    #[test]
    fn arguments_that_the_plugin_decides_are_refused() {
        let cases = [
            ("--no-owner", true),
            ("--exclude-table-data=x", true),
            ("--lock-wait-timeout=60s", true),
            ("--column-inserts", true),
            ("-O", true),
            ("-x", true),
            ("--file=/etc/passwd", false),
            ("--fil=/etc/passwd", false),
            ("-f/etc/passwd", false),
            ("--format=c", false),
            ("-Fc", false),
            ("-OFc", false),
            ("-nFinance", true),
            ("-W", false),
            ("--user=x", false),
            ("database", false),
            ("--", false),
            ("", false),
        ];
        for (argument, passed) in cases {
            assert_eq!(OWN.refuse(argument).is_none(), passed, "{argument:?}");
        }
    }
}
