//! What can be typed. The doc comments are the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A backup framework for Linux machines and PostgreSQL servers
///
/// One XML file says what is to be backed up; an existing cback3.conf works
/// unchanged. Everything that backs something up is a plugin.
#[derive(Debug, Parser)]
#[command(
    name = "hayloft",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 an action or command failed; 2 wrong command line; \
                  3 log or lock could not be had; 4 wrong configuration; 5 interrupted; \
                  7 done with warnings. Treat any other code as a failure.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What holds for all commands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for all commands.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct GlobalArgs {
    /// The configuration file [default: /etc/hayloft.conf, else /etc/cback3.conf]
    #[arg(short, long, global = true, value_name = "FILE", env = "HAYLOFT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Look for plugins in this directory first (can be given several times)
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Say nothing unless something is wrong, as cron wants it
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for much more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Append messages to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// What to log, such as `debug` or `hayloft_action_collect=trace`
    #[arg(long, global = true, value_name = "FILTER", env = "HAYLOFT_LOG")]
    pub log: Option<String>,
    /// Print the result as JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// Act as if it were this date or time
    #[arg(long, global = true, value_name = "TIME", env = "HAYLOFT_NOW")]
    pub now: Option<String>,
}

/// The commands of the program itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run actions of the configuration
    Run(RunArgs),
    /// Do what Cedar Backup 3 does, with its switches: `hayloft cback3 --help`
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Cback3(CedarArgs),
    /// Write staged days over several discs: `hayloft cback3-span --help`
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Cback3Span(CedarArgs),
    /// Copy a directory to an S3 bucket: `hayloft cback3-amazons3-sync --help`
    #[command(name = "cback3-amazons3-sync")]
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Cback3AmazonS3Sync(CedarArgs),
    /// Show what ran, how it ended, and what is overdue
    Status(StatusArgs),
    /// Check, show or describe the configuration
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List, show, check or write plugins
    Plugin {
        /// What to do with them.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print the completion script of a shell
    ///
    /// For bash: `hayloft completions bash > /etc/bash_completion.d/hayloft`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Where to; it must exist
        directory: PathBuf,
    },
}

/// Arguments of `hayloft run`.
#[derive(Debug, Args)]
#[command(after_help = "Actions run in the order of the configuration, whatever the order here: \
    an action's index, or its dependencies. An action that fails does not keep the others from \
    running, but nothing that failed is staged, stored or purged as if it were good.\n\n\
    Examples:\n  hayloft run collect stage store purge\n  hayloft run --full collect\n  \
    hayloft run --dry-run purge")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct RunArgs {
    /// The actions; `all` is collect, stage, store and purge
    #[arg(required = true, value_name = "ACTION")]
    pub actions: Vec<String>,
    /// Back everything up, whatever the day
    #[arg(short, long)]
    pub full: bool,
    /// Run the actions on managed peers too, after this machine's
    #[arg(short = 'M', long)]
    pub managed: bool,
    /// Run the actions on managed peers only
    #[arg(short = 'N', long, conflicts_with = "managed")]
    pub managed_only: bool,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// End an action that takes longer than this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// Arguments of the commands of Cedar Backup 3, which are taken apart by its
/// own rules.
#[derive(Debug, Args)]
pub struct CedarArgs {
    /// Cedar Backup's switches, and the actions
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    pub words: Vec<std::ffi::OsString>,
}

/// Arguments of `hayloft status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print metrics for the Prometheus node exporter's textfile collector
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// Show this many of the last runs
    #[arg(short = 'l', long, value_name = "N", default_value_t = 5)]
    pub last: usize,
    /// Call an action overdue that was last done longer ago than this
    #[arg(long, value_name = "HOURS", default_value_t = 26)]
    pub overdue_after: u32,
}

/// Commands below `hayloft config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check all sections of all plugins, and show everything that is wrong
    Check,
    /// Show the configuration as it is understood, secrets hidden
    Show,
    /// Print the reference: every element of the program and of the actions that Cedar Backup has
    Schema {
        /// As a page of Markdown
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
}

/// Commands below `hayloft plugin`.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins that are found, without running any
    List,
    /// Show all there is to know about a plugin
    Show {
        /// The plugin's id, or a name that it offers
        name: String,
    },
    /// Load plugins and check that they are usable
    Check {
        /// The files; all plugins that are found, if there are none
        files: Vec<PathBuf>,
    },
    /// Write a crate for a new plugin that builds and passes its tests
    New(PluginNewArgs),
}

/// Arguments of `hayloft plugin new`.
#[derive(Debug, Args)]
pub struct PluginNewArgs {
    /// What kind of plugin
    #[arg(long, value_parser = ["action", "compressor", "encryptor", "storage", "hook"])]
    pub kind: String,
    /// Its name: lower-case letters, digits and `-`
    pub name: String,
    /// The directory to write, which must not exist [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Where the crate hayloft-plugin-api is, instead of the registry
    #[arg(long, value_name = "DIR")]
    pub api: Option<PathBuf>,
}
