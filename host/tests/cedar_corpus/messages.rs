//! Cedar Backup's wording of what is wrong, to compare causes with it.

use hayloft::config::{Flaw, SyntaxError};
use hayloft_plugin_api::cedar::{Cause, OrderError, Problem};

/// The text of a problem; `all` are those found besides.
pub(crate) fn message(problem: &Problem, all: &[Problem]) -> String {
    let value = problem.value.as_str();
    match problem.cause {
        Cause::SectionMissing => format!("{} section is required.", section(value)),
        Cause::NotInteger => {
            // Python bounds this one.
            let shown: String = repr(value).chars().take(200).collect();
            format!("invalid literal for int() with base 10: {shown}")
        }
        Cause::TooManyDigits => {
            let digits = value.chars().filter(|c| c.is_numeric()).count();
            format!(
                "Exceeds the limit (4300 digits) for integer string conversion: value has \
                 {digits} digits; use sys.set_int_max_str_digits() to increase the limit"
            )
        }
        Cause::NotNumber => format!("could not convert string to float: {}", repr(value)),
        Cause::PathNotAbsolute => format!("Not an absolute path: [{value}]"),
        Cause::BadActionInList => format!("Action name is not valid: [{value}]"),
        Cause::BadPattern => format!("Not a valid regular expression: [{value}]"),
        Cause::ItemNotAbsolute if problem.path.starts_with("mbox/") => {
            "Absolute path must be, er, an absolute path.".to_owned()
        }
        Cause::DuplicateActions => {
            format!("Duplicate extension names exist: {}", duplicates(problem, all))
        }
        Cause::DuplicatePeers => {
            format!("Duplicate peer names exist: {}", duplicates(problem, all))
        }
        Cause::NoDatabases => {
            let product = if problem.path == "mysql" { "MySQL" } else { "PostgreSQL" };
            format!("At least one {product} database must be indicated if 'all' flag is not set.")
        }
        cause => fixed(cause).to_owned(),
    }
}

fn section(name: &str) -> &str {
    match name {
        "amazons3" => "AmazonS3",
        "capacity" => "Capacity",
        "encrypt" => "Encrypt",
        "mbox" => "Mbox",
        "mysql" => "Mysql",
        "postgresql" => "PostgreSQL",
        "split" => "Split",
        "subversion" => "Subversion",
        other => other,
    }
}

/// One message names all surplus names of a list, in alphabetical order.
fn duplicates(problem: &Problem, all: &[Problem]) -> String {
    let list = |path: &str| path.split('/').next().map(ToOwned::to_owned);
    let mut names: Vec<_> = all
        .iter()
        .filter(|it| it.cause == problem.cause && list(&it.path) == list(&problem.path))
        .map(|it| repr(&it.value))
        .collect();
    names.sort();
    format!("[{}]", names.join(", "))
}

fn fixed(cause: Cause) -> &'static str {
    value_text(cause)
        .or_else(|| standard_text(cause))
        .or_else(|| extension_text(cause))
        .unwrap_or("?")
}

fn value_text(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::NotBoolean => "Boolean values must be one of ['Y', 'y', 'N', 'n'].",
        Cause::WorkingDirNotAbsolute => "Working directory must be an absolute path.",
        Cause::TargetDirNotAbsolute => "Target directory must be an absolute path.",
        Cause::CollectDirNotAbsolute => "Collect directory must be an absolute path.",
        Cause::SourceDirNotAbsolute => "Source directory must be an absolute path.",
        Cause::DeviceNotAbsolute => "Device path must be an absolute path.",
        Cause::ItemNotAbsolute => "Absolute path must, er, be an absolute path.",
        Cause::RepositoryNotAbsolute => "Repository path must be an absolute path.",
        Cause::OrderMode => "Order mode must be one of ['index', 'dependency'].",
        Cause::StartingDay => "Starting day must be an English day of the week, i.e. \"monday\".",
        Cause::CollectMode => "Collect mode must be one of ['daily', 'weekly', 'incr'].",
        Cause::ArchiveMode => "Archive mode must be one of ['tar', 'targz', 'tarbz2'].",
        Cause::CompressMode => "Compress mode must be one of ['none', 'gzip', 'bzip2'].",
        Cause::IgnoreFailures => {
            "Ignore failure mode must be one of ['none', 'all', 'daily', 'weekly']."
        }
        Cause::MediaType => {
            "Media type must be one of ['cdr-74', 'cdrw-74', 'cdr-80', 'cdrw-80', 'dvd+r', 'dvd+rw']."
        }
        Cause::DeviceType => "Device type must be one of ['cdwriter', 'dvdwriter'].",
        Cause::BlankMode => "Blanking mode must be one of ['daily', 'weekly'].",
        Cause::EncryptMode => "Encrypt mode must be one of ['gpg'].",
        Cause::BadActionName => {
            "The action name must consist of only lower-case letters and digits."
        }
        Cause::BadModule => "The module name must be a valid Python identifier.",
        Cause::BadFunction => "The function name must be a valid Python identifier.",
        Cause::BadScsiId => "SCSI id is not in a valid form.",
        Cause::IndexNegative => "Action index value must be an integer >= 0.",
        Cause::LinkDepthNegative => "Link depth value must be an integer >= 0.",
        Cause::RetainDaysNegative => "Retain days value must be an integer >= 0.",
        Cause::DriveSpeed => "Drive speed must an integer >= 1.",
        Cause::RefreshDelayNegative => "Action refreshMediaDelay value must be an integer >= 0.",
        Cause::EjectDelayNegative => "Action ejectDelay value must be an integer >= 0.",
        Cause::BlankFactorNegative => "Blanking factor cannot be negative.",
        Cause::QuantityNotNumber => "Quantity must be interpretable as a float",
        Cause::QuantityNegative => "Quantity cannot be negative.",
        Cause::PercentageOutOfRange => "Percentage must be a positive value from 0.0 to 100.0",
        _ => return None,
    })
}

