//! From what was written to what is meant.

use std::{path::PathBuf, time::Duration};

use super::{
    Address, ChannelBinding, Conninfo, ConninfoError, Environment, HostTarget, KEYWORDS,
    Keepalives, NumericAddress, PassfileProblem, RequireAuth, Secret, SessionAttrs, Target,
    password_from_file, service, tls,
};

const DEFAULT_PORT: u16 = 5432;
/// Where servers keep their sockets: as Debian and Red Hat build them, then
/// as PostgreSQL itself does.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

pub(super) fn resolve(
    given: &Conninfo,
    environment: &Environment,
) -> Result<Target, ConninfoError> {
    let conninfo = &with_defaults(given, environment)?;
    let value = |keyword| conninfo.get(keyword).filter(|it: &&str| !it.is_empty());
    let user = match value("user").or(environment.user()) {
        Some(user) => user.to_owned(),
        None => return Err(ConninfoError::NoUser),
    };
    let dbname = value("dbname").unwrap_or(&user).to_owned();
    let mut hosts = hosts(conninfo)?;
    let passfile_problem = passwords(conninfo, environment, (&dbname, &user), &mut hosts);
    let application_name = value("application_name").or(value("fallback_application_name"));
    Ok(Target {
        hosts,
        load_balance: choice(conninfo, "load_balance_hosts", "disable or random", |it| {
            Some(match it {
                "disable" => false,
                "random" => true,
                _ => return None,
            })
        })?
        .unwrap_or_default(),
        user,
        dbname,
        application_name: application_name.map(ToOwned::to_owned),
        options: value("options").map(ToOwned::to_owned),
        client_encoding: value("client_encoding").map(ToOwned::to_owned),
        replication: value("replication").map(ToOwned::to_owned),
        connect_timeout: connect_timeout(conninfo)?,
        keepalives: Keepalives {
            enabled: integer(conninfo, "keepalives")? != Some(0),
            idle: seconds(conninfo, "keepalives_idle")?,
            interval: seconds(conninfo, "keepalives_interval")?,
            count: positive(conninfo, "keepalives_count")?,
        },
        tcp_user_timeout: positive(conninfo, "tcp_user_timeout")?
            .map(|it| Duration::from_millis(it.into())),
        session_attrs: session_attrs(conninfo)?,
        tls: tls::read(conninfo, environment)?,
        channel_binding: channel_binding(conninfo)?,
        require_auth: require_auth(conninfo)?,
        requirepeer: value("requirepeer").map(ToOwned::to_owned),
        passfile_problem,
    })
}

/// Looks at the values that are given, whatever else there will be.
pub(super) fn check(given: &Conninfo) -> Result<(), ConninfoError> {
    let mut alone = Conninfo::new();
    let others = ["service", "user", "password", "passfile"];
    for keyword in KEYWORDS.iter().map(|it| it.name).filter(|it| !others.contains(it)) {
        if let Some(value) = given.get(keyword) {
            alone.set(keyword, value)?;
        }
    }
    alone.set("user", "nobody")?;
    match resolve(&alone, &Environment::empty()) {
        // The service or the environment may have the other half.
        Err(ConninfoError::Count { .. }) if given.get("service").is_some() => Ok(()),
        Err(ConninfoError::WeakSslMode { .. }) if given.get("sslmode").is_none() => Ok(()),
        other => other.map(drop),
    }
}

/// Adds the service's values, then the environment's.
fn with_defaults(given: &Conninfo, environment: &Environment) -> Result<Conninfo, ConninfoError> {
    let mut conninfo = given.clone();
    let service = given.get("service").or(environment.get("PGSERVICE"));
    if let Some(service) = service.map(ToOwned::to_owned) {
        service::apply(&mut conninfo, &service, environment)?;
    }
    for keyword in KEYWORDS {
        if let Some(value) = keyword.variable.and_then(|it| environment.get(it)) {
            conninfo.set_default(keyword.name, value)?;
        }
    }
    if environment.get("PGREQUIRESSL").is_some_and(|it| it.starts_with('1')) {
        conninfo.set_default("sslmode", "require")?;
    }
    match conninfo.get("gssencmode") {
        None | Some("disable" | "prefer") => Ok(conninfo),
        Some("require") => Err(ConninfoError::Unsupported { setting: "gssencmode=require" }),
        Some(_) => Err(refused(&conninfo, "gssencmode", "disable, prefer or require")),
    }
}

