//! Who takes base backups and restores them.

use std::fs;

use hayloft_benches::{Contender, installed, measure, shell};

use crate::ground::Ground;

pub(crate) fn contender<'a>(
    name: impl Into<String>,
    prepare: impl Fn() + 'a,
    line: String,
) -> Contender<'a> {
    Contender {
        name: name.into(),
        prepare: Box::new(prepare),
        command: Box::new(move || shell(&line)),
    }
}

/// `hayloft pg backup`.
pub(crate) fn ours<'a>(ground: &'a Ground, compress: &str, more: &str) -> Contender<'a> {
    let line = format!("{} backup main --fast --no-wait {more}", ground.configured(compress));
    contender(format!("hayloft pg backup, {compress} {more}"), || ground.clean(), line)
}

/// `pgbackrest backup --type=full`.
pub(crate) fn pgbackrest<'a>(
    ground: &'a Ground,
    compress: &'a str,
    bundle: &'a str,
) -> Option<Contender<'a>> {
    if !installed("pgbackrest") {
        return None;
    }
    let call = configured(ground, compress, bundle);
    let line = format!("{call} --type=full backup");
    let prepare = move || {
        ground.clean();
        let call = configured(ground, compress, bundle);
        measure(shell(&format!("{call} stanza-create")));
    };
    Some(contender(format!("pgbackrest, {compress}, bundle={bundle}"), prepare, line))
}

/// `pgbackrest restore` of a backup that is taken now.
pub(crate) fn pgbackrest_restore(ground: &Ground) -> Option<Contender<'_>> {
    if !installed("pgbackrest") {
        return None;
    }
    let call = configured(ground, "zst", "y");
    measure(shell(&format!("{call} stanza-create && {call} --type=full backup")));
    let to = ground.path("restored/theirs");
    let line = format!("{call} --pg1-path={} --type=none restore", to.display());
    let prepare = move || {
        ground.remove("restored");
        fs::create_dir_all(&to).unwrap();
        measure(shell("sync"));
    };
    Some(contender("pgbackrest restore", prepare, line))
}

fn configured(ground: &Ground, compress: &str, bundle: &str) -> String {
    let path = ground.path(&format!("pgbackrest-{compress}-{bundle}.conf"));
    let server = ground.server();
    let text = format!(
        "[global]\nrepo1-path={}\nspool-path={}\nlock-path={}\nlog-path={}\n\
         log-level-console=error\nlog-level-file=off\ncompress-type={compress}\n\
         compress-level=3\nprocess-max=2\nrepo1-bundle={bundle}\narchive-check=n\nstart-fast=y\n\
         repo1-retention-full=9\n[main]\npg1-path={}\npg1-socket-path={}\npg1-port={}\n\
         pg1-user={}\n",
        ground.path("repo").display(),
        ground.path("br-spool").display(),
        ground.path("br-lock").display(),
        ground.path("br-log").display(),
        server.data_dir().display(),
        server.socket_dir().display(),
        server.port(),
        server.user(),
    );
    fs::write(&path, text).unwrap();
    format!("pgbackrest --config={} --stanza=main", path.display())
}
