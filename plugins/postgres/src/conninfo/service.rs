//! Service files: `pg_service.conf`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Conninfo, ConninfoError, Environment, keyword};

/// Where packagers put the file of the whole system; libpq knows only its
/// own.
const SYSTEM_DIRECTORIES: [&str; 4] =
    ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc", "/etc"];

/// Adds what a service defines and the connection string does not say.
pub(super) fn apply(
    conninfo: &mut Conninfo,
    service: &str,
    environment: &Environment,
) -> Result<(), ConninfoError> {
    let mut looked = Vec::new();
    for (path, must_exist) in files(environment) {
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if !must_exist && e.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ConninfoError::ServiceFile { path, source }),
        };
        if let Some(found) = section(&text, service, &path)? {
            for (name, value) in found {
                conninfo.set_default(name, value)?;
            }
            return Ok(());
        }
        looked.push(path);
    }
    Err(ConninfoError::ServiceNotFound { service: service.to_owned(), looked })
}

/// The files in their order, each with whether it must be there.
fn files(environment: &Environment) -> Vec<(PathBuf, bool)> {
    let own = match environment.get("PGSERVICEFILE") {
        Some(path) => Some((PathBuf::from(path), true)),
        None => environment.in_home(".pg_service.conf").map(|it| (it, false)),
    };
    let directories = match environment.get("PGSYSCONFDIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => SYSTEM_DIRECTORIES.iter().map(PathBuf::from).collect(),
    };
    let system = directories.into_iter().map(|it| (it.join("pg_service.conf"), false));
    own.into_iter().chain(system).collect()
}

/// Returns what a file says of a service; `None` if it does not define it.
fn section<'a>(
    text: &'a str,
    service: &str,
    path: &Path,
) -> Result<Option<Vec<(&'static str, &'a str)>>, ConninfoError> {
    let mut found: Option<Vec<(&'static str, &str)>> = None;
    for (number, line) in text.lines().enumerate() {
        let wrong = |problem| ConninfoError::ServiceSyntax {
            path: path.to_owned(),
            line: number + 1,
            problem,
        };
        // libpq reads lines of up to 1022 bytes.
        if line.len() > 1022 {
            return Err(wrong("the line is too long"));
        }
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let ours = head.strip_prefix(service).is_some_and(|it| it.starts_with(']'));
            found = ours.then(Vec::new);
            continue;
        }
        let Some(values) = &mut found else { continue };
        if line.starts_with("ldap") && line.contains("://") {
            return Err(wrong("services in LDAP are not supported"));
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("`=` is missing"))?;
        if name == "service" {
            return Err(wrong("a service cannot name another one"));
        }
        let known = keyword::find(name)
            .ok_or_else(|| wrong("before `=` there must be a keyword of libpq, without blanks"))?;
        values.push((known.name, value));
    }
    Ok(found)
}
