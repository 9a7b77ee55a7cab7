//! What the commands say about themselves.

use std::{env, fs};

use super::Program;
use crate::clock::Moment;

/// Returns the help of a command.
pub fn help(program: Program) -> String {
    let (usage, about, rest) = match program {
        Program::Cback3 => ("cback3 [switches] action(s)", CBACK3_ABOUT, CBACK3_REST),
        Program::Span => ("cback3-span [switches]", SPAN_ABOUT, SPAN_REST),
        Program::Sync => {
            ("cback3-amazons3-sync [switches] sourceDir s3BucketUrl", SYNC_ABOUT, SYNC_REST)
        }
    };
    let switches = SWITCHES.iter().filter(|(programs, ..)| programs.contains(&program));
    let switches: Vec<String> =
        switches.map(|(_, names, text)| format!("   {names:<22}{text}\n")).collect();
    let head = format!("\n Usage: {usage}\n\n{about}\n");
    let title = " The switches, which come before all other words:\n\n";
    [&head, title, &switches.concat(), "\n", rest, "\n"].concat()
}

const ALL: &[Program] = &[Program::Cback3, Program::Span, Program::Sync];
const CONFIGURED: &[Program] = &[Program::Cback3, Program::Span];
const CBACK3: &[Program] = &[Program::Cback3];
const NOT_SPAN: &[Program] = &[Program::Cback3, Program::Sync];
const SYNC: &[Program] = &[Program::Sync];

const SWITCHES: &[(&[Program], &str, &str)] = &[
    (ALL, "-h, --help", "Show this help"),
    (ALL, "-V, --version", "Show the version"),
    (ALL, "-D, --diagnostics", "Show facts about the program and this machine"),
    (ALL, "-b, --verbose", "Show what is done, not only what goes wrong"),
    (NOT_SPAN, "-q, --quiet", "Show nothing at all, not even errors"),
    (CONFIGURED, "-c, --config FILE", "The configuration (default: /etc/cback3.conf)"),
    (CBACK3, "-f, --full", "Back everything up, whatever the day"),
    (CBACK3, "-M, --managed", "Run the actions on managed peers too"),
    (CBACK3, "-N, --managed-only", "Run the actions on managed peers only"),
    (ALL, "-l, --logfile FILE", "The log (default: /var/log/cback3.log)"),
    (ALL, "-o, --owner U:G", "User and group of a new log (default: root:adm)"),
    (ALL, "-m, --mode OCTAL", "Permissions of a new log (default: 640)"),
    (ALL, "-O, --output", "Log what other programs write, too"),
    (ALL, "-d, --debug", "Log everything, with --verbose show it too"),
    (ALL, "-s, --stack", "Show errors with their causes; exit code 1"),
    (SYNC, "-v, --verifyOnly", "Compare only, change nothing"),
    (SYNC, "-u, --uploadOnly", "Upload only, delete nothing"),
    (SYNC, "-w, --ignoreWarnings", "Do not look for doubtful file names"),
];

const CBACK3_ABOUT: &str =
    " The command line of Cedar Backup 3, for cron lines and scripts that use it.
 `hayloft --help` shows what else this program can do.
";

const CBACK3_REST: &str = " The actions, which run in the order of the configuration:

   collect             Archive the directories and files of <collect>
   stage               Gather what the peers have collected
   store               Write the day that was staged
   purge               Delete what is old enough
   all                 These four; alone
   validate            Check the configuration, of extensions too; alone
   rebuild             Write this week's days once more; alone
   initialize          Prepare rewritable media; alone

 and the names in <extensions>. An action that is named twice runs twice.
 The first one that fails ends the run. What fails in part, such as staging
 one of many peers, lets the rest go on.

 Exit codes: 0 done; 1 failed, with --stack; 2 wrong command line; 3 the log
 cannot be written; 4 wrong configuration or unknown action; 5 interrupted;
 6 an action failed, or left data out.

 Examples:

   cback3 all
   cback3 --full collect postgresql
   cback3 --managed collect stage purge
   cback3 -c ./new.conf -l /dev/null validate
";

const SPAN_ABOUT: &str =
    " Writes staged days that are on no disc yet, over as many discs as it takes.
 It asks what it needs to know.
";

const SPAN_REST: &str = " Exit codes: 0 done; 2 wrong command line; 3 the log cannot be written;
 4 wrong configuration; 5 interrupted; 6 failed, or the input has ended.
";

const SYNC_ABOUT: &str = " Copies a directory to an S3 bucket, and compares what is there then.

   sourceDir           A directory of this machine
   s3BucketUrl         The bucket, such as s3://bucket/path
";

const SYNC_REST: &str = " Exit codes: 0 done; 2 wrong command line; 3 the log cannot be written;
 5 interrupted; 6 failed, or something differs.

 Example: cback3-amazons3-sync /home/ann s3://example.com-backup/ann
";

/// Describes a command for its manual page.
pub fn manual(program: Program) -> clap::Command {
    let (about, rest) = match program {
        Program::Cback3 => (CBACK3_ABOUT, CBACK3_REST),
        Program::Span => (SPAN_ABOUT, SPAN_REST),
        Program::Sync => (SYNC_ABOUT, SYNC_REST),
    };
    let switches = SWITCHES.iter().filter(|(programs, ..)| programs.contains(&program));
    let arguments = switches.map(|(_, names, text)| {
        let (short, long) = names.split_once(", --").unwrap_or_default();
        let (long, value) = long.split_once(' ').unwrap_or((long, ""));
        let argument = clap::Arg::new(long).long(long).help(*text);
        let argument = argument.short(short.chars().nth(1).unwrap_or_default());
        if value.is_empty() {
            return argument.action(clap::ArgAction::SetTrue);
        }
        argument.value_name(value)
    });
    let words: &[&str] = match program {
        Program::Cback3 => &["ACTION"],
        Program::Span => &[],
        Program::Sync => &["SOURCE_DIR", "S3_BUCKET_URL"],
    };
    let words = words.iter().map(|name| clap::Arg::new(*name).required(true));
    clap::Command::new(program.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(about.trim().lines().next().unwrap_or_default())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(arguments)
        .args(words)
        .after_help(rest)
}

/// Returns what `--version` shows.
pub(super) fn version(program: Program) -> String {
    format!(
        "\n Hayloft version {}, at work as {} in the place of Cedar Backup 3.\n\n \
         Use the --help option for usage information.\n\n",
        env!("CARGO_PKG_VERSION"),
        program.name(),
    )
}

/// Returns six facts for reports of errors.
pub(super) fn diagnostics(now: &Moment) -> [String; 6] {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let platform = format!("Linux {} {}", release.trim(), env::consts::ARCH);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env::var_os);
    let locale = locale.into_iter().find(|it| !it.is_empty());
    let locale = locale.map_or_else(|| "C".to_owned(), |it| it.to_string_lossy().into_owned());
    [
        "Encoding......: utf-8".to_owned(),
        "Interpreter...: none, native code".to_owned(),
        format!("Locale........: {locale}"),
        format!("Platform......: linux ({platform})"),
        format!("Timestamp.....: {}", now.long_utc()),
        format!("Version.......: Hayloft {}", env!("CARGO_PKG_VERSION")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_help_fits_the_screen_and_names_its_command() {
        for program in [Program::Cback3, Program::Span, Program::Sync] {
            let text = help(program);
            assert!(text.contains(&format!("Usage: {}", program.name())));
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
}
