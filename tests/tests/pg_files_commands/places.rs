//! Where the files are: every way to say it, and none.

use super::setting::{pg, with_file};

#[test]
fn a_command_line_that_cannot_be_meant_has_its_own_code() {
    let sandbox = with_file("postgresql.conf", "port = 1\n");
    let cases: [(&[&str], &str); 7] = [
        (&["conf", "get", "port"], "Give --data-directory DIR"),
        (&["conf", "set", "-f", "postgresql.conf", "port"], "is not NAME=VALUE"),
        (&["conf", "set", "-f", "postgresql.conf", "port=1", "PORT=2"], "PORT is given twice"),
        (&["conf", "get", "-D", ".", "--server", "x", "port"], "either --data-directory or"),
        (&["conf", "get", "-f", "x", "--server-version", "12", "port"], "no version of PostgreSQL"),
        (&["hba", "list"], "where is pg_hba.conf?"),
        (&["conf", "get", "-f", "postgresql.conf"], "NAME"),
    ];
    for (arguments, text) in cases {
        let mut command = sandbox.command(&[&["pg"], arguments].concat());
        let output = command.env_remove("PGDATA").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
    pg(&sandbox, &["conf", "get", "-f", "nope.conf", "port"]).exits(1).complains("nope.conf");
    let output = pg(&sandbox, &["conf", "set", "-f", "nope.conf", "port=1"]).exits(1);
    output.complains("cannot read nope.conf");
    pg(&sandbox, &["conf", "get", "-D", "nope", "port"]).exits(1).complains("cannot read nope");
    pg(&sandbox, &["conf", "get", "--server", "x", "port"])
        .exits(1)
        .complains("no PostgreSQL server");
}

#[test]
fn a_directory_of_data_or_of_configuration_will_do() {
    let sandbox = with_file("data/PG_VERSION", "16\n");
    pg(&sandbox, &["conf", "get", "-D", "data", "port"])
        .exits(1)
        .complains("holds no postgresql.conf");
    sandbox.write(
        "etc/postgresql.conf",
        "data_directory = '$SANDBOX/data'\nport = 5\n\
                   hba_file = '$SANDBOX/etc/rules'\n",
    );
    sandbox.write("etc/rules", "local all all peer\n");
    sandbox.write("data/postgresql.auto.conf", "port = '6'\n");
    assert_eq!(pg(&sandbox, &["conf", "get", "-D", "etc", "port"]).exits(0).stdout, "6\n");
    pg(&sandbox, &["hba", "list", "-D", "etc"]).exits(0).says("peer");
    let json = pg(&sandbox, &["conf", "check", "-D", "etc", "--json"]).exits(0).json();
    assert_eq!(json["version"], "16");
    // Started with a file elsewhere: the server's own notes say where.
    sandbox.write(
        "data/postmaster.opts",
        "/x/postgres \"-D\" \"$SANDBOX/data\" \
                   \"-c\" \"config_file=$SANDBOX/etc/postgresql.conf\"\n",
    );
    assert_eq!(pg(&sandbox, &["conf", "get", "-D", "data", "port"]).exits(0).stdout, "6\n");
    let output = pg(&sandbox, &["conf", "set", "-D", "data", "port=7"]).exits(7);
    output.says("postgresql.auto.conf:1 overrides it").says("counts when the server is started");
    let other = ["conf", "set", "-D", "data", "-f", "elsewhere.conf", "work_mem=1MB"];
    pg(&sandbox, &other).exits(7).says("does not read elsewhere.conf");
    pg(&sandbox, &["conf", "get", "-D", ".", "port"]).exits(1).complains("no data directory");
}
