//! Which rule decides about a connection.

use std::net::IpAddr;

use super::{
    address::Address,
    rule::{ConnectionKind, Rule},
    rules::{LoadedRule, Rules},
};
use crate::auth::{
    pattern::{Found, find},
    word::Word,
};

/// Who wants to connect, and how.
///
/// Begin with [`Client::local`] or [`Client::tcp`] and add what is known.
/// What is not told and turns out to matter makes the answer
/// [`Decision::Undecided`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    user: Vec<u8>,
    database: Vec<u8>,
    address: Option<IpAddr>,
    tls: bool,
    gss: bool,
    replication: bool,
    roles: Option<Vec<Vec<u8>>>,
    host_names: Option<Vec<Vec<u8>>>,
    server_networks: Option<Vec<(IpAddr, IpAddr)>>,
}

impl Client {
    /// Connects on the Unix socket.
    pub fn local(user: impl AsRef<[u8]>, database: impl AsRef<[u8]>) -> Self {
        Self {
            user: user.as_ref().to_vec(),
            database: database.as_ref().to_vec(),
            address: None,
            tls: false,
            gss: false,
            replication: false,
            roles: None,
            host_names: None,
            server_networks: None,
        }
    }

    /// Connects over TCP from an address, without encryption.
    pub fn tcp(user: impl AsRef<[u8]>, database: impl AsRef<[u8]>, address: IpAddr) -> Self {
        Self { address: Some(address), ..Self::local(user, database) }
    }

    /// With TLS.
    #[must_use]
    pub fn tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Encrypted with GSSAPI.
    #[must_use]
    pub fn gss(self) -> Self {
        Self { gss: true, ..self }
    }

    /// For physical replication (`replication=true`); the database does not
    /// count then. Logical replication connects to a database like others.
    #[must_use]
    pub fn replication(self) -> Self {
        Self { replication: true, ..self }
    }

    /// Tells all roles that the user is a member of, directly or not. Its own
    /// is one by itself; that a superuser may do everything does not count.
    #[must_use]
    pub fn roles<T: AsRef<[u8]>>(self, roles: impl IntoIterator<Item = T>) -> Self {
        let roles = roles.into_iter().map(|it| it.as_ref().to_vec()).collect();
        Self { roles: Some(roles), ..self }
    }

    /// Tells the names that the client's address has, by name service, and
    /// that lead back to it.
    #[must_use]
    pub fn host_names<T: AsRef<[u8]>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|it| it.as_ref().to_vec()).collect();
        Self { host_names: Some(names), ..self }
    }

    /// Tells the server's own addresses with their masks.
    #[must_use]
    pub fn server_networks(self, networks: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> Self {
        Self { server_networks: Some(networks.into_iter().collect()), ..self }
    }
}

/// Which rule decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// This one, the first that matches. What comes after it does not count,
    /// whether authentication succeeds or not.
    Rule {
        /// Its index among the rules.
        index: usize,
        /// Where it is.
        line: &'a LoadedRule,
        /// What it says.
        rule: &'a Rule,
    },
    /// None: the client is turned away.
    NoMatch,
    /// This one may match; that depends on something not known here.
    Undecided {
        /// Its index among the rules.
        index: usize,
        /// Where it is.
        line: &'a LoadedRule,
        /// What must be known: a member of which role, whose name, …
        why: String,
    },
}

/// Yes, no, or what must be known for an answer.
type Answer = Result<bool, String>;

impl Rules {
    /// Tells which rule decides about a connection.
    ///
    /// If there are mistakes in the files, the server goes by the rules that
    /// it read before; see [`Rules::problems`].
    pub fn effective(&self, client: &Client) -> Decision<'_> {
        for (index, (line, rule)) in self.rules().enumerate() {
            match matches(rule, client, self.server().major) {
                Ok(false) => {}
                Ok(true) => return Decision::Rule { index, line, rule },
                Err(why) => return Decision::Undecided { index, line, why },
            }
        }
        Decision::NoMatch
    }
}

fn matches(rule: &Rule, client: &Client, major: u32) -> Answer {
    if !is_kind(rule.kind, client) {
        return Ok(false);
    }
    // What is certain first, so that the unknown matters only if it decides.
    let answers = [
        rule.address.as_ref().map_or(Ok(true), |it| from(it, client)),
        database(&rule.databases, client, major),
        user(&rule.users, client, major),
    ];
    if answers.contains(&Ok(false)) {
        return Ok(false);
    }
    answers.into_iter().find(Result::is_err).unwrap_or(Ok(true))
}

