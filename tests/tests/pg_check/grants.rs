//! A role with what `grant-sql` prints can do everything, and one without
//! harms nothing.

use hayloft_tests::{
    Sandbox,
    postgres::{Postgres, installed_versions},
};

use super::setting::{configured, conninfo, element, outcomes, pg};

/// Everything that a backup does, as that role.
fn backup_sql(major: u32) -> String {
    let (start, stop) = if major >= 15 {
        ("pg_backup_start('x', true)", "pg_backup_stop(false)")
    } else {
        ("pg_start_backup('x', true, false)", "pg_stop_backup(false, false)")
    };
    format!(
        "SELECT 1 FROM {start}; SELECT count(*) FROM {stop}; SELECT pg_switch_wal() IS NOT NULL; \
         SELECT pg_create_restore_point('p') IS NOT NULL; SELECT count(*) > 0 FROM pg_ls_waldir(); \
         SHOW data_directory"
    )
}

#[test]
fn the_role_can_do_everything_and_nothing_more() {
    for programs in installed_versions() {
        let server =
            Postgres::options().programs(&programs).setting("full_page_writes", "on").start();
        let sandbox = configured(&[("main", &element(&server, "postgres"))]);
        let role = "back'up \"role\"";
        let printed =
            pg(&sandbox, &["server", "grant-sql", "main", "--role", role, "--checkpoint"]);
        let sql = printed.exits(0).stdout;
        assert!(sql.contains(&format!("-- For PostgreSQL {},", server.major())), "{sql}");
        // Twice does no harm.
        server.sql("postgres", &sql);
        server.sql("postgres", &sql);

        let quoted = conninfo(&server, "'back\\'up \"role\"'").replace('"', "&quot;");
        let elements =
            format!("<conninfo>{quoted}</conninfo><streaming_archiver>Y</streaming_archiver>");
        let sandbox = configured(&[("main", &elements)]);
        let found = outcomes(&sandbox, "main");
        for (check, (outcome, found)) in &found {
            assert_eq!(outcome, "ok", "{check}: {found}");
        }
        let status = pg(&sandbox, &["status", "--json"]).exits(0).json();
        let values = status["servers"][0]["status"].as_object().unwrap();
        for (name, value) in values {
            // Superusers only.
            let hidden = name == "hba_files";
            assert!(hidden || value["unknown"].is_null(), "{name} is {value}");
        }
        assert_eq!(values["superuser"], false);

        let as_role = format!("SET ROLE \"back'up \"\"role\"\"\"; {}", backup_sql(server.major()));
        server.sql("postgres", &as_role);
        server.sql("postgres", "SET ROLE \"back'up \"\"role\"\"\"; CHECKPOINT");
        let can = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles \
                   WHERE rolname LIKE 'back%'";
        assert_eq!(server.sql("postgres", can), "f");

        let revoke = Sandbox::new().run(&[
            "pg",
            "server",
            "grant-sql",
            "--revoke",
            "--role",
            role,
            "--server-version",
            &server.major().to_string(),
        ]);
        server.sql("postgres", &revoke.exits(0).stdout);
        let found = outcomes(&sandbox, "main");
        assert_eq!(found["backup_privileges"].0, "failed");
        assert_eq!(found["monitoring_privileges"].0, "failed");
        assert_eq!(found["streaming"].0, "failed", "{:?}", found["streaming"]);
    }
}

#[test]
fn a_role_without_rights_sees_what_it_may_and_why_not_more() {
    for programs in installed_versions() {
        let server = Postgres::options()
            .programs(&programs)
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .start();
        server.sql("postgres", "CREATE ROLE nobody LOGIN");
        server.sql("postgres", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
        let elements = format!("{}<archiver>Y</archiver>", element(&server, "nobody"));
        let sandbox = configured(&[("main", &elements)]);
        let found = outcomes(&sandbox, "main");
        assert_eq!(found["backup_privileges"].0, "failed");
        assert_eq!(found["archive_backlog"].0, "warning");
        assert!(found["archive_backlog"].1.contains("a right is missing"), "{found:?}");
        assert_eq!(found["wal_level"].0, "ok");

        let status = pg(&sandbox, &["status", "--json"]).exits(0).json();
        let values = &status["servers"][0]["status"];
        for unknown in ["data_directory", "size_bytes", "waiting_to_archive", "system_identifier"] {
            let why = values[unknown]["unknown"].as_str().unwrap_or_default();
            assert!(why.contains("right is missing"), "{unknown}: {}", values[unknown]);
        }
        for known in ["version", "wal_position", "timeline", "role", "archived_count"] {
            assert!(values[known]["unknown"].is_null(), "{known}: {}", values[known]);
        }
    }
}
