//! All keywords of connection strings.

/// A keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// The environment variable that is read if it is not given.
    pub variable: Option<&'static str>,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// The major version whose libpq brought it; 0 for those older than 13.
    pub since: u32,
}

const fn plain(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), secret: false, since: 0 }
}

const fn bare(name: &'static str) -> Keyword {
    Keyword { name, variable: None, secret: false, since: 0 }
}

const fn secret(name: &'static str) -> Keyword {
    Keyword { secret: true, ..bare(name) }
}

const fn since(version: u32, keyword: Keyword) -> Keyword {
    Keyword { since: version, ..keyword }
}

/// Every keyword that libpq knows in 13 to 18 (documentation, "Parameter Key
/// Words" and "Environment Variables").
pub const KEYWORDS: &[Keyword] = &[
    plain("application_name", "PGAPPNAME"),
    plain("channel_binding", "PGCHANNELBINDING"),
    plain("client_encoding", "PGCLIENTENCODING"),
    plain("connect_timeout", "PGCONNECT_TIMEOUT"),
    plain("dbname", "PGDATABASE"),
    bare("fallback_application_name"),
    since(16, plain("gssdelegation", "PGGSSDELEGATION")),
    plain("gssencmode", "PGGSSENCMODE"),
    plain("gsslib", "PGGSSLIB"),
    plain("host", "PGHOST"),
    plain("hostaddr", "PGHOSTADDR"),
    bare("keepalives"),
    bare("keepalives_count"),
    bare("keepalives_idle"),
    bare("keepalives_interval"),
    plain("krbsrvname", "PGKRBSRVNAME"),
    since(16, plain("load_balance_hosts", "PGLOADBALANCEHOSTS")),
    since(18, plain("max_protocol_version", "PGMAXPROTOCOLVERSION")),
    since(18, plain("min_protocol_version", "PGMINPROTOCOLVERSION")),
    since(18, bare("oauth_client_id")),
    since(18, secret("oauth_client_secret")),
    since(18, bare("oauth_issuer")),
    since(18, bare("oauth_scope")),
    plain("options", "PGOPTIONS"),
    plain("passfile", "PGPASSFILE"),
    Keyword { variable: Some("PGPASSWORD"), ..secret("password") },
    plain("port", "PGPORT"),
    bare("replication"),
    since(16, plain("require_auth", "PGREQUIREAUTH")),
    plain("requirepeer", "PGREQUIREPEER"),
    since(18, secret("scram_client_key")),
    since(18, secret("scram_server_key")),
    plain("service", "PGSERVICE"),
    plain("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    plain("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    plain("sslcert", "PGSSLCERT"),
    since(16, plain("sslcertmode", "PGSSLCERTMODE")),
    plain("sslcompression", "PGSSLCOMPRESSION"),
    plain("sslcrl", "PGSSLCRL"),
    since(14, plain("sslcrldir", "PGSSLCRLDIR")),
    plain("sslkey", "PGSSLKEY"),
    since(18, bare("sslkeylogfile")),
    plain("sslmode", "PGSSLMODE"),
    since(17, plain("sslnegotiation", "PGSSLNEGOTIATION")),
    secret("sslpassword"),
    plain("sslrootcert", "PGSSLROOTCERT"),
    since(14, plain("sslsni", "PGSSLSNI")),
    plain("target_session_attrs", "PGTARGETSESSIONATTRS"),
    bare("tcp_user_timeout"),
    plain("user", "PGUSER"),
];

/// Finds a keyword; case matters.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    let at = KEYWORDS.binary_search_by(|it| it.name.cmp(name)).ok()?;
    KEYWORDS.get(at)
}

/// Tells whether a word may be shown in a message: it looks like a name, and
/// no password follows the name of a secret in it (`passwordx`, `pwd:x`).
pub(super) fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let lower = word.to_ascii_lowercase();
    let begins =
        |it: &Keyword| it.secret && lower.len() > it.name.len() && lower.starts_with(it.name);
    word.len() <= 40 && word.chars().all(plain) && !KEYWORDS.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KEYWORDS.is_sorted_by(|a, b| a.name < b.name));
    }
}
