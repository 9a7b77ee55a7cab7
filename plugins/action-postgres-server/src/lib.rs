#![doc = include_str!("../README.md")]

mod action;
mod archive;
mod backup;
mod catalogue;
mod commands;
pub mod config;
mod directories;
mod drill;
mod intake;
mod lock;
mod manifest;
mod probe;
mod receive;
mod report;
mod restore;
mod several;
mod verify;

pub use self::{
    action::{Backup, Drill, Expire, WalArchive},
    commands::{
        Pg,
        report::Report,
        snapshot::safe_backup::{PgPost, PgPre},
    },
    config::PostgresServers,
};

hayloft_plugin_api::export_plugin! {
    id: "postgres-server",
    description: "Checks, controls and backs up PostgreSQL servers",
    actions: [
        WalArchive as "walarchive" { section: "postgres_servers", phase: "none" },
        Backup as "postgresbackup" { section: "postgres_servers", phase: "none" },
        Expire as "postgresexpire" { section: "postgres_servers", phase: "none" },
        Drill as "postgresdrill" { section: "postgres_servers", phase: "none" },
    ],
    commands: [
        Pg as "pg" {
            section: "postgres_servers", configuration: "optional",
            in_process: "wal push, wal get", high_exit_codes: "wal get",
            about: "Look after PostgreSQL servers: checks, clusters, configuration, backups"
        },
        Report as "report" {
            section: "postgres_servers", configuration: "optional",
            about: "Write a page that shows all backups of the PostgreSQL servers"
        },
        PgPre as "pgpre" {
            section: "postgres_servers", configuration: "optional",
            about: "Begin a backup as safe-backup's pgpre.sh does"
        },
        PgPost as "pgpost" {
            section: "postgres_servers", configuration: "optional",
            about: "End a backup as safe-backup's pgpost.sh does"
        },
    ],
}