fn standard_text(cause: Cause) -> Option<&'static str> {
    let text = match cause {
        Cause::NoActionSection => {
            "At least one of the collect, stage, store and purge sections is required."
        }
        Cause::NoOptions => "The options is section is required.",
        Cause::ActionNameMissing => "Each extended action must set a name.",
        Cause::ActionModuleMissing => "Each extended action must set a module.",
        Cause::ActionFunctionMissing => "Each extended action must set a function.",
        Cause::ActionIndexMissing => "Each extended action must set an index, based on order mode.",
        Cause::ActionDependsMissing => {
            "Each extended action must set dependency information, based on order mode."
        }
        Cause::StartingDayMissing => "Options section starting day must be filled in.",
        Cause::WorkingDirMissing => "Options section working directory must be filled in.",
        Cause::BackupUserMissing => "Options section backup user must be filled in.",
        Cause::BackupGroupMissing => "Options section backup group must be filled in.",
        Cause::RcpCommandMissing => "Options section remote copy command must be filled in.",
        Cause::NoPeers => "Peer list must contain at least one backup peer.",
        Cause::LocalPeerNameMissing => "Local peers must set a name.",
        Cause::LocalPeerDirMissing => "Local peers must set a collect directory.",
        Cause::RemotePeerNameMissing => "Remote peers must set a name.",
        Cause::RemotePeerDirMissing => "Remote peers must set a collect directory.",
        Cause::CollectDirMissing => "Collect section target directory must be filled in.",
        Cause::FilePathMissing => "Each collect file must set an absolute path.",
        Cause::DirPathMissing => "Each collect directory must set an absolute path.",
        Cause::DereferenceWithoutDepth => {
            "Dereference flag is only valid when a non-zero link depth is in use."
        }
        Cause::StagingDirMissing => "Stage section target directory must be filled in.",
        Cause::SourceDirMissing => "Store section source directory must be filled in.",
        Cause::MediaTypeMissing => "Store section media type must be filled in.",
        Cause::DeviceMissing => "Store section device path must be filled in.",
        Cause::MediaMismatch => "Media type must match device type.",
        Cause::BlankIncomplete => "If blanking behavior is provided, all values must be filled in.",
        Cause::PurgePathMissing => "Each purge directory must set an absolute path.",
        Cause::RetainDaysMissing => "Each purge directory must set a retain days value.",
        cause => return inherited_text(cause),
    };
    Some(text)
}

fn inherited_text(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::PeerUserMissing => {
            "Remote user must either be set in options section or individual remote peer."
        }
        Cause::PeerRcpMissing => {
            "Remote copy command must either be set in options section or individual remote peer."
        }
        Cause::PeerRshMissing => {
            "Remote shell command must either be set in options section or individual remote peer."
        }
        Cause::PeerCbackMissing => {
            "Remote cback command must either be set in options section or individual remote peer."
        }
        Cause::PeerActionsMissing => {
            "Managed actions list must be set in options section or individual remote peer."
        }
        Cause::FileModeMissing => {
            "Collect mode must either be set in parent collect section or individual collect file."
        }
        Cause::FileArchiveMissing => {
            "Archive mode must either be set in parent collect section or individual collect file."
        }
        Cause::DirModeMissing => {
            "Collect mode must either be set in parent collect section or individual collect directory."
        }
        Cause::DirArchiveMissing => {
            "Archive mode must either be set in parent collect section or individual collect directory."
        }
        Cause::DirIgnoreMissing => {
            "Ignore file must either be set in parent collect section or individual collect directory."
        }
        _ => return None,
    })
}

