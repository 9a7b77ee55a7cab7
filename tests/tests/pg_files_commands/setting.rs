//! Files for the tests.

use hayloft_tests::{Output, Sandbox};

/// A sandbox with a file.
pub(crate) fn with_file(name: &str, text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(name, text);
    sandbox
}

/// Runs `hayloft pg …`.
pub(crate) fn pg(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut all = vec!["pg"];
    all.extend(arguments);
    sandbox.run(&all)
}

/// Runs `hayloft pg conf …` on `postgresql.conf`, for version 15.
pub(crate) fn conf(sandbox: &Sandbox, command: &str, arguments: &[&str]) -> Output {
    of_file(sandbox, "conf", "postgresql.conf", command, arguments)
}

/// Runs `hayloft pg hba …` on `pg_hba.conf`, for version 15.
pub(crate) fn hba(sandbox: &Sandbox, command: &str, arguments: &[&str]) -> Output {
    of_file(sandbox, "hba", "pg_hba.conf", command, arguments)
}

/// Runs `hayloft pg ident …` on `pg_ident.conf`, for version 15.
pub(crate) fn ident(sandbox: &Sandbox, command: &str, arguments: &[&str]) -> Output {
    of_file(sandbox, "ident", "pg_ident.conf", command, arguments)
}

fn of_file(
    sandbox: &Sandbox,
    group: &str,
    file: &str,
    command: &str,
    arguments: &[&str],
) -> Output {
    let mut all = vec![group, command, "--file", file, "--server-version", "15"];
    all.extend(arguments);
    pg(sandbox, &all)
}
