//! Dumps `MySQL` and `MariaDB` databases with `mysqldump` or `mariadb-dump`.
//!
//! ```xml
//! <mysql>
//!   <user>backup</user>
//!   <password_file>/etc/hayloft/mysql.password</password_file>
//!   <compress_mode>zstd</compress_mode>
//!   <all>Y</all>
//! </mysql>
//! ```
//!
//! A section of Cedar Backup's means what it meant there; `README.md` tells
//! what else can be said.

mod action;
mod arguments;
mod context;
mod databases;
mod dump;
mod failure;
mod login;
mod plan;
mod programs;
mod section;
mod settings;

pub use self::action::Mysql;

hayloft_plugin_api::export_plugin! {
    id: "mysql",
    description: "Dumps MySQL and MariaDB databases with mysqldump or mariadb-dump",
    actions: [Mysql as "mysql" { section: "mysql", phase: "collect" }],
}
