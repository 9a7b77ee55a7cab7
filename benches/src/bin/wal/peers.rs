//! Who stores segments in a directory of this machine.

use std::{fs, path::Path, process::Command};

use hayloft_benches::{Contender, installed, measure, shell};

use crate::ground::Ground;

fn contender<'a>(name: impl Into<String>, prepare: impl Fn() + 'a, line: String) -> Contender<'a> {
    Contender {
        name: name.into(),
        prepare: Box::new(prepare),
        command: Box::new(move || shell(&line)),
    }
}

/// `hayloft pg wal push`, one at a time.
pub(crate) fn ours<'a>(ground: &'a Ground, compress: &str) -> Contender<'a> {
    let compress_element = format!("<compress>{compress}</compress>");
    let call = ground.configured(compress, &ground.local(), &compress_element);
    let line = ground.each(&format!("{call} push main \"$1\""));
    contender(format!("hayloft pg wal push, {compress}"), || ground.clean(), line)
}

/// A copy in the shell, as safe as it can be.
pub(crate) fn shell_copy<'a>(ground: &'a Ground, copy: &str) -> Contender<'a> {
    let to = ground.path("copies");
    let line = ground.each(&format!(
        "set -- \"$1\" {0}/${{1##*/}}; [[ ! -e $2 ]]; \
         ( set -- \"$1\" \"$2.tmp\"; {copy} ); sync \"$2.tmp\"; mv \"$2.tmp\" \"$2\"; sync {0}",
        to.display()
    ));
    let prepare = move || {
        ground.clean();
        fs::create_dir_all(ground.path("copies")).unwrap();
    };
    let word = copy.split(' ').next().unwrap().to_owned();
    contender(format!("{word}, sync, mv, sync of the directory"), prepare, line)
}

/// Our pushes of a backlog.
pub(crate) fn backlog_ours(ground: &Ground) -> Contender<'_> {
    let call = ground.configured("zstd", &ground.local(), "<compress>zstd</compress>");
    let line = ground.each_waiting(&format!("{call} push main \"$1\""));
    let prepare = || {
        ground.clean();
        ground.all_ready();
    };
    contender("hayloft pg wal push, zstd", prepare, line)
}

/// As fast as two processors compress: nothing is synced, and nobody waits.
pub(crate) fn limit(ground: &Ground) -> Contender<'_> {
    let (from, to) = (ground.path("pg_wal"), ground.path("copies"));
    let line = format!(
        "ls {0}/0* | xargs -P 2 -n 10 zstd -3 -q -f --output-dir-flat {1}",
        from.display(),
        to.display()
    );
    let prepare = move || {
        ground.clean();
        fs::create_dir_all(ground.path("copies")).unwrap();
    };
    contender("the limit: zstd -3, two at a time, no sync", prepare, line)
}

/// What the loop itself takes, with a program that does nothing.
pub(crate) fn limit_of_calls(ground: &Ground) -> Contender<'_> {
    let prepare = || {
        ground.clean();
        ground.all_ready();
    };
    contender("the limit: the loop with /bin/true", prepare, ground.each_waiting("/bin/true"))
}

/// pgBackRest's `archive-push`.
pub(crate) fn pgbackrest<'a>(
    ground: &'a Ground,
    compress: &'a str,
    asynchronous: bool,
    all: bool,
) -> Option<Contender<'a>> {
    if !installed("pgbackrest") {
        return None;
    }
    let configuration = ground.path("pgbackrest.conf");
    let call = format!("pgbackrest --config={} --stanza=main", configuration.display());
    let prepare = {
        let (call, configuration) = (call.clone(), configuration.clone());
        move || {
            ground.clean();
            configure(ground, &configuration, compress, asynchronous);
            measure(shell(&format!("{call} --no-online stanza-create")));
            if all {
                ground.all_ready();
            }
        }
    };
    let push = format!("{call} archive-push \"$1\"");
    let line = if all { ground.each_waiting(&push) } else { ground.each_ready(&push) };
    let how = if asynchronous { "asynchronous, 2 processes" } else { "synchronous" };
    Some(contender(format!("pgbackrest archive-push, {compress}, {how}"), prepare, line))
}

fn configure(ground: &Ground, path: &Path, compress: &str, asynchronous: bool) {
    let text = format!(
        "[global]\nrepo1-path={}\nspool-path={}\nlock-path={}\nlog-path={}\n\
         log-level-console=error\nlog-level-file=off\ncompress-type={compress}\n\
         compress-level=3\nprocess-max=2\narchive-async={}\n\
         [main]\npg1-path={}\n",
        ground.path("repo").display(),
        ground.path("br-spool").display(),
        ground.path("br-lock").display(),
        ground.path("br-log").display(),
        if asynchronous { "y" } else { "n" },
        ground.dir().display(),
    );
    fs::write(path, text).unwrap();
}

/// A program of Barman's, where `scripts/barman` has put it.
pub(crate) fn barman(name: &str) -> Option<String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/barman/bin");
    let program = home.join(name);
    if !program.exists() {
        println!("{name} is not installed (scripts/barman) and is left out");
        return None;
    }
    Some(program.display().to_string())
}

/// Puts all segments into `incoming`.
fn bring(ground: &Ground) {
    ground.clean();
    let incoming = ground.path("barman/main/incoming");
    fs::create_dir_all(&incoming).unwrap();
    let copy = format!("cp {}/0* {}", ground.path("pg_wal").display(), incoming.display());
    measure(shell(&format!("{copy}; sync")));
}

/// Our `pg wal archive` of what lies in `incoming`.
pub(crate) fn archive_ours(ground: &Ground) -> Contender<'_> {
    let call = ground.configured("zstd", &ground.local(), "<compress>zstd</compress>");
    let configuration = ground.path("zstd");
    let text = fs::read_to_string(&configuration).unwrap();
    let home = ground.path("barman/main");
    let directories = format!(
        "<name>main</name><archiver>Y</archiver>\
         <incoming_wals_directory>{0}/incoming</incoming_wals_directory>\
         <streaming_wals_directory>{0}/streaming</streaming_wals_directory>\
         <errors_directory>{0}/errors</errors_directory>",
        home.display()
    );
    fs::write(configuration, text.replace("<name>main</name>", &directories)).unwrap();
    contender("hayloft pg wal archive, zstd", || bring(ground), format!("{call} archive main"))
}

/// Barman's `archive-wal` of what lies in `incoming`: the same level, by the
/// same library, without a checksum in the frame; and as durable as ours, each
/// file and its directories synced before the next one.
pub(crate) fn backlog_barman(ground: &Ground) -> Option<Contender<'_>> {
    let program = barman("barman")?;
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let home = ground.path("barman");
    let configuration = ground.path("barman.conf");
    let text = format!(
        "[barman]\nbarman_user = {}barman_home = {home}\nbarman_lock_directory = {home}\n\
         log_file = {home}/log\nconfiguration_files_directory = {home}/conf.d\n\
         [main]\ndescription = it\narchiver = on\nbackup_method = postgres\ncompression = zstd\n\
         compression_level = 3\nconninfo = host=/nonexistent dbname=postgres\n",
        String::from_utf8(user).unwrap(),
        home = home.display()
    );
    fs::write(&configuration, text).unwrap();
    let prepare = move || bring(ground);
    let line = format!("{program} -q -c {} archive-wal main", configuration.display());
    Some(contender("barman archive-wal, zstd", prepare, line))
}
