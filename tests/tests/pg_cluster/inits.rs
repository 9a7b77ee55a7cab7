//! Making clusters.

use std::{fs, thread::sleep, time::Duration};

use hayloft_tests::{
    chaos::power_cut,
    postgres::{installed_versions, version},
};

use crate::ground::{Ground, eventually, is_root, text};

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn every_version_gets_its_options_and_refuses_those_of_later_ones() {
    for programs in installed_versions() {
        let major = programs.major();
        let ground = Ground::of(programs);
        let cases: [(&[&str], u32); 5] = [
            (&["--locale-provider=libc", "--wal-segsize=1", "--data-checksums"], 15),
            (&["--lc-collate=C", "--encoding=UTF8", "--allow-group-access"], 15),
            (&["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"], 17),
            (&["--sync-method=fsync"], 17),
            (&["--no-data-checksums", "--no-sync-data-files"], 18),
        ];
        for (at, (options, since)) in cases.into_iter().enumerate() {
            let name = format!("c{at}");
            let arguments = ground.init_arguments(&name, options);
            let output = ground.sandbox.run(&words(&arguments));
            if major >= since {
                assert_eq!(output.code, Some(0), "{major} {options:?}: {output}");
                continue;
            }
            output.exits(1).complains("from PostgreSQL");
            assert!(!ground.path(&name).exists());
        }
        let small = ground.status(&ground.path("c0"));
        assert_eq!(small["wal_segment_size"], 1 << 20);
        let mode = fs::metadata(ground.path("c1")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o750);
    }
}

#[test]
fn nobody_is_trusted_and_the_password_is_nowhere() {
    let ground = Ground::new();
    let secret = "a 'very' \\ secret: word";
    let file = ground.sandbox.write("password", &format!("{secret}\nsecond line\n"));
    let file = format!("--password-file={}", text(&file));
    let data = ground.cluster_with("main", &[&file, "--auth-local=scram-sha-256"]);
    let rules = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
    let active = rules.lines().filter(|it| !it.starts_with('#') && !it.trim().is_empty());
    assert!(active.into_iter().all(|it| it.ends_with("scram-sha-256")), "{rules}");
    assert_eq!(ground.names(), ["main"]);
    ground.started(&data);
    let mut psql = std::process::Command::new(ground.programs.path("psql"));
    psql.args(["-XAtqw", "-d", &ground.conninfo(&data), "-c", "SELECT 1"]);
    assert!(!psql.output().unwrap().status.success());
    assert!(psql.env("PGPASSWORD", secret).output().unwrap().status.success());
    let defaults = ground.init_arguments("default", &["--auth-local=peer"]);
    ground.sandbox.ok(&words(&defaults));
    let rules = fs::read_to_string(ground.path("default").join("pg_hba.conf")).unwrap();
    assert!(!rules.lines().any(|it| !it.starts_with('#') && it.contains("trust")), "{rules}");
}

