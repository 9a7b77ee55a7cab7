//! Configurations and servers for the tests.

use std::collections::BTreeMap;

use hayloft_tests::{Output, Sandbox, postgres::Postgres};

/// A configuration with these servers: each a name and its elements.
pub(crate) fn configured(servers: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    let servers: Vec<String> = servers
        .iter()
        .map(|(name, elements)| format!("<server>\n<name>{name}</name>\n{elements}\n</server>\n"))
        .collect();
    sandbox.write(
        "hayloft.xml",
        &format!(
            "<cb_config>\n<postgres_servers>\n{}</postgres_servers>\n</cb_config>\n",
            servers.concat()
        ),
    );
    sandbox
}

/// Runs `hayloft pg …` with it.
pub(crate) fn pg(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut all = vec!["--config", "hayloft.xml", "pg"];
    all.extend(arguments);
    sandbox.run(&all)
}

/// The connection string of a server.
pub(crate) fn conninfo(server: &Postgres, user: &str) -> String {
    let directory = server.socket_dir();
    let port = server.port();
    format!("host={} port={port} user={user} dbname=postgres", directory.display())
}

/// The element with it.
pub(crate) fn element(server: &Postgres, user: &str) -> String {
    format!("<conninfo>{}</conninfo>", conninfo(server, user))
}

/// The outcomes of `pg check --json` for a server.
pub(crate) fn outcomes(sandbox: &Sandbox, server: &str) -> BTreeMap<String, (String, String)> {
    let output = pg(sandbox, &["check", server, "--json"]);
    let json = output.json();
    let checks = json["servers"][0]["checks"].as_array().unwrap().iter();
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    checks.map(|it| (text(&it["check"]), (text(&it["outcome"]), text(&it["found"])))).collect()
}