fn is_kind(kind: ConnectionKind, client: &Client) -> bool {
    match kind {
        ConnectionKind::Local => client.address.is_none(),
        _ if client.address.is_none() => false,
        ConnectionKind::Host => true,
        ConnectionKind::HostSsl => client.tls,
        ConnectionKind::HostNoSsl => !client.tls,
        ConnectionKind::HostGssEnc => client.gss,
        ConnectionKind::HostNoGssEnc => !client.gss,
    }
}

fn from(address: &Address, client: &Client) -> Answer {
    let Some(ip) = client.address else { return Ok(false) };
    if let Some(answer) = address.contains(ip) {
        return Ok(answer);
    }
    if let Address::Host(wanted) = address {
        let why = || format!("whether {ip} is {}", String::from_utf8_lossy(wanted));
        let names = client.host_names.as_ref().ok_or_else(why)?;
        return Ok(names.iter().any(|it| is_host(wanted, it)));
    }
    let networks = client.server_networks.as_ref();
    let networks = networks.ok_or_else(|| "which addresses the server has".to_owned())?;
    Ok(networks.iter().any(|(own, mask)| {
        let net = Address::Network { ip: *own, mask: *mask, scope: None };
        if *address == Address::SameHost { *own == ip } else { net.contains(ip) == Some(true) }
    }))
}

fn is_host(wanted: &[u8], name: &[u8]) -> bool {
    if wanted.starts_with(b".") {
        let start = name.len().checked_sub(wanted.len());
        return start.is_some_and(|it| name[it..].eq_ignore_ascii_case(wanted));
    }
    name.eq_ignore_ascii_case(wanted)
}

fn member(client: &Client, role: &[u8]) -> Answer {
    if role == client.user {
        return Ok(true);
    }
    let shown = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let why = || format!("whether {} is a member of {}", shown(&client.user), shown(role));
    client.roles.as_ref().map(|it| it.iter().any(|it| it == role)).ok_or_else(why)
}

/// Any word that matches is enough; what is not known counts only if none is.
fn any(words: &[Word], answer: impl Fn(&Word) -> Answer) -> Answer {
    let answers: Vec<Answer> = words.iter().map(answer).collect();
    if answers.contains(&Ok(true)) {
        return Ok(true);
    }
    answers.into_iter().find(Result::is_err).unwrap_or(Ok(false))
}

/// A pattern from 16 on, or just the name.
fn named(word: &Word, name: &[u8], major: u32) -> Answer {
    match word.pattern().filter(|_| major >= 16) {
        None => Ok(word.text == name),
        Some(pattern) => match find(pattern, name, major) {
            Found::Yes => Ok(true),
            Found::No => Ok(false),
            Found::Unknown => Err(format!(
                "whether the pattern `{}` finds `{}`",
                String::from_utf8_lossy(pattern),
                String::from_utf8_lossy(name)
            )),
        },
    }
}

fn database(words: &[Word], client: &Client, major: u32) -> Answer {
    any(words, |word| {
        if client.replication {
            return Ok(word.is_keyword("replication"));
        }
        match () {
            () if word.is_keyword("all") => Ok(true),
            () if word.is_keyword("sameuser") => Ok(client.user == client.database),
            () if word.is_keyword("samerole") || word.is_keyword("samegroup") => {
                member(client, &client.database)
            }
            () if word.is_keyword("replication") => Ok(false),
            () => named(word, &client.database, major),
        }
    })
}

