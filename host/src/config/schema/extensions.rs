//! The sections of Cedar Backup's official extensions.

use super::{
    Element,
    Kind::{
        self, Boolean, Bytes, Choice, Command, Integer, Number, Path, Pattern, Secret, Span, Text,
    },
    element,
};

const COLLECT_MODES: &[&str] = &["daily", "weekly", "incr"];
const COMPRESS: &str = "`none`, `gzip`, `bzip2`, or the name of a compressor";

const fn group(path: &'static str, meaning: &'static str) -> Element {
    element(path, Kind::Element, meaning)
}

const fn text(path: &'static str, meaning: &'static str) -> Element {
    element(path, Text, meaning)
}

const fn modes(path: &'static str, meaning: &'static str) -> Element {
    element(path, Choice, meaning).allowed(COLLECT_MODES)
}

const fn own(path: &'static str, kind: Kind, meaning: &'static str) -> Element {
    element(path, kind, meaning).ours()
}

pub(super) const ELEMENTS: &[Element] = &[
    group("postgresql", "Dumps of PostgreSQL databases"),
    text("postgresql/user", "The role to log in as; otherwise libpq's choice"),
    text("postgresql/compress_mode", COMPRESS).required(),
    element("postgresql/all", Boolean, "Whether all databases are dumped").default("N"),
    text("postgresql/database", "A database; at least one without `all`").repeatable(),
    own("postgresql/host", Text, "The server's host, or the directory of its socket"),
    own("postgresql/port", Integer, "The server's port"),
    own("postgresql/service", Text, "A service of `pg_service.conf`"),
    own(
        "postgresql/password_file",
        Path,
        "A file with the password, or in the format of `.pgpass`",
    ),
    own("postgresql/format", Choice, "The format of the dumps")
        .allowed(&["plain", "custom", "directory"])
        .default("plain"),
    own("postgresql/jobs", Integer, "How many connections dump one database, with `directory`")
        .default("1"),
    own("postgresql/parallel", Integer, "How many databases are dumped at the same time")
        .default("1"),
    own(
        "postgresql/globals",
        Boolean,
        "Whether roles and tablespaces are dumped into a file of their own",
    ),
    own("postgresql/exclude", Text, "With `all`: a database to leave out").repeatable(),
    own("postgresql/schema", Text, "Only this schema").repeatable(),
    own("postgresql/exclude_schema", Text, "A schema to leave out").repeatable(),
    own("postgresql/table", Text, "Only this table").repeatable(),
    own("postgresql/exclude_table", Text, "A table to leave out").repeatable(),
    own("postgresql/exclude_table_data", Text, "A table whose rows are left out").repeatable(),
    own("postgresql/timeout", Span, "How long one dump may take"),
    own("postgresql/option", Text, "A further argument of the dump program").repeatable(),
    group("mysql", "Dumps of MySQL databases"),
    text("mysql/user", "The user to log in as"),
    element("mysql/password", Secret, "The password"),
    text("mysql/compress_mode", COMPRESS).required(),
    element("mysql/all", Boolean, "Whether all databases are dumped").default("N"),
    text("mysql/database", "A database; at least one without `all`").repeatable(),
    own("mysql/password_file", Path, "A file whose first line is the password"),
    own("mysql/password_command", Command, "A program that prints the password"),
    own("mysql/host", Text, "The server's host"),
    own("mysql/port", Integer, "The server's port"),
    own("mysql/socket", Path, "The server's socket"),
    own("mysql/options_file", Path, "An option file that is read besides the usual ones"),
    own("mysql/file_per_database", Boolean, "With `all`: each database into a file of its own")
        .default("N"),
    own("mysql/exclude", Text, "With `all`: a database to leave out").repeatable(),
    own("mysql/single_transaction", Boolean, "Whether a dump is one transaction, without locks")
        .default("N"),
    own("mysql/routines", Boolean, "Whether stored routines are dumped").default("Y"),
    own("mysql/events", Boolean, "Whether events are dumped").default("Y"),
    own("mysql/triggers", Boolean, "Whether triggers are dumped").default("Y"),
    own("mysql/flush_logs", Boolean, "Whether the server begins new log files").default("Y"),
    own("mysql/parallel", Integer, "How many databases are dumped at the same time").default("2"),
    own("mysql/timeout", Span, "How long one dump may take"),
    own("mysql/option", Text, "A further argument of the dump program").repeatable(),
    group("subversion", "Dumps of Subversion repositories"),
    modes("subversion/collect_mode", "When repositories are dumped that do not say"),
    text("subversion/compress_mode", "How dumps are compressed that do not say"),
    own("subversion/parallel", Integer, "How many repositories are dumped at the same time")
        .default("2"),
    own("subversion/timeout", Span, "How long one dump may take"),
    group("subversion/repository", "A repository").repeatable(),
    text("subversion/repository/type", "Its type; nothing depends on it"),
    element("subversion/repository/abs_path", Path, "Its directory").required(),
    modes("subversion/repository/collect_mode", "When it is dumped"),
    text("subversion/repository/compress_mode", COMPRESS),
    group("subversion/repository_dir", "A directory of repositories").repeatable(),
    text("subversion/repository_dir/type", "Their type; nothing depends on it"),
    element("subversion/repository_dir/abs_path", Path, "The directory").required(),
    modes("subversion/repository_dir/collect_mode", "When they are dumped"),
    text("subversion/repository_dir/compress_mode", COMPRESS),
    group("subversion/repository_dir/exclude", "What is left out"),
    text("subversion/repository_dir/exclude/rel_path", "A path below the directory").repeatable(),
    element(
        "subversion/repository_dir/exclude/pattern",
        Pattern,
        "A regular expression for whole paths",
    )
    .repeatable(),
    group("mbox", "Backups of mailboxes"),
    modes("mbox/collect_mode", "When mailboxes are collected that do not say"),
    text("mbox/compress_mode", "How they are compressed that do not say"),
    own("mbox/lock_timeout", Span, "How long others may have a mailbox locked").default("60"),
    group("mbox/file", "A mailbox").repeatable(),
    element("mbox/file/abs_path", Path, "The file").required(),
    modes("mbox/file/collect_mode", "When it is collected"),
    text("mbox/file/compress_mode", COMPRESS),
    group("mbox/dir", "A directory of mailboxes").repeatable(),
    element("mbox/dir/abs_path", Path, "The directory").required(),
    modes("mbox/dir/collect_mode", "When it is collected"),
    text("mbox/dir/compress_mode", COMPRESS),
    group("mbox/dir/exclude", "What is left out"),
    text("mbox/dir/exclude/rel_path", "A path below the directory").repeatable(),
    element("mbox/dir/exclude/pattern", Pattern, "A regular expression for whole paths")
        .repeatable(),
    group("split", "Splitting of large staged files"),
    element("split/size_limit", Bytes, "Files above this size are split").required(),
    element("split/split_size", Bytes, "The size of the parts").required(),
    group("encrypt", "Encryption of staged files"),
    text("encrypt/encrypt_mode", "`gpg`, or the name of an encryptor").required(),
    text("encrypt/encrypt_target", "Who can decrypt").required(),
    group("capacity", "A warning when the disc is full; one of the two limits"),
    element("capacity/max_percentage", Number, "At what percentage in use"),
    element("capacity/min_bytes", Bytes, "Below how many free bytes"),
    group("amazons3", "Upload of staged data"),
    element("amazons3/warn_midnite", Boolean, "Whether a run past midnight is reported")
        .default("N"),
    text("amazons3/s3_bucket", "The bucket; it may carry a path; required without `storage`"),
    element("amazons3/encrypt", Command, "A command that encrypts `${input}` to `${output}`"),
    own("amazons3/storage", Text, "A name of `<storages>` to upload to"),
    own("amazons3/encryptor", Text, "An encryptor, instead of the command"),
    own("amazons3/check_data", Boolean, "Whether what was uploaded is read back").default("Y"),
    element("amazons3/full_size_limit", Bytes, "What a full day may have"),
    element("amazons3/incr_size_limit", Bytes, "What any other day may have"),
];
