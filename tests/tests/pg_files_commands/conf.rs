//! Settings of files: read, changed, refused.

use std::{fs, os::unix::fs::PermissionsExt};

use super::setting::{conf, pg, with_file};

const FILE: &str = "# top\nport = 5432\t# (change requires restart)\n#work_mem = 4MB\n\
                    log_line_prefix '%m ' # keep\nport 5433\n";

#[test]
fn values_that_count_are_printed_with_their_origins() {
    let sandbox = with_file("postgresql.conf", FILE);
    assert_eq!(conf(&sandbox, "get", &["port"]).exits(0).stdout, "5433\n");
    assert_eq!(conf(&sandbox, "get", &["log_line_prefix"]).exits(0).stdout, "%m \n");
    let both = conf(&sandbox, "get", &["PORT", "log_line_prefix"]).exits(0).stdout;
    assert_eq!(both, "port = '5433'\nlog_line_prefix = '%m '\n");
    let output = conf(&sandbox, "get", &["port", "--origin"]).exits(0);
    output.says("postgresql.conf:5\n").says("overrides '5432' at postgresql.conf:2");
    let json = conf(&sandbox, "get", &["port", "--json"]).exits(0).json();
    let port = &json["settings"][0];
    assert_eq!((port["value"].as_str(), port["origin"]["line"].as_u64()), (Some("5433"), Some(5)));
    assert_eq!(port["overrides"][0]["value"], "5432");
    assert_eq!(port["takes_effect"], "restart");
    conf(&sandbox, "get", &["work_mem"]).exits(1).complains("work_mem is not set");
    conf(&sandbox, "get", &["wrok_mem"]).exits(1).complains("is `work_mem` meant?");
    conf(&sandbox, "show", &["--overridden"]).exits(0).says("port = '5433'  # postgresql.conf:5");
}

#[test]
fn several_are_set_at_once_and_the_rest_stays_to_the_byte() {
    let sandbox = with_file("postgresql.conf", FILE);
    let path = sandbox.path("postgresql.conf");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let arguments = ["work_mem=16MB", "port=6000", "log_line_prefix=it's \\ %m"];
    let dry = conf(&sandbox, "set", &[&["--dry-run"], &arguments[..]].concat()).exits(0);
    dry.says("+work_mem = '16MB'").says("dry run: nothing was changed");
    assert_eq!(sandbox.read("postgresql.conf"), FILE);
    let output = conf(&sandbox, "set", &arguments).exits(0);
    output
        .says("-port 5433\n")
        .says("work_mem: uncommented, line 3; counts after a reload")
        .says("port: altered, line 5; counts after a restart");
    assert_eq!(
        sandbox.read("postgresql.conf"),
        "# top\nport = 5432\t# (change requires restart)\nwork_mem = '16MB'\n\
         log_line_prefix 'it''s \\\\ %m' # keep\nport '6000'\n"
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(conf(&sandbox, "get", &["log_line_prefix"]).stdout, "it's \\ %m\n");
    conf(&sandbox, "set", &arguments).exits(0).says("nothing to change");
    let json = conf(&sandbox, "set", &["--json", "work_mem=1MB"]).exits(0).json();
    assert_eq!((&json["written"], &json["settings"][0]["needs"]), (&true.into(), &"reload".into()));
    assert_eq!(sandbox.names(""), ["postgresql.conf"]);
}

#[test]
fn settings_are_commented_out_or_deleted() {
    let sandbox = with_file("postgresql.conf", FILE);
    conf(&sandbox, "unset", &["port"]).exits(0).says("port: commented out, lines 2, 5");
    assert!(
        sandbox.read("postgresql.conf").contains("#port = 5432\t# (change requires restart)\n")
    );
    conf(&sandbox, "get", &["port"]).exits(1);
    conf(&sandbox, "remove", &["log_line_prefix", "work_mem"]).exits(0).says("work_mem: unchanged");
    assert_eq!(
        sandbox.read("postgresql.conf"),
        "# top\n#port = 5432\t# (change requires restart)\n#work_mem = 4MB\n#port 5433\n"
    );
    conf(&sandbox, "unset", &["prot"]).exits(1).complains("is `port`");
}

#[test]
fn what_the_server_would_refuse_changes_nothing() {
    let cases: [(&[&str], &str); 7] = [
        (&["work_mem=4mb"], "the unit must be one of B, kB, MB, GB, TB"),
        (&["work_mem=8MB", "port=70000"], "outside of 1 to 65535"),
        (&["wal_level=foo"], "one of logical, minimal, replica is needed"),
        (&["fsync=perhaps"], "a Boolean is needed"),
        (&["max_connections=ten"], "a number is needed"),
        (&["io_method=sync"], "there is no parameter `io_method`"),
        (&["my-ext.x=1"], "there is no parameter `my-ext.x`"),
    ];
    let sandbox = with_file("postgresql.conf", FILE);
    for (arguments, text) in cases {
        let output = conf(&sandbox, "set", arguments).exits(1);
        output.complains("nothing was changed").complains(text);
        assert_eq!(sandbox.read("postgresql.conf"), FILE, "{arguments:?}");
    }
    let all = conf(&sandbox, "set", &["work_mem=4mb", "nosuch=1"]).exits(1);
    all.complains("4mb").complains("nosuch");
    conf(&sandbox, "set", &["--force", "nosuch=1"]).exits(0);
    conf(&sandbox, "set", &["myext.thing=1"]).exits(4).complains("nosuch");
}

#[test]
fn a_file_with_mistakes_is_not_edited_and_all_are_listed() {
    let text = "port = 5432\nwork_mem = 4 MB\ninclude 'missing.conf'\nnosuch = 1\nfsync = maybe\n";
    let sandbox = with_file("postgresql.conf", text);
    let output = conf(&sandbox, "check", &[]).exits(4);
    output
        .says("postgresql.conf:2: syntax error")
        .says("postgresql.conf:3: cannot read missing.conf")
        .says("postgresql.conf:4: there is no parameter `nosuch`")
        .says("postgresql.conf:5: `fsync` cannot be `maybe`")
        .says("4 mistakes");
    let json = conf(&sandbox, "check", &["--json"]).exits(4).json();
    assert_eq!(json["ok"], false);
    let lines: Vec<u64> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 3, 4, 5]);
    let output = conf(&sandbox, "set", &["port=5433"]).exits(4);
    output.complains("postgresql.conf:2: syntax error").complains("mend them first");
    assert_eq!(sandbox.read("postgresql.conf"), text);
    conf(&sandbox, "set", &["--force", "port=5433"]).exits(0);
    assert!(sandbox.read("postgresql.conf").starts_with("port = '5433'\n"));
}