fn user(words: &[Word], client: &Client, major: u32) -> Answer {
    any(words, |word| match word.role() {
        Some(role) => member(client, role),
        None if word.is_keyword("all") => Ok(true),
        None => named(word, &client.user, major),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        hba::Server,
        tree::{Nothing, Overlay},
    };

    fn decides(text: &str, client: &Client, major: u32) -> String {
        let tree = Overlay::new(&Nothing).with("/hba", text);
        let rules = Rules::load(Path::new("/hba"), &Server::of(major), &tree).unwrap();
        match rules.effective(client) {
            Decision::Rule { line, rule, .. } => format!("{} {}", line.line, rule.method.word()),
            Decision::NoMatch => "none".into(),
            Decision::Undecided { line, why, .. } => format!("{}? {why}", line.line),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let text = "local all all trust\nlocal all all reject\nhost db u 10.0.0.0/8 md5\n";
        assert_eq!(decides(text, &Client::local("u", "db"), 15), "1 trust");
        assert_eq!(decides(text, &Client::tcp("u", "db", ip("10.1.2.3")), 15), "3 md5");
        assert_eq!(decides(text, &Client::tcp("u", "DB", ip("10.1.2.3")), 15), "none");
        assert_eq!(decides(text, &Client::tcp("u", "db", ip("11.1.2.3")), 15), "none");
    }

    #[test]
    fn keywords_lose_their_meaning_in_quotes() {
        assert_eq!(decides("local \"all\" all trust\n", &Client::local("u", "db"), 15), "none");
        assert_eq!(decides("local \"all\" all trust\n", &Client::local("u", "all"), 15), "1 trust");
        let alice = Client::local("alice", "db").roles(["grp"]);
        assert_eq!(decides("local all +grp trust\n", &alice, 15), "1 trust");
        assert_eq!(decides("local all \"+grp\" trust\n", &alice, 15), "none");
        assert_eq!(decides("local ALL all trust\n", &alice, 15), "none");
    }

    #[test]
    fn members_are_known_or_undecided() {
        let text = "local all +grp trust\nlocal all all reject\n";
        let unknown = decides(text, &Client::local("bob", "db"), 15);
        assert_eq!(unknown, "1? whether bob is a member of grp");
        assert_eq!(decides(text, &Client::local("bob", "db").roles(["x"]), 15), "2 reject");
        assert_eq!(decides(text, &Client::local("grp", "db"), 15), "1 trust");
        // It does not matter where another word matches, or another field does not.
        assert_eq!(
            decides("local all +grp,bob trust\n", &Client::local("bob", "db"), 15),
            "1 trust"
        );
        assert_eq!(decides("local x +grp trust\n", &Client::local("bob", "db"), 15), "none");
        assert_eq!(
            decides("local samerole all trust\n", &Client::local("bob", "bob"), 15),
            "1 trust"
        );
        assert_eq!(decides("local sameuser all trust\n", &Client::local("bob", "db"), 15), "none");
    }

    #[test]
    fn replication_is_matched_by_its_keyword_only() {
        let client = Client::local("u", "replication").replication();
        assert_eq!(
            decides("local all all trust\nlocal replication all peer\n", &client, 15),
            "2 peer"
        );
        assert_eq!(decides("local \"replication\" all trust\n", &client, 15), "none");
        assert_eq!(
            decides("local replication all trust\n", &Client::local("u", "replication"), 15),
            "none"
        );
    }

    #[test]
    fn encryption_counts() {
        let text =
            "hostssl all all all md5\nhostgssenc all all all gss\nhostnossl all all all reject\n";
        let client = Client::tcp("u", "d", ip("::1"));
        assert_eq!(decides(text, &client, 15), "3 reject");
        assert_eq!(decides(text, &client.clone().tls(), 15), "1 md5");
        assert_eq!(decides(text, &client.gss(), 15), "2 gss");
    }

    #[test]
    fn host_names_and_the_servers_networks_must_be_told() {
        let client = Client::tcp("u", "d", ip("192.168.1.7"));
        assert_eq!(
            decides("host all all .Example.com md5\n", &client, 15),
            "1? whether 192.168.1.7 is .Example.com"
        );
        let named = client.clone().host_names(["db.example.COM"]);
        assert_eq!(decides("host all all .Example.com md5\n", &named, 15), "1 md5");
        assert_eq!(decides("host all all example.com md5\n", &named, 15), "none");
        let near = client.server_networks([(ip("192.168.1.1"), ip("255.255.255.0"))]);
        assert_eq!(
            decides("host all all samehost md5\nhost all all samenet reject\n", &near, 15),
            "2 reject"
        );
    }

    #[test]
    fn patterns_count_from_16_on_also_in_quotes() {
        let text = "local \"/^db[0-9]{1,3}$\" /^a trust\n";
        assert_eq!(decides(text, &Client::local("ann", "db12"), 16), "1 trust");
        assert_eq!(decides(text, &Client::local("ann", "db12"), 15), "none");
        assert_eq!(decides(text, &Client::local("Ann", "db12"), 16), "none");
    }
}