#[test]
fn what_cannot_be_is_said_before_anything_is_made() {
    let ground = Ground::new();
    let there = ground.cluster("there");
    let full = ground.path("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("x"), "").unwrap();
    let full_wal = format!("--waldir={}", text(&full));
    let cases: [(&str, &[&str], &str); 9] = [
        ("there", &[], "is a cluster of version 15 already"),
        ("full", &[], "is not empty"),
        ("new", &["--auth-local=scram-sha-256"], "a password is needed"),
        ("new", &["--auth-local=ident"], "no way to authenticate on a socket"),
        ("new", &["--wal-segsize=3"], "cannot have 3 MB"),
        ("new", &["--waldir=relative"], "whole path"),
        ("new", &[&full_wal], "is not empty"),
        ("new", &["--lc-collate=no_SUCH"], "initdb failed: invalid locale"),
        ("new", &["--set=no_such_thing=1"], "no_such_thing"),
    ];
    let before = ground.names();
    for (name, options, part) in cases {
        let arguments = ground.init_arguments(name, options);
        ground.sandbox.run(&words(&arguments)).exits(1).complains(part);
        assert_eq!(ground.names(), before, "{options:?}");
    }
    let missing = ground.init_arguments("new", &["--password-file=/nonexistent"]);
    ground.sandbox.run(&words(&missing)).exits(1).complains("/nonexistent");
    let again = ground.init_arguments("there", &["--ensure"]);
    ground.sandbox.ok(&words(&again)).says("is there already");
    let other = ground.init_arguments("there", &["--ensure", "--wal-segsize=32"]);
    ground.sandbox.run(&words(&other)).exits(1).complains("16 MB");
    assert_eq!(ground.state(&there), "stopped");
}

#[test]
fn an_empty_directory_and_its_parents_will_do() {
    let ground = Ground::new();
    let empty = ground.path("empty");
    fs::create_dir(&empty).unwrap();
    ground.cluster("empty");
    ground.cluster("a/b/c");
    assert_eq!(ground.state(&ground.path("a/b/c")), "stopped");
    std::os::unix::fs::symlink(ground.path("target"), ground.path("link")).unwrap();
    fs::create_dir(ground.path("target")).unwrap();
    ground.cluster("link");
    assert_eq!(ground.state(&ground.path("target")), "stopped");
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_under_the_name() {
    let ground = Ground::new();
    let wal = ground.path("wal");
    for wait in [0, 100, 300, 600] {
        let option = format!("--waldir={}", text(&wal));
        let arguments = ground.init_arguments("main", &[&option]);
        let mut child = ground.sandbox.spawn(&words(&arguments));
        eventually("it has begun", || {
            ground.names().iter().any(|it| it.starts_with(".main.hayloft-init-"))
                || ground.path("main").exists()
        });
        sleep(Duration::from_millis(wait));
        power_cut(&mut child);
        let main = ground.path("main");
        if main.exists() {
            assert_eq!(ground.state(&main), "stopped");
            fs::remove_dir_all(&main).unwrap();
            let _ = fs::remove_dir_all(&wal);
        }
        // initdb hears that we are gone, and takes away what it made.
        eventually("the WAL is gone", || {
            fs::read_dir(&wal).map_or(true, |mut it| it.next().is_none())
        });
    }
    ground.cluster_with("main", &[&format!("--waldir={}", text(&wal))]);
    assert_eq!(ground.names(), ["main", "wal"]);
    ground.started(&ground.path("main"));
}

#[test]
fn out_of_time_means_nothing_was_made() {
    let ground = Ground::new();
    for limit in ["0", "0.2"] {
        let arguments = ground.init_arguments("main", &["--timeout", limit]);
        ground.sandbox.run(&words(&arguments)).exits(1).complains("initdb did not end within");
        assert!(ground.names().is_empty(), "{:?}", ground.names());
    }
}

#[test]
fn every_option_of_initdb_is_for_the_versions_that_have_it() {
    for major in [13, 15, 18] {
        let ground = Ground::of(version(major));
        let mut arguments = ground.init_arguments("shown", &["--show"]);
        let run = |arguments: &[String]| ground.sandbox.run(&words(arguments));
        run(&arguments).exits(0).says("share_path=");
        assert_eq!(ground.names(), [""; 0], "nothing was made");
        arguments = ground.init_arguments("caches", &["--discard-caches", "--dry-run"]);
        let output = run(&arguments);
        match major {
            13 => output.exits(1).complains("14"),
            _ => output.exits(0).says("--discard-caches"),
        };
        let data = ground.cluster_with("main", &["--debug", "-v"]);
        ground.pg(&["init", text(&data), "--sync-only", bin(&ground).as_str()]).exits(0);
        ground.pg(&["init", text(&ground.path("no")), "--sync-only"]).exits(1);
    }
}

fn bin(ground: &Ground) -> String {
    format!("--bin-dir={}", ground.programs.directory().display())
}

#[test]
fn one_method_for_both_is_what_initdb_makes_of_it() {
    let ground = Ground::new();
    for (method, local, host) in
        [("ident", "peer", "ident"), ("peer", "peer", "ident"), ("reject", "reject", "reject")]
    {
        let data = text(&ground.path("x")).to_owned();
        let arguments = ["init", data.as_str(), "--auth", method, "--dry-run"];
        let owner = if is_root() { vec!["--owner=nobody"] } else { Vec::new() };
        let output = ground.pg(&[&arguments[..], &owner, &[bin(&ground).as_str()]].concat());
        let (local, host) = (format!("--auth-local={local}"), format!("--auth-host={host}"));
        output.exits(0).says(&local).says(&host);
    }
}

#[test]
fn what_could_not_be_finished_stays_only_if_it_is_wanted() {
    let ground = Ground::new();
    for (more, left) in [(&[][..], 0), (&["--no-clean"], 1)] {
        let arguments = ground.init_arguments("main", &[more, &["--input=/nonexistent"]].concat());
        let output = ground.sandbox.run(&words(&arguments));
        output.exits(1);
        let names = ground.names();
        assert_eq!(names.len(), left, "{names:?}");
    }
    // The next one sweeps it away.
    ground.cluster("main");
    assert_eq!(ground.names(), ["main"]);
}
