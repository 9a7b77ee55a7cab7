//! Where a server's configuration files are, for the commands on them.

mod debian;
mod process;

use std::{
    env,
    fmt::{Display, Write as _},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Argument, Error, ErrorKind};
use hayloft_postgres::{
    conf::{AUTO_CONF, Catalogue, Configuration, Sources},
    connection::Connection,
    hba,
    tree::Disk,
    version::{NEWEST, ServerVersion},
};

use super::Call;
use crate::probe::{self, Deadline, Way};

/// How a command ends that does not do what was asked.
#[derive(Debug)]
pub(super) enum Stop {
    /// The command line makes no sense: exit code 2.
    Usage(String),
    /// Everything else.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Ends a command: a wrong command line has an exit code of its own.
pub(super) fn end(result: Result<u8, Stop>) -> Result<u8, Error> {
    match result {
        Ok(code) => Ok(code),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Usage(message)) => {
            tracing::error!("{message}");
            Ok(2)
        }
    }
}

/// An error of the library, as one of the program's.
pub(super) fn failed(error: &dyn hayloft_postgres::Failure) -> Error {
    use hayloft_postgres::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::BadConfiguration => ErrorKind::CONFIGURATION,
        Kind::NotFound => ErrorKind::NOT_FOUND,
        Kind::AlreadyExists => ErrorKind::ALREADY_EXISTS,
        Kind::PermissionDenied => ErrorKind::PERMISSION,
        Kind::Changed => ErrorKind::TRANSIENT,
        Kind::Unsupported => ErrorKind::UNSUPPORTED,
        _ => ErrorKind::OTHER,
    };
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(it) = cause {
        texts.push(it.to_string());
        cause = it.source();
    }
    let mut it = Error::new(kind, texts.pop().unwrap_or_default());
    while let Some(text) = texts.pop() {
        it = it.context(text);
    }
    match error.hint() {
        Some(hint) => it.hint(hint),
        None if kind == ErrorKind::PERMISSION => it.hint("run it as the server's user, or as root"),
        None => it,
    }
}

/// Puts each text into a line of its own.
pub(super) fn lines(texts: impl IntoIterator<Item: Display>) -> String {
    texts.into_iter().fold(String::new(), |mut all, text| {
        // Writing to memory cannot fail.
        let _ = writeln!(all, "{text}");
        all
    })
}

/// Which of the files a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// `postgresql.conf`.
    Conf,
    /// `pg_hba.conf`.
    Hba,
    /// `pg_ident.conf`.
    Ident,
}

impl What {
    fn setting(self) -> &'static str {
        match self {
            Self::Conf => "config_file",
            Self::Hba => "hba_file",
            Self::Ident => "ident_file",
        }
    }

    /// Returns the file's usual name.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Conf => "postgresql.conf",
            Self::Hba => "pg_hba.conf",
            Self::Ident => "pg_ident.conf",
        }
    }
}

/// How to say where the files are.
pub(super) fn arguments(what: What) -> Vec<Argument> {
    let file = format!(
        "The file itself: {}, or with another of these options one that it includes",
        what.file_name()
    );
    vec![
        Argument::option("data-directory", "DIR", "The server's data directory").short('D'),
        Argument::option("file", "FILE", &file).short('f'),
        Argument::option("server", "SERVER", "A configured server on this machine, which is asked"),
        Argument::option(
            "server-version",
            "VERSION",
            "The server's version, if not known from there",
        ),
    ]
}

/// Where the files are, and for which server.
#[derive(Debug)]
pub(super) struct Place {
    /// The data directory, if it is known.
    pub(super) data: Option<PathBuf>,
    /// The `postgresql.conf` that the server begins with, if it is known.
    pub(super) conf: Option<PathBuf>,
    /// The file of the kind in question that the server begins with.
    pub(super) main: PathBuf,
    /// The file that is edited: that one, or one that it includes.
    pub(super) edited: PathBuf,
    /// The server's version.
    pub(super) version: ServerVersion,
    /// Whether that is known and not just assumed.
    pub(super) version_known: bool,
    /// What the server was started with, if it runs.
    pub(super) running: Option<Vec<Vec<u8>>>,
    /// A session with it.
    pub(super) session: Option<Connection>,
}

impl Place {
    /// Returns everything that the server reads of settings.
    pub(super) fn sources(&self) -> Sources {
        let mut sources = Sources::main(self.conf.clone().unwrap_or_else(|| self.main.clone()));
        if let Some(data) = &self.data {
            sources = sources.data(data);
        }
        let arguments = self.running.iter().flatten().map(Vec::as_slice);
        sources.arguments(arguments)
    }

