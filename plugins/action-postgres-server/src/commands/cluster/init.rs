//! The command `hayloft pg cluster init`.

use std::{fs, io::Read, path::PathBuf};

use hayloft_plugin_api::{Argument, Arguments, CommandSpec, Error, Result};
use hayloft_postgres::{
    cluster::{self, DataDirectory, Ensured, InitOptions, LocaleProvider},
    conninfo::Secret,
    version::ServerVersion,
};

use super::{Call, Subcommand, bin_dir, data, dir, dry_run, failed, patiently, timeout};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "init", spec, run };

/// The parts of a locale that can be given each.
const PARTS: [&str; 6] = ["collate", "ctype", "messages", "monetary", "numeric", "time"];

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Make a new cluster".to_owned(),
        long_about: "Makes a cluster: whole under its name or not at all, even if this program is \
                     killed. Nobody is trusted unless it is said: the socket asks for the user \
                     (peer), TCP for a password (scram-sha-256). As root, the cluster belongs to \
                     --owner, or to the owner of the empty directory that is there, or to postgres."
            .to_owned(),
        arguments: arguments(),
        after_help: "Examples:\n  hayloft pg cluster init /srv/postgres/data --data-checksums\n  \
                     hayloft pg cluster init /srv/scratch --username app --password-file ~/secret \\\n    \
                     --auth-local scram-sha-256 --set port=5433 --set shared_buffers=64MB\n  \
                     hayloft pg cluster init /srv/postgres/data --ensure"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn arguments() -> Vec<Argument> {
    let option = Argument::option;
    let mut all = vec![
        dir(),
        Argument::flag("ensure", "Be content if the cluster is there already"),
        option("pg-version", "VERSION", "The major version; the newest one that is installed"),
        bin_dir(),
        option("owner", "USER", "Whom the cluster belongs to, for root"),
        option("username", "NAME", "The first role; the owner's name if not given").short('U'),
        option("password-file", "FILE", "A file whose first line is that role's password"),
        option("auth", "METHOD", "How socket and TCP ask, where the next two are not given")
            .short('A'),
        option("auth-local", "METHOD", "How the socket asks who somebody is; peer if not given"),
        option("auth-host", "METHOD", "How TCP asks; scram-sha-256 if not given"),
        option("encoding", "NAME", "The encoding of databases").short('E'),
        option("locale", "LOCALE", "The locale for everything"),
        Argument::flag("no-locale", "The same as --locale C"),
    ];
    for part in PARTS {
        all.push(option(&format!("lc-{part}"), "LOCALE", &format!("The locale for {part}")));
    }
    all.extend([
        option("locale-provider", "PROVIDER", "Who compares texts; from 15 on")
            .choices(&["libc", "icu", "builtin"]),
        option("icu-locale", "LOCALE", "The locale for ICU; from 15 on"),
        option("icu-rules", "RULES", "Rules for ICU; from 16 on"),
        option("builtin-locale", "LOCALE", "The locale for the builtin provider; from 17 on"),
        Argument::flag("data-checksums", "Give pages checksums; the default from 18 on").short('k'),
        Argument::flag("no-data-checksums", "Give pages no checksums"),
        option("wal-segsize", "MB", "Megabytes in a WAL segment, 1 to 1024"),
        option("waldir", "DIR", "Another directory for WAL").short('X'),
        Argument::flag("allow-group-access", "Let the owner's group read the cluster").short('g'),
        option("set", "NAME=VALUE", "A setting for conf.d/00-hayloft.conf").multiple(),
        option("text-search-config", "NAME", "The default configuration of text search").short('T'),
        Argument::flag("no-sync", "Do not force it to the disk; for scratch clusters").short('N'),
        option("sync-method", "METHOD", "fsync or syncfs; from 17 on"),
        Argument::flag("no-sync-data-files", "Do not force data files to the disk; from 18 on"),
        option("input", "DIR", "Where initdb finds its input files").short('L'),
        Argument::flag("debug", "Let initdb say much of what it does (with -v)").short('d'),
        Argument::flag("discard-caches", "Look for mistakes of the server itself; from 14 on"),
        Argument::flag("no-clean", "Leave what cannot be finished to be looked at").short('n'),
        Argument::flag("show", "Show the settings of initdb itself, and make nothing").short('s'),
        Argument::flag("sync-only", "Only force a cluster that is there to the disk").short('S'),
        timeout(),
        dry_run(),
    ]);
    all
}