fn hosts(conninfo: &Conninfo) -> Result<Vec<HostTarget>, ConninfoError> {
    let list = |keyword| -> Vec<&str> {
        let text = conninfo.get(keyword).filter(|it: &&str| !it.is_empty());
        text.map(|it| it.split(',').collect()).unwrap_or_default()
    };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = addresses.len().max(if addresses.is_empty() { names.len() } else { 0 }).max(1);
    for (keyword, entries) in [("host", &names), ("port", &ports)] {
        let one_for_all = keyword == "port" && entries.len() == 1;
        if !entries.is_empty() && entries.len() != count && !one_for_all {
            return Err(ConninfoError::Count { keyword, found: entries.len(), hosts: count });
        }
    }
    let host = |i: usize| {
        let name = names.get(i).copied().unwrap_or_default();
        let addr = addresses.get(i).copied().unwrap_or_default();
        let port = if ports.len() == 1 { ports.first() } else { ports.get(i) };
        Ok(HostTarget {
            address: address(name, addr)?,
            port: read_port(port.copied().unwrap_or_default())?,
            password: None,
        })
    };
    (0..count).map(host).collect()
}

fn address(name: &str, addr: &str) -> Result<Address, ConninfoError> {
    if !addr.is_empty() {
        let addr = addr.parse::<NumericAddress>().map_err(|()| ConninfoError::HiddenValue {
            keyword: "hostaddr",
            expected: "an IP address",
        })?;
        let name = Some(name).filter(|it| !it.is_empty()).map(ToOwned::to_owned);
        return Ok(Address::Tcp { name, addr: Some(addr) });
    }
    if let Some(name) = name.strip_prefix('@') {
        return Ok(Address::Abstract(name.to_owned()));
    }
    if name.starts_with('/') {
        return Ok(Address::Socket(PathBuf::from(name)));
    }
    if name.is_empty() {
        return Ok(Address::Socket(socket_directory()));
    }
    // Most likely what follows an `@` in the password of a URI: not shown.
    if name.contains('@') {
        let expected = "the name of a host, an address, or the directory of a socket";
        return Err(ConninfoError::HiddenValue { keyword: "host", expected });
    }
    Ok(Address::Tcp { name: Some(name.to_owned()), addr: None })
}

/// The default place of sockets. libpq has it built in; what is there on this
/// machine is what its packages have.
fn socket_directory() -> PathBuf {
    let found = SOCKET_DIRECTORIES.iter().map(PathBuf::from).find(|it| it.is_dir());
    found.unwrap_or_else(|| SOCKET_DIRECTORIES[0].into())
}

fn read_port(text: &str) -> Result<u16, ConninfoError> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    // The value is not shown: after a `/` in a password of a URI, it is the
    // password's beginning.
    let port = text.strip_prefix('+').unwrap_or(text).parse().ok().filter(|it| *it > 0);
    port.ok_or(ConninfoError::HiddenValue { keyword: "port", expected: "a number from 1 to 65535" })
}

/// Fills in the passwords of the hosts.
fn passwords(
    conninfo: &Conninfo,
    environment: &Environment,
    (dbname, user): (&str, &str),
    hosts: &mut [HostTarget],
) -> Option<PassfileProblem> {
    if let Some(password) = conninfo.get("password").filter(|it| !it.is_empty()) {
        for host in hosts {
            host.password = Some(Secret::new(password));
        }
        return None;
    }
    let file = conninfo.get("passfile").filter(|it| !it.is_empty()).map(PathBuf::from);
    let file = file.or_else(|| environment.in_home(".pgpass"))?;
    for host in hosts {
        let name = match &host.address {
            // The default place counts as `localhost`, as with libpq.
            Address::Socket(path) if *path == socket_directory() => "localhost".to_owned(),
            Address::Socket(path) => path.display().to_string(),
            Address::Abstract(name) => format!("@{name}"),
            Address::Tcp { name: Some(name), .. } => name.clone(),
            Address::Tcp { addr: Some(addr), .. } => addr.to_string(),
            Address::Tcp { .. } => "localhost".to_owned(),
        };
        match password_from_file(&file, &name, &host.port.to_string(), dbname, user) {
            Ok(password) => host.password = password,
            Err(problem) => return Some(problem),
        }
    }
    None
}