    /// Returns the parameters that the server has: those it tells itself, or
    /// those of its version.
    pub(super) fn catalogue(&self) -> Result<Catalogue, Stop> {
        let Some(session) = &self.session else {
            return Ok(Catalogue::built_in(self.version.major()));
        };
        let rows = session.simple(Catalogue::SETTINGS_QUERY).map_err(|e| failed(&e))?;
        let rows: Vec<[String; 7]> = rows
            .into_iter()
            .filter_map(|row| {
                let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
                row.try_into().ok()
            })
            .collect();
        let rows = rows.iter().map(|row| row.each_ref().map(String::as_str));
        Ok(Catalogue::from_settings(rows))
    }

    /// Returns what matters of the server for rules and mappings.
    pub(super) fn hba_server(&self) -> hba::Server {
        let mut server = hba::Server::of(self.version.major());
        if self.conf.is_some() {
            let settings = Configuration::load(&self.sources(), &Disk);
            let value = |name: &str| settings.get(name).map(|it| it.value.clone());
            let on = |it: Vec<u8>| {
                let catalogue = Catalogue::built_in(self.version.major());
                let read = catalogue.get("ssl").and_then(|ssl| ssl.read(&it).ok());
                read == Some(hayloft_postgres::conf::Value::Boolean(true))
            };
            server.tls = value("ssl").is_some_and(on);
            server.oauth_validators =
                value("oauth_validator_libraries").is_some_and(|it| !it.is_empty());
        }
        server
    }
}

/// Finds the files that the command line means.
pub(super) fn find(call: &Call<'_>, what: What) -> Result<Place, Stop> {
    let given = call.arguments;
    let (data, server) = (given.get("data-directory"), given.get("server"));
    if data.is_some() && server.is_some() {
        return Err(Stop::Usage("give either --data-directory or --server".to_owned()));
    }
    let file = given.get("file").map(PathBuf::from);
    let version = match given.get("server-version") {
        None => None,
        Some(text) => Some(version(text)?),
    };
    let mut place = match (data, server, &file) {
        (Some(data), ..) => of_directory(Path::new(data), what)?,
        (_, Some(name), _) => of_server(call, Some(name), what)?,
        (None, None, Some(file)) => of_file(file, what),
        (None, None, None) => of_surroundings(call, what)?,
    };
    if let Some(file) = file {
        place.edited = file;
    }
    if let Some(version) = version {
        (place.version, place.version_known) = (version, true);
    }
    Ok(place)
}

fn version(text: &str) -> Result<ServerVersion, Stop> {
    let found = ServerVersion::parse(text).filter(|it| it.is_supported());
    found.ok_or_else(|| {
        let message = format!("`{text}` is no version of PostgreSQL that is served");
        Stop::Usage(format!("{message}; give 13 or later, such as 15 or 15.20"))
    })
}

/// Nothing was said: what the environment or the configuration has.
fn of_surroundings(call: &Call<'_>, what: What) -> Result<Place, Stop> {
    if let Some(data) = env::var_os("PGDATA").filter(|it| !it.is_empty()) {
        return of_directory(Path::new(&data), what);
    }
    if call.servers.server.is_empty() {
        let file = what.file_name();
        return Err(Stop::Usage(format!(
            "where is {file}? Give --data-directory DIR (or PGDATA), --file FILE, or --server SERVER"
        )));
    }
    of_server(call, None, what)
}

/// A file by itself; if a server's data lie beside it, that server's.
fn of_file(file: &Path, what: What) -> Place {
    let directory = file.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let has_data = directory.join("PG_VERSION").is_file();
    let of_conf = what == What::Conf && file.file_name().is_none_or(|it| it != AUTO_CONF);
    let mut data = has_data.then(|| directory.to_owned());
    if of_conf && data.is_none() {
        data = data_setting(file);
    }
    let found = data.as_deref().and_then(version_in).or_else(|| debian::version_of(file));
    Place {
        running: data.as_deref().and_then(process::arguments),
        data,
        conf: of_conf.then(|| file.to_owned()),
        main: file.to_owned(),
        edited: file.to_owned(),
        version: found.unwrap_or(NEWEST),
        version_known: found.is_some(),
        session: None,
    }
}

/// The data directory that a main file names.
fn data_setting(conf: &Path) -> Option<PathBuf> {
    let settings = Configuration::load(&Sources::main(conf), &Disk);
    let value = &settings.get("data_directory")?.value;
    Some(PathBuf::from(String::from_utf8(value.clone()).ok()?))
}

fn version_in(data: &Path) -> Option<ServerVersion> {
    let text = std::fs::read_to_string(data.join("PG_VERSION")).ok()?;
    ServerVersion::parse(text.trim())
}

