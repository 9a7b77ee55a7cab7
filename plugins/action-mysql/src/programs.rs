//! Which programs are used.

use hayloft_plugin_api::{Error, ErrorKind, Node};

/// A program, by the names that it has: `MySQL`'s and `MariaDB`'s.
pub(crate) type Names = [&'static str; 2];

/// Makes dumps.
pub(crate) const DUMP: Names = ["mysqldump", "mariadb-dump"];
/// Runs SQL.
pub(crate) const CLIENT: Names = ["mysql", "mariadb"];

/// Returns the names by which to look for a program, the best first. What an
/// `<override>` names is never replaced.
pub(crate) fn candidates(names: Names, document: &Node) -> Vec<&'static str> {
    let options = document.child("options");
    let overrides = options.into_iter().flat_map(|it| it.children_named("override"));
    let commands: Vec<_> =
        overrides.filter_map(|it| it.child("command")).map(|it| it.first_text.trim()).collect();
    match names.into_iter().find(|it| commands.contains(it)) {
        Some(overridden) => vec![overridden],
        None => names.to_vec(),
    }
}

/// Says what to do about a program that could not be started.
pub(crate) fn missing(names: Names, error: Error) -> Error {
    if error.kind() != ErrorKind::NOT_FOUND {
        return error;
    }
    let [mysql, mariadb] = names;
    error.hint(format!(
        "install the client programs, on Debian with `apt-get install mariadb-client`, or give \
         the path of {mysql} or {mariadb} with <override> in <options>"
    ))
}
