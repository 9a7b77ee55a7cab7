//! What is in a backup.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Child, Stdio},
};

use super::{
    ground::{Ground, ONE, TWO},
    restored::Restored,
};

/// Every file and directory, by its path, with its content.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name + "/", Vec::new());
                walk(root, &path, found);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// What each program writes by itself, and what holds times and positions.
const DIFFERENT: [&str; 7] = [
    "backup_label",
    "backup_manifest",
    "global/pg_control",
    "postgresql.auto.conf",
    "recovery.signal",
    "tablespace_map",
    "pg_logical/replorigin_checkpoint",
];

#[test]
fn the_same_files_are_saved_as_by_postgresqls_own_tool() {
    let ground = Ground::with(ONE, |it| it.setting("autovacuum", "off"));
    let space = ground.path("space");
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    ground.sql(&format!("CREATE TABLESPACE fast LOCATION '{}'", space.display()));
    ground.sql("CREATE TABLE there TABLESPACE fast AS SELECT generate_series(1, 1000) AS a");
    ground.sql("CREATE UNLOGGED TABLE gone AS SELECT generate_series(1, 1000) AS a");
    fs::write(ground.server.data_dir().join("pgsql_tmp_x"), "x").unwrap();
    fs::create_dir(ground.server.data_dir().join("own")).unwrap();
    fs::write(ground.server.data_dir().join("own/file.txt"), "mine").unwrap();
    ground.give(&ground.server.data_dir().join("own"));
    ground.sql("CHECKPOINT");
    ground.backup(&[]);
    let theirs = ground.path("theirs");
    let mut command = ground.server.unprivileged("pg_basebackup");
    command.arg("-D").arg(&theirs).args(["--checkpoint=fast", "-X", "none", "--no-sync"]);
    command.arg(format!("-T{}={}", space.display(), ground.path("space-theirs").display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = ground.path("ours");
    let map = format!("fast={}", ground.path("space-ours").display());
    ground.pg(&["restore", "main", "$DIR/ours", "--tablespace", &map]).exits(0);
    let (mut ours, mut theirs) = (tree(&ours), tree(&theirs));
    for name in DIFFERENT {
        ours.remove(name);
        theirs.remove(name);
    }
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    let is_there = |it: &&String| it.starts_with("pg_tblspc/") && !it.ends_with('/');
    assert!(ours.keys().any(|it| is_there(&it)));
    // Nobody has looked at these in between, which would change them.
    let fixed = ["own/file.txt", "PG_VERSION", "pg_hba.conf", "postgresql.conf"];
    for name in ours.keys().filter(is_there).map(String::as_str).chain(fixed) {
        assert!(theirs[name] == ours[name], "{name} is another one");
    }
}

fn load(ground: &Ground) -> Child {
    let mut command = ground.server.command("pgbench");
    command.args(["-c", "4", "-T", "600", "-n", "bench"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_backup_under_load_has_everything_when_it_has_recovered() {
    let ground = Ground::new(TWO);
    ground.server.pgbench("bench", 2);
    let mut load = load(&ground);
    let id = ground.backup(&["--workers", "3"]);
    load.kill().unwrap();
    load.wait().unwrap();
    super::ground::wait_for("the end of the load", || {
        ground.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'bench'") == "0"
    });
    ground.archive_all();
    let tables = ["pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers"];
    let sum = |table: &&str| {
        format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} AS t")
    };
    let expected: Vec<String> =
        tables.iter().map(|it| ground.server.sql("bench", &sum(it))).collect();
    assert!(expected[2] != "0|", "there was a load");
    for storage in ["disk", "other"] {
        assert!(ground.info(storage, &id).contains("status=DONE"));
        let restored = Restored::restore(&ground, storage_copy(storage), &["--storage", storage]);
        let restored = restored.promoted();
        let found: Vec<String> =
            tables.iter().map(|it| restored.sql_in("bench", &sum(it))).collect();
        assert_eq!(found, expected, "{storage}");
        restored.is_sound();
    }
}

fn storage_copy(storage: &str) -> &'static str {
    if storage == "disk" { "of-disk" } else { "of-other" }
}

#[test]
fn files_of_the_configuration_that_lie_elsewhere_are_saved_too() {
    let ground = Ground::new(ONE);
    let data = ground.server.data_dir();
    let etc = ground.path("etc");
    fs::create_dir(&etc).unwrap();
    fs::copy(data.join("pg_hba.conf"), etc.join("hba.conf")).unwrap();
    ground.give(&etc);
    ground.give(&etc.join("hba.conf"));
    let mut ground = ground;
    ground.server.stop();
    let auto = data.join("postgresql.auto.conf");
    let line = format!("hba_file = '{}'\n", etc.join("hba.conf").display());
    let conf = data.join("postgresql.conf");
    fs::write(&conf, fs::read_to_string(&conf).unwrap() + &line).unwrap();
    assert!(auto.exists());
    fs::write(etc.join("hba.conf"), "# elsewhere\nlocal all all trust\n").unwrap();
    fs::remove_file(data.join("pg_hba.conf")).unwrap();
    ground.server.start_again();
    ground.backup(&[]);
    let restored = Restored::restore(&ground, "copy", &[]).promoted();
    let hba = fs::read_to_string(restored.data().join("pg_hba.conf")).unwrap();
    assert!(hba.starts_with("# elsewhere"), "{hba}");
    assert!(restored.sql("SHOW hba_file").starts_with(restored.data().to_str().unwrap()));
}

/// A database without encoding sends paths and names as they are.
#[test]
fn a_tablespace_whose_path_is_no_text_is_saved() {
    let ground = Ground::with(ONE, |it| it.initdb("--locale=C").initdb("--encoding=SQL_ASCII"));
    let space = ground.path(OsStr::from_bytes(b"sp\xe9ce"));
    fs::create_dir(&space).unwrap();
    ground.give(&space);
    let script = format!(
        "SET client_encoding = 'SQL_ASCII';\nSELECT format('CREATE TABLESPACE odd LOCATION %L', \
         '{}/sp' || chr(233) || 'ce') \\gexec\n",
        ground.dir().display()
    );
    let file = ground.path("create.sql");
    fs::write(&file, script).unwrap();
    let mut psql = ground.server.command("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f"]).arg(&file);
    assert!(psql.status().unwrap().success());
    let (there, count) = ("CREATE TABLE there TABLESPACE odd AS", "SELECT count(*) FROM there");
    ground.server.sql("postgres", &format!("{there} SELECT generate_series(1, 1000) AS a"));
    for method in ["local", "stream"] {
        ground.backup(&["--method", method]);
        let map = format!("odd={}", ground.path(format!("space-{method}")).display());
        let restored = Restored::restore(&ground, method, &["--tablespace", &map]).promoted();
        assert_eq!(restored.sql_in("postgres", count), "1000", "{method}");
        restored.stop();
    }
}