fn session_attrs(conninfo: &Conninfo) -> Result<SessionAttrs, ConninfoError> {
    const EXPECTED: &str = "any, read-write, read-only, primary, standby or prefer-standby";
    let read = |it: &str| {
        Some(match it {
            "any" => SessionAttrs::Any,
            "read-write" => SessionAttrs::ReadWrite,
            "read-only" => SessionAttrs::ReadOnly,
            "primary" => SessionAttrs::Primary,
            "standby" => SessionAttrs::Standby,
            "prefer-standby" => SessionAttrs::PreferStandby,
            _ => return None,
        })
    };
    Ok(choice(conninfo, "target_session_attrs", EXPECTED, read)?.unwrap_or_default())
}

fn channel_binding(conninfo: &Conninfo) -> Result<ChannelBinding, ConninfoError> {
    let read = |it: &str| {
        Some(match it {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return None,
        })
    };
    let found = choice(conninfo, "channel_binding", "disable, prefer or require", read)?;
    Ok(found.unwrap_or_default())
}

fn require_auth(conninfo: &Conninfo) -> Result<Option<RequireAuth>, ConninfoError> {
    const METHODS: [&str; 7] = ["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"];
    const EXPECTED: &str = "a list of password, md5, gss, sspi, scram-sha-256, oauth and none, \
                            all with `!` before them or none";
    if conninfo.get("require_auth") == Some("") {
        return Ok(None);
    }
    choice(conninfo, "require_auth", EXPECTED, |list| {
        let negated = list.starts_with('!');
        let mut methods: Vec<String> = Vec::new();
        for entry in list.split(',') {
            let name = if negated { entry.strip_prefix('!')? } else { entry };
            if !METHODS.contains(&name) || methods.iter().any(|it| it == name) {
                return None;
            }
            methods.push(name.to_owned());
        }
        Some(RequireAuth { methods, negated })
    })
}

fn choice<T>(
    conninfo: &Conninfo,
    keyword: &'static str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ConninfoError> {
    // What is there and empty is no word either; only numbers and lists may be.
    let Some(value) = conninfo.get(keyword) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| refused(conninfo, keyword, expected))
}

fn refused(conninfo: &Conninfo, keyword: &'static str, expected: &'static str) -> ConninfoError {
    let value = conninfo.get(keyword).unwrap_or_default().to_owned();
    ConninfoError::Value { keyword, value, expected }
}

/// A whole number, with blanks around it as C's `strtol` has it.
fn integer(conninfo: &Conninfo, keyword: &'static str) -> Result<Option<i32>, ConninfoError> {
    let number = choice(conninfo, keyword, "a whole number", |it| {
        let it = it.trim_ascii();
        if it.is_empty() {
            Some(None)
        } else {
            it.strip_prefix('+').unwrap_or(it).parse().ok().map(Some)
        }
    });
    Ok(number?.flatten())
}

fn positive(conninfo: &Conninfo, keyword: &'static str) -> Result<Option<u32>, ConninfoError> {
    let number = integer(conninfo, keyword)?;
    Ok(number.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0))
}

fn seconds(conninfo: &Conninfo, keyword: &'static str) -> Result<Option<Duration>, ConninfoError> {
    Ok(positive(conninfo, keyword)?.map(|it| Duration::from_secs(it.into())))
}

/// One second counts as two, as with libpq up to 16.
fn connect_timeout(conninfo: &Conninfo) -> Result<Option<Duration>, ConninfoError> {
    Ok(seconds(conninfo, "connect_timeout")?.map(|it| it.max(Duration::from_secs(2))))
}