#[test]
fn what_has_no_effect_is_said() {
    let sandbox = with_file("postgresql.conf", "work_mem = 1MB\ninclude_dir 'conf.d'\n");
    sandbox.write("conf.d/10.conf", "work_mem = 2MB\n");
    let output = conf(&sandbox, "set", &["work_mem=3MB"]).exits(7);
    output.says("warning: work_mem stays '2MB': conf.d/10.conf:1 overrides it");
    // The file that counts can be edited, in the whole of the configuration.
    let other = ["conf", "set", "--file", "conf.d/10.conf", "work_mem=4MB"];
    pg(&sandbox, &other).exits(0);
    assert_eq!(conf(&sandbox, "get", &["work_mem"]).stdout, "4MB\n");
    let json = conf(&sandbox, "unset", &["work_mem", "--json"]).exits(7).json();
    assert_eq!(json["settings"][0]["overridden_by"]["value"], "4MB");
}

#[test]
fn the_file_of_alter_system_is_never_edited() {
    let sandbox = with_file("postgresql.auto.conf", "# mine\n");
    let auto = ["conf", "set", "--file", "postgresql.auto.conf", "work_mem=1MB"];
    pg(&sandbox, &auto).exits(1).complains("is never edited").complains("--auto");
    assert_eq!(sandbox.read("postgresql.auto.conf"), "# mine\n");
    let sandbox = with_file("postgresql.conf", FILE);
    let output =
        conf(&sandbox, "set", &["--auto", "work_mem=1MB", "search_path=a, \"B\""]).exits(0);
    output
        .says("ALTER SYSTEM SET \"work_mem\" = '1MB';")
        .says("ALTER SYSTEM SET \"search_path\" = 'a', 'B';");
    conf(&sandbox, "unset", &["--auto", "port"]).exits(0).says("ALTER SYSTEM RESET \"port\";");
    conf(&sandbox, "set", &["--auto", "work_mem=1mb"]).exits(1);
    assert_eq!(sandbox.read("postgresql.conf"), FILE);
}

#[test]
fn settings_are_compared_by_what_they_mean() {
    let sandbox = with_file("postgresql.conf", "work_mem = 8MB\nPORT 1\nfsync = on\n");
    sandbox.write("other.conf", "fsync = yes\nport = 2\nwork_mem = '8192kB'\nautovacuum = off\n");
    let output = conf(&sandbox, "diff", &["other.conf"]).exits(1);
    assert_eq!(
        output.stdout,
        "+autovacuum = 'off'  # other.conf:4\n-port = '1'  # postgresql.conf:2\n\
         +port = '2'  # other.conf:2\n"
    );
    conf(&sandbox, "diff", &["postgresql.conf"]).exits(0);
    conf(&sandbox, "diff", &["missing.conf"]).exits(1).complains("missing.conf");
    conf(&sandbox, "diff", &[]).exits(2).complains("Give OTHER");
}