fn extension_text(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::CompressModeMissing => "Compress mode value is required.",
        Cause::AllWithDatabases => "Databases cannot be specified if 'all' flag is set.",
        Cause::NoRepositories => "At least one Subversion repository must be configured.",
        Cause::RepositoryPathMissing => "Each repository must set a repository path.",
        Cause::RepositoryModeMissing => {
            "Collect mode must either be set in parent section or individual repository."
        }
        Cause::RepositoryCompressMissing => {
            "Compress mode must either be set in parent section or individual repository."
        }
        Cause::RepositoryDirPathMissing => "Each repository directory must set a directory path.",
        Cause::RepositoryDirModeMissing => {
            "Collect mode must either be set in parent section or repository directory."
        }
        Cause::RepositoryDirCompressMissing => {
            "Compress mode must either be set in parent section or repository directory."
        }
        Cause::NoMailboxes => "At least one mbox file or directory must be configured.",
        Cause::MboxFilePathMissing => "Each mbox file must set an absolute path.",
        Cause::MboxFileModeMissing => {
            "Collect mode must either be set in parent mbox section or individual mbox file."
        }
        Cause::MboxFileCompressMissing => {
            "Compress mode must either be set in parent mbox section or individual mbox file."
        }
        Cause::MboxDirPathMissing => "Each mbox directory must set an absolute path.",
        Cause::MboxDirModeMissing => {
            "Collect mode must either be set in parent mbox section or individual mbox directory."
        }
        Cause::MboxDirCompressMissing => {
            "Compress mode must either be set in parent mbox section or individual mbox directory."
        }
        Cause::SizeLimitMissing => "Size limit must be set.",
        Cause::SplitSizeMissing => "Split size must be set.",
        Cause::EncryptModeMissing => "Encrypt mode must be set.",
        Cause::EncryptTargetMissing => "Encrypt target must be set.",
        Cause::CapacityMissing => "Must provide either max percentage or min bytes.",
        Cause::CapacityBoth => "Must provide either max percentage or min bytes, but not both.",
        Cause::BucketMissing => "AmazonS3 s3Bucket must be set.",
        _ => return None,
    })
}

pub(crate) fn order(error: &OrderError) -> &'static str {
    match error {
        OrderError::Unknown { .. } => {
            "Unable to determine proper action order due to invalid dependency."
        }
        _ => "Unable to determine proper action order due to dependency recursion.",
    }
}

/// Line as ours, column one less.
pub(crate) fn syntax(error: &SyntaxError) -> String {
    let text = match &error.flaw {
        Flaw::NotUtf8 { offset, length, byte, reason } => {
            let what = match length {
                1 => format!("byte 0x{byte:02x} in position {offset}"),
                _ => format!("bytes in position {offset}-{}", offset + length - 1),
            };
            return format!("'utf-8' codec can't decode {what}: {reason}");
        }
        Flaw::NoElement { .. } => "no element found",
        Flaw::Junk => "junk after document element",
        Flaw::Syntax => "syntax error",
        Flaw::Mismatched { .. } => "mismatched tag",
        Flaw::InvalidToken { .. } => "not well-formed (invalid token)",
        Flaw::Unclosed => "unclosed token",
        Flaw::UnclosedCdata => "unclosed CDATA section",
        Flaw::UndefinedEntity { .. } => "undefined entity",
        Flaw::RecursiveEntity { .. } => "recursive entity reference",
        Flaw::AsyncEntity => "asynchronous entity",
        Flaw::BadCharacterReference => "reference to invalid character number",
        Flaw::DuplicateAttribute { .. } => "duplicate attribute",
        Flaw::UnboundPrefix { .. } => "unbound prefix",
        Flaw::MisplacedDeclaration => "XML or text declaration not at start of entity",
        Flaw::BadDeclaration => "XML declaration not well-formed",
        other => return other.to_string(),
    };
    let (line, column) = (error.position.line, error.position.column - 1);
    format!("Unable to parse XML document: {text}: line {line}, column {column}")
}

/// How Python writes a text.
fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if c == quote => shown.extend(['\\', c]),
            c if is_printable(c) => shown.push(c),
            c => {
                let code = u32::from(c);
                let escape = match code {
                    0..0x100 => format!("\\x{code:02x}"),
                    0x100..0x1_0000 => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                };
                shown.push_str(&escape);
            }
        }
    }
    shown.push(quote);
    shown
}

/// Blanks other than the plain one, controls and invisible formatting are not
/// printable to Python.
fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_whitespace()
            || c.is_control()
            || c == '\u{ad}'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{feff}'))
}