/// A data directory, or the directory of a `postgresql.conf` that names it.
pub(super) fn of_directory(directory: &Path, what: What) -> Result<Place, Stop> {
    let inside = directory.join(What::Conf.file_name());
    let unreadable = |e: std::io::Error| {
        let why = Error::from(e).context(format!("cannot read {}", directory.display()));
        if why.kind() == ErrorKind::PERMISSION {
            return why.hint("run it as the server's user, or as root");
        }
        why
    };
    directory.read_dir().map_err(unreadable)?;
    let data = if directory.join("PG_VERSION").is_file() {
        Some(directory.to_owned())
    } else {
        data_setting(&inside)
    };
    let Some(data) = data else {
        let message = format!("{} is no data directory of PostgreSQL", directory.display());
        return Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint("it must hold PG_VERSION; name a file by itself with --file")
            .into());
    };
    let running = process::arguments(&data);
    let started = running.clone().or_else(|| process::last_arguments(&data));
    let told = started.and_then(|it| setting_of(&it, What::Conf));
    let conf = told.filter(|it| it.is_file()).or_else(|| inside.is_file().then_some(inside));
    let conf = conf.or_else(|| debian::conf_of(&data)).ok_or_else(|| {
        let message = format!("{} holds no postgresql.conf", directory.display());
        let hint = "nothing below /etc/postgresql names it either; give the file with --file";
        Error::new(ErrorKind::NOT_FOUND, message).hint(hint)
    })?;
    let found = version_in(&data);
    let mut place = Place {
        data: Some(data),
        main: conf.clone(),
        edited: conf.clone(),
        conf: Some(conf),
        version: found.unwrap_or(NEWEST),
        version_known: found.is_some(),
        running,
        session: None,
    };
    if what != What::Conf {
        place.main = access_file(&place, what);
        place.edited.clone_from(&place.main);
    }
    Ok(place)
}

/// What arguments of a server say of a file.
fn setting_of(arguments: &[Vec<u8>], what: What) -> Option<PathBuf> {
    let sources = Sources::main("").arguments(arguments.iter().map(Vec::as_slice));
    let found = sources.command_line.into_iter().rfind(|it| it.0 == what.setting().as_bytes());
    String::from_utf8(found?.1).ok().map(PathBuf::from)
}

fn access_file(place: &Place, what: What) -> PathBuf {
    let data = place.data.clone().unwrap_or_default();
    let settings = Configuration::load(&place.sources(), &Disk);
    let set = settings.get(what.setting()).and_then(|it| String::from_utf8(it.value.clone()).ok());
    if let Some(set) = set.filter(|it| !it.is_empty()) {
        return data.join(set);
    }
    let inside = data.join(what.file_name());
    let beside = place.conf.as_deref().and_then(Path::parent).map(|it| it.join(what.file_name()));
    beside.filter(|it| !inside.is_file() && it.is_file()).unwrap_or(inside)
}

const FILES: &str = "SELECT current_setting('server_version_num'), \
    current_setting('data_directory', true), current_setting('config_file', true), \
    current_setting('hba_file', true), current_setting('ident_file', true), \
    extract(epoch FROM pg_catalog.pg_postmaster_start_time())::bigint";

/// Tells whether another server than the one asked runs on the directory of
/// the same name here: it was started at another time.
fn is_another(data: &Path, started: &str) -> bool {
    let here = process::started_at(data);
    // The server writes the file some moments before it notes its own time.
    here.zip(started.parse().ok())
        .is_some_and(|(here, there): (i64, i64)| here.abs_diff(there) > 60)
}

/// A configured server tells where its files are.
fn of_server(call: &Call<'_>, name: Option<&str>, what: What) -> Result<Place, Stop> {
    let server = call.server(name)?;
    let name = &server.name;
    let troubled = |it: hayloft_postgres::check::Trouble| {
        let error =
            Error::msg(it.problem).context(format!("cannot ask server {name} for its files"));
        error.hint("where it does not run, give --data-directory")
    };
    let session =
        probe::open(server, Way::Sql, Deadline::after(server.check_timeout())).map_err(troubled)?;
    let rows = session.simple(FILES).map_err(|e| {
        troubled(probe::trouble(&e))
            .hint("the role needs pg_read_all_settings, or give --data-directory")
    })?;
    let row: Vec<String> = rows.into_iter().flatten().map(Option::unwrap_or_default).collect();
    let [number, data, conf, hba, ident, started] = row.as_slice() else {
        return Err(Error::msg(format!("server {name} does not tell where its files are")).into());
    };
    let data = PathBuf::from(data);
    if is_another(&data, started) || !Path::new(conf).exists() {
        let message =
            format!("the files of server {name} are not on this machine, or not to be seen");
        return Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint(format!("it says {conf}; run the command there, as the server's user"))
            .into());
    }
    let main = PathBuf::from(match what {
        What::Conf => conf,
        What::Hba => hba,
        What::Ident => ident,
    });
    Ok(Place {
        running: process::arguments(&data),
        data: Some(data),
        conf: Some(conf.into()),
        edited: main.clone(),
        main,
        version: ServerVersion::parse(number).unwrap_or(NEWEST),
        version_known: true,
        session: Some(session),
    })
}