fn options(given: &Arguments) -> Result<InitOptions> {
    let text = |name: &str| given.get(name).map(ToOwned::to_owned);
    let path = |name| given.get(name).map(PathBuf::from);
    if given.has("no-locale") && given.has("locale") {
        return Err(Error::msg("--locale and --no-locale contradict each other"));
    }
    if given.has("data-checksums") && given.has("no-data-checksums") {
        return Err(Error::msg("--data-checksums and --no-data-checksums contradict each other"));
    }
    let parts =
        PARTS.iter().filter_map(|part| Some(((*part).to_owned(), text(&format!("lc-{part}"))?)));
    let checksums = if given.has("data-checksums") {
        Some(true)
    } else {
        given.has("no-data-checksums").then_some(false)
    };
    Ok(InitOptions {
        programs: path("bin-dir"),
        version: given.get("pg-version").map(version).transpose()?,
        owner: text("owner"),
        superuser: text("username"),
        password: path("password-file").map(|it| password(&it)).transpose()?,
        auth_local: text("auth-local")
            .or_else(|| text("auth").map(|it| of_both(it, "ident", "peer"))),
        auth_host: text("auth-host")
            .or_else(|| text("auth").map(|it| of_both(it, "peer", "ident"))),
        encoding: text("encoding"),
        locale: if given.has("no-locale") { Some("C".to_owned()) } else { text("locale") },
        locales: parts.collect(),
        provider: given.get("locale-provider").map(|it| match it {
            "icu" => LocaleProvider::Icu,
            "builtin" => LocaleProvider::Builtin,
            _ => LocaleProvider::Libc,
        }),
        icu_locale: text("icu-locale"),
        icu_rules: text("icu-rules"),
        builtin_locale: text("builtin-locale"),
        checksums,
        wal_segment_size: given.get("wal-segsize").map(megabytes).transpose()?,
        wal_directory: path("waldir"),
        group_access: given.has("allow-group-access"),
        settings: given.all("set").iter().map(|it| setting(it)).collect::<Result<_>>()?,
        text_search: text("text-search-config"),
        no_sync: given.has("no-sync"),
        sync_method: text("sync-method"),
        no_sync_data_files: given.has("no-sync-data-files"),
        input: path("input"),
        debug: given.has("debug"),
        discard_caches: given.has("discard-caches"),
        no_clean: given.has("no-clean"),
    })
}

/// `ident` and `peer` are the same, the one for TCP and the other for the
/// socket, as with `initdb`.
fn of_both(method: String, other: &str, own: &str) -> String {
    if method == other { own.to_owned() } else { method }
}

fn version(text: &str) -> Result<ServerVersion> {
    ServerVersion::parse(text).filter(|it| it.is_supported()).ok_or_else(|| {
        Error::msg(format!("`{text}` is no version of PostgreSQL that is served"))
            .hint("give 13 or later, such as 15")
    })
}

fn megabytes(text: &str) -> Result<u32> {
    text.parse().map_err(|_| {
        Error::msg(format!("`{text}` is no size of a WAL segment"))
            .hint("give megabytes: 1, 2, 4, … 1024")
    })
}

fn setting(text: &str) -> Result<(String, String)> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| Error::msg(format!("`{text}` is no setting")).hint("write it as NAME=VALUE"))
}

/// The first line of a file.
fn password(path: &std::path::Path) -> Result<Secret> {
    let failed = |it: std::io::Error| {
        Error::from(it).context(format!("cannot read the password from {}", path.display()))
    };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(4096).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::msg(format!("the password in {} is no UTF-8", path.display())))?;
    let line = text.split('\n').next().unwrap_or_default();
    Ok(Secret::new(line.trim_end_matches('\r')))
}

fn run(call: &Call<'_>) -> Result<u8> {
    let (data, options) = (data(call), options(call.arguments)?);
    if call.arguments.has("sync-only") {
        let there = patiently(call, |it| cluster::init_sync(&data, &options, it))?;
        call.host.print(format!("on the disk: {}\n", there.path.display()))?;
        return Ok(0);
    }
    if call.arguments.has("show") {
        let plan = cluster::init_plan(&data, &options).map_err(|it| failed(&it))?;
        call.host.print(patiently(call, |it| cluster::init_show(&plan, it))?)?;
        return Ok(0);
    }
    if call.arguments.has("dry-run") {
        let plan = cluster::init_plan(&data, &options).map_err(|it| failed(&it))?;
        call.host.print(format!(
            "would make a cluster of version {} in {} for {}: initdb {}\n",
            plan.version,
            plan.data.display(),
            plan.account.name(),
            plan.arguments.join(" ")
        ))?;
        return Ok(0);
    }
    let ensured = if call.arguments.has("ensure") {
        patiently(call, |it| cluster::ensure(&data, &options, it))?
    } else {
        let plan = cluster::init_plan(&data, &options).map_err(|it| failed(&it))?;
        Ensured::Made(patiently(call, |it| cluster::init(&plan, &options, it))?)
    };
    let (directory, made) = match &ensured {
        Ensured::Made(it) => {
            for warning in &it.warnings {
                tracing::warn!("initdb: {warning}");
            }
            for line in it.said.lines().filter(|_| options.debug) {
                tracing::info!("initdb: {line}");
            }
            (&it.directory, true)
        }
        Ensured::Present(it) => (it, false),
    };
    call.host.print(text(call, directory, made)?)?;
    Ok(0)
}

fn text(call: &Call<'_>, directory: &DataDirectory, made: bool) -> Result<String> {
    let (path, version) = (directory.path.display(), directory.version.major_text());
    let system = directory.control.system_identifier.to_string();
    if call.arguments.json {
        let value = serde_json::json!({
            "data": path.to_string(),
            "made": made,
            "version": version,
            "system_identifier": system,
        });
        return Ok(serde_json::to_string_pretty(&value)? + "\n");
    }
    let what = if made { "made" } else { "is there already" };
    Ok(format!("{what}: {path}, version {version}, system identifier {system}\n"))
}
