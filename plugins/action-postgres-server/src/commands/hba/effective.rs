//! The command `hayloft pg hba effective`.

use std::net::IpAddr;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    hba::{Client, Decision, LoadedRule, Method, Rule, Rules},
    tree::Disk,
};
use serde_json::{Value, json};

use super::{kind::Hba, list::shown};
use crate::commands::{
    Call, Subcommand,
    place::{self, Stop, What, failed},
};

/// See the module.
pub(super) const COMMAND: Subcommand =
    Subcommand { name: "effective", spec, run: |call| place::end(effective(call)) };

fn spec() -> CommandSpec {
    let mut arguments = place::arguments(What::Hba);
    arguments.extend([
        Argument::flag("ssl", "The connection is encrypted with TLS"),
        Argument::flag("gss", "The connection is encrypted with GSSAPI"),
        Argument::flag("replication", "It is for physical replication; DATABASE does not count"),
        Argument::option("role", "ROLE", "A role that USER is a member of").multiple(),
        Argument::flag("no-roles", "USER is a member of no role"),
        Argument::option("host-name", "NAME", "A name that ADDRESS has").multiple(),
        Argument::positional("user", "USER", "The role that connects").required(),
        Argument::positional("database", "DATABASE", "The database").required(),
        Argument::positional("address", "ADDRESS", "Its IP address; without one the socket"),
    ]);
    CommandSpec {
        about: "Tell which rule decides about a connection, and why".to_owned(),
        long_about: "Goes through the rules as the server does: the first that matches decides, \
                     whether authentication then succeeds or not. Where the answer depends on \
                     something that is not known (members of a role, names of an address), that is \
                     said. The exit code is 0 if the client may prove who it is, 1 if it is turned \
                     away, 7 if it cannot be told, 4 if the files have mistakes: then the server \
                     goes by older rules."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg hba effective -D DIR app app 10.1.2.3 --ssl\n  \
                     hayloft pg hba effective --file pg_hba.conf postgres postgres\n  \
                     hayloft pg hba effective -D DIR ann app 10.1.2.3 --role staff --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn client(call: &Call<'_>) -> Result<Client, Stop> {
    let given = call.arguments;
    let (user, database) =
        (given.get("user").unwrap_or_default(), given.get("database").unwrap_or_default());
    let mut client = match given.get("address").filter(|it| *it != "local") {
        None if given.has("ssl") || given.has("gss") => {
            let message = "the socket is never encrypted: give an ADDRESS with --ssl and --gss";
            return Err(Stop::Usage(message.to_owned()));
        }
        None => Client::local(user, database),
        Some(text) => {
            let address: IpAddr = text.parse().map_err(|_| {
                Stop::Usage(format!("`{text}` is no IP address; leave it out for the socket"))
            })?;
            Client::tcp(user, database, address)
        }
    };
    if given.has("ssl") {
        client = client.tls();
    }
    if given.has("gss") {
        client = client.gss();
    }
    if given.has("replication") {
        client = client.replication();
    }
    if given.has("role") || given.has("no-roles") {
        client = client.roles(given.all("role"));
    }
    if given.has("host-name") {
        client = client.host_names(given.all("host-name"));
    }
    Ok(client)
}

fn effective(call: &Call<'_>) -> Result<u8, Stop> {
    let client = client(call)?;
    let place = place::find(call, What::Hba)?;
    let server = place.hba_server();
    if call.arguments.has("ssl") && !server.tls {
        tracing::warn!("ssl is off in the server's settings: no connection has TLS");
    }
    let rules = Rules::load(&place.main, &server, &Disk).map_err(|e| failed(&e))?;
    let problems = rules.problems();
    if !problems.is_empty() {
        let error = Error::new(ErrorKind::CONFIGURATION, problems.join("\n  "));
        let message = "the server would refuse the file, and goes by the rules that it read before";
        return Err(error.context(message).into());
    }
    let decision = rules.effective(&client);
    let (code, document, text) = match &decision {
        Decision::NoMatch => {
            (1, json!({ "decision": "no-match" }), "turned away: no rule matches\n".to_owned())
        }
        Decision::Rule { index, line, rule } => {
            let is_reject = rule.method == Method::Reject;
            let decision = if is_reject { "reject" } else { "authenticate" };
            let what = if is_reject { "turned away" } else { means(rule.method) };
            let text = format!("{what}\n{}", why(call, *index, line, rule));
            (u8::from(is_reject), found(decision, *index, line, Some(rule)), text)
        }
        Decision::Undecided { index, line, why: reason } => {
            let rule = line.rule.as_ref().ok();
            let mut document = found("undecided", *index, line, rule);
            document["why"] = json!(reason);
            let shown = rule.map(shown::<Hba>).unwrap_or_default();
            let at = format!("{}:{}", line.file.display(), line.line);
            let text = format!(
                "cannot be told: it depends on {reason}\n  if so, rule {index} decides: {shown}\n  at {at}\n\
                 hint: tell it with --role, --no-roles or --host-name\n"
            );
            (7, document, text)
        }
    };
    let text =
        if call.arguments.json { serde_json::to_string_pretty(&document)? + "\n" } else { text };
    call.host.print(text)?;
    Ok(code)
}

fn found(decision: &str, index: usize, line: &LoadedRule, rule: Option<&Rule>) -> Value {
    json!({
        "decision": decision,
        "number": index + 1,
        "file": line.file.to_string_lossy(),
        "line": line.line,
        "rule": rule.map(shown::<Hba>),
        "method": rule.map(|it| it.method.word()),
    })
}

/// Why this rule: each of its fields, and that it is the first.
fn why(call: &Call<'_>, index: usize, line: &LoadedRule, rule: &Rule) -> String {
    let given = call.arguments;
    let way = match (given.get("address"), given.has("ssl"), given.has("gss")) {
        (None | Some("local"), ..) => "the socket".to_owned(),
        (Some(ip), true, _) => format!("TCP from {ip} with TLS"),
        (Some(ip), _, true) => format!("TCP from {ip} with GSSAPI"),
        (Some(ip), ..) => format!("TCP from {ip} without encryption"),
    };
    let words = shown::<Hba>(rule);
    let at = format!("{}:{}", line.file.display(), line.line);
    let wanted = if given.has("replication") {
        "physical replication".to_owned()
    } else {
        format!("database {}", given.get("database").unwrap_or_default())
    };
    let user = given.get("user").unwrap_or_default();
    let before = match index {
        0 => "it is the first rule".to_owned(),
        1 => "the rule before it does not match".to_owned(),
        _ => format!("none of the {index} rules before it matches"),
    };
    format!(
        "  by: {words}\n  at: {at}\n  because: it covers {way}, {wanted} and user {user}, and {before}\n"
    )
}

fn means(method: Method) -> &'static str {
    match method {
        Method::Trust => "let in without being asked (trust)",
        Method::Md5 => "must give a password (md5, or scram-sha-256 if it is stored so)",
        Method::Password => "must give a password in clear text (password)",
        Method::ScramSha256 => "must give a password (scram-sha-256)",
        Method::Peer => "must be the system's user of that name, or mapped to it (peer)",
        Method::Ident => "the client's machine is asked who it is (ident)",
        Method::Cert => "must show a client certificate (cert)",
        Method::Gss => "must prove itself by Kerberos (gss)",
        Method::Sspi => "must prove itself by SSPI (sspi)",
        Method::Pam => "must give a password, which PAM checks (pam)",
        Method::Ldap => "must give a password, which LDAP checks (ldap)",
        Method::Radius => "must give a password, which RADIUS checks (radius)",
        Method::Bsd => "must give a password, which BSD authentication checks (bsd)",
        Method::Oauth => "must show a token (oauth)",
        Method::Reject => "turned away",
    }
}
