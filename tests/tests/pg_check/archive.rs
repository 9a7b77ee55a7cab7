//! What `pg check` says of directories, of what compresses and encrypts, and of
//! what is in the storages.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use hayloft_tests::{Sandbox, postgres::Postgres};

use super::setting::{element, outcomes, pg};

/// A configuration with a storage, and with these elements of a server.
fn configured(server: &Postgres, elements: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let text = format!(
        "<cb_config>
           <options>
             <starting_day>monday</starting_day><working_dir>{work}</working_dir>
             <backup_user>root</backup_user><backup_group>root</backup_group>
             <rcp_command>scp -B</rcp_command>
           </options>
           <storages>
             <storage><name>disk</name><type>local</type><root>{disk}</root><create>Y</create></storage>
           </storages>
           <encryptors>
             <encryptor><name>team</name><type>age</type><recipients_file>{nowhere}</recipients_file></encryptor>
           </encryptors>
           <postgres_servers>
             <server><name>main</name>{conninfo}<storage>disk</storage>{elements}</server>
           </postgres_servers>
         </cb_config>",
        work = sandbox.path("work").display(),
        disk = sandbox.path("disk").display(),
        nowhere = sandbox.path("nowhere").display(),
        conninfo = element(server, "postgres"),
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

/// Stores the segment that the server writes, as its archive command would.
fn archive(server: &Postgres, sandbox: &Sandbox) -> String {
    let segment = server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
    let path = server.data_dir().join("pg_wal").join(&segment);
    pg(sandbox, &["wal", "push", "main", path.to_str().unwrap()]).exits(0);
    segment
}

fn stored(sandbox: &Sandbox, segment: &str) -> std::path::PathBuf {
    let place = sandbox.path("disk/main/wals").join(&segment[..16]);
    let mut all = fs::read_dir(place).unwrap().flatten().map(|it| it.path());
    all.find(|it| it.file_name().unwrap().to_str().unwrap().starts_with(segment)).unwrap()
}

#[test]
fn directories_that_cannot_be_made_are_found() {
    let server = Postgres::start();
    let nowhere = Sandbox::new();
    std::os::unix::fs::symlink("nowhere", nowhere.path("link")).unwrap();
    let errors = nowhere.path("link/errors").display().to_string();
    let elements = format!(
        "<streaming_archiver>Y</streaming_archiver><errors_directory>{errors}</errors_directory>"
    );
    let sandbox = configured(&server, &elements);
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["directories"].0, "failed", "{found:?}");
    let output = pg(&sandbox, &["check"]).exits(1);
    output.says(&format!("{errors} cannot be made")).says("name another one in <errors_directory>");
    pg(&sandbox, &["check", "--nagios"]).exits(2).says(&format!("directories: {errors}"));
    assert!(!sandbox.path("work").exists(), "a check makes no directory");

    let sandbox = configured(&server, "<streaming_archiver>Y</streaming_archiver>");
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["directories"].0, "ok", "{found:?}");
    assert!(found["directories"].1.contains("work/postgres/main/streaming"), "{found:?}");
    // What stands in the way of one.
    sandbox.write("work/postgres/main/streaming", "");
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["directories"].0, "failed", "{found:?}");
}

#[test]
fn what_compresses_and_encrypts_is_tried() {
    let server = Postgres::start();
    let sandbox = configured(&server, "");
    let found = outcomes(&sandbox, "main");
    let good = ("ok".to_owned(), "zstd".to_owned());
    assert_eq!(found["compression_settings"], good, "{found:?}");
    assert!(!found.contains_key("encryption_settings"), "{found:?}");
    let cases = [
        ("<wal><compress>zts</compress></wal>", "compression_settings", "zts: "),
        ("<backup><compress>zts</compress></backup>", "compression_settings", "zts: "),
        ("<backup><encrypt>team</encrypt></backup>", "encryption_settings", "team: "),
        ("<wal><encrypt>tame</encrypt></wal>", "encryption_settings", "tame: "),
    ];
    for (elements, line, text) in cases {
        let sandbox = configured(&server, elements);
        let found = outcomes(&sandbox, "main");
        assert_eq!(found[line].0, "failed", "{elements}: {found:?}");
        assert!(found[line].1.contains(text), "{elements}: {found:?}");
        pg(&sandbox, &["check"]).exits(1).says("why:").says("do:");
        let text = line.replace('_', " ");
        pg(&sandbox, &["check", "--nagios"]).exits(2).says(&format!("main: {text}: "));
    }
}

#[test]
fn an_archive_is_judged_by_its_age_and_its_cluster() {
    let server = Postgres::start();
    let elements = "<streaming_archiver>Y</streaming_archiver><last_wal_maximum_age>2 HOURS</last_wal_maximum_age>";
    let sandbox = configured(&server, elements);
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["wal_archive"].0, "warning", "{found:?}");
    assert!(!found.contains_key("archive_identity"), "{found:?}");

    let segment = archive(&server, &sandbox);
    let found = outcomes(&sandbox, "main");
    assert!(!found.contains_key("wal_archive"), "{found:?}");
    for line in ["archive_identity", "wal_maximum_age", "wal_gaps", "data_directory"] {
        assert_eq!(found[line].0, "ok", "{line}: {found:?}");
    }
    let old = SystemTime::now() - Duration::from_hours(3);
    let file = fs::File::options().write(true).open(stored(&sandbox, &segment)).unwrap();
    file.set_modified(old).unwrap();
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["wal_maximum_age"].0, "failed", "{found:?}");
    pg(&sandbox, &["check"]).says("it may be 2 hours old").says("archive_timeout");

    let identity = sandbox.path("disk/main/identity.json");
    let text = fs::read_to_string(&identity).unwrap();
    let ours = server.sql("postgres", "SELECT system_identifier FROM pg_control_system()");
    fs::write(&identity, text.replace(&ours, "7")).unwrap();
    let found = outcomes(&sandbox, "main");
    assert_eq!(found["archive_identity"].0, "failed", "{found:?}");
    pg(&sandbox, &["check"]).exits(1).says("the archive of cluster 7").says("another <name>");
}

#[test]
fn a_directory_of_another_machine_is_told() {
    let server = Postgres::start();
    let sandbox = configured(&server, "");
    assert_eq!(outcomes(&sandbox, "main")["data_directory"].0, "ok");
    let sandbox = configured(&server, "<backup><method>stream</method></backup>");
    assert!(!outcomes(&sandbox, "main").contains_key("data_directory"));
}
