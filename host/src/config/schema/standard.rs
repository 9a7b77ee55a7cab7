//! The sections that Cedar Backup defines, with our additions to them.

use super::{
    Element,
    Kind::{self, Action, Actions, Boolean, Choice, Command, Integer, Number, Path, Pattern, Text},
    element,
};

const DAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const COLLECT_MODES: &[&str] = &["daily", "weekly", "incr"];
const IGNORE: &[&str] = &["none", "all", "daily", "weekly"];
const MEDIA: &[&str] = &["cdr-74", "cdrw-74", "cdr-80", "cdrw-80", "dvd+r", "dvd+rw"];

const fn group(path: &'static str, meaning: &'static str) -> Element {
    element(path, Kind::Element, meaning)
}

const fn text(path: &'static str, meaning: &'static str) -> Element {
    element(path, Text, meaning)
}

const fn path(path: &'static str, meaning: &'static str) -> Element {
    element(path, Path, meaning)
}

const fn switch(path: &'static str, meaning: &'static str) -> Element {
    element(path, Boolean, meaning).default("N")
}

const fn number(path: &'static str, meaning: &'static str) -> Element {
    element(path, Integer, meaning)
}

const fn choice(
    path: &'static str,
    allowed: &'static [&'static str],
    meaning: &'static str,
) -> Element {
    element(path, Choice, meaning).allowed(allowed)
}

pub(super) const ELEMENTS: &[Element] = &[
    group("reference", "Who wrote the file; nothing depends on it"),
    text("reference/author", "Who wrote it"),
    text("reference/revision", "The revision of the file"),
    text("reference/description", "What it is for"),
    text("reference/generator", "The program that made it"),
    group("extensions", "Actions of plugins, and the order of all actions"),
    choice(
        "extensions/order_mode",
        &["index", "dependency"],
        "Whether actions are put in order by numbers or by what must come before what",
    )
    .default("index"),
    group("extensions/action", "An action of a plugin").repeatable(),
    element("extensions/action/name", Action, "The name it is called by").required(),
    text(
        "extensions/action/plugin",
        "The name that the plugin gives the action; instead of module and function",
    )
    .ours(),
    text(
        "extensions/action/module",
        "The Python module; `CedarBackup3.extend.NAME` stands for the plugin's action `NAME`",
    ),
    text("extensions/action/function", "The Python function; needed with a module"),
    number(
        "extensions/action/index",
        "Its place; collect has 100, stage 200, store 300, purge 400; needed with order by index",
    ),
    group(
        "extensions/action/depends",
        "What it comes before and after; needed with order by dependency",
    ),
    element("extensions/action/depends/run_before", Actions, "Actions that come later"),
    element("extensions/action/depends/run_after", Actions, "Actions that come earlier"),
    group("options", "What concerns all actions").required(),
    choice("options/starting_day", DAYS, "The first day of the backup week").required(),
    path("options/working_dir", "Where temporary files and state are kept").required(),
    text("options/backup_user", "Who owns what is written, if the program runs as root").required(),
    text("options/backup_group", "The group of what is written").required(),
    element("options/rcp_command", Command, "The command that copies from remote peers").required(),
    element("options/rsh_command", Command, "The command that runs something on managed peers"),
    element("options/cback_command", Command, "The backup command of managed peers"),
    element("options/managed_actions", Actions, "What is run on managed peers"),
    number("options/action_timeout", "After how many seconds an action is ended").ours(),
    group("options/override", "A program to use instead of another").repeatable(),
    text("options/override/command", "The command as it is called"),
    path("options/override/abs_path", "The program to run instead"),
    group("options/pre_action_hook", "A command to run before an action").repeatable(),
    element("options/pre_action_hook/action", Action, "The action"),
    element("options/pre_action_hook/command", Command, "The command; without a shell"),
    group("options/post_action_hook", "A command to run after an action that succeeded")
        .repeatable(),
    element("options/post_action_hook/action", Action, "The action"),
    element("options/post_action_hook/command", Command, "The command; without a shell"),
    group("peers", "The machines and directories whose data is staged"),
    group("peers/peer", "One of them").repeatable().required(),
    text("peers/peer/name", "Its name, and that of its directory in the staging area").required(),
    choice(
        "peers/peer/type",
        &["local", "remote"],
        "Whether it is a directory here or another machine",
    )
    .required(),
    path("peers/peer/collect_dir", "Where its collected files are").required(),
    choice(
        "peers/peer/ignore_failures",
        IGNORE,
        "On which days it is not reported that the peer was not ready",
    )
    .default("none"),
    text("peers/peer/backup_user", "The user to log in as; otherwise that of `<options>`"),
    element(
        "peers/peer/rcp_command",
        Command,
        "The command that copies; otherwise that of `<options>`",
    ),
    element(
        "peers/peer/rsh_command",
        Command,
        "The command that runs something there; otherwise that of `<options>`",
    ),
    element(
        "peers/peer/cback_command",
        Command,
        "The backup command there; otherwise that of `<options>`",
    ),
    switch("peers/peer/managed", "Whether actions are run there"),
    element("peers/peer/managed_actions", Actions, "Which ones; otherwise those of `<options>`"),
    group("collect", "What is collected on this machine"),
    path("collect/collect_dir", "Where archives are put").required(),
    choice(
        "collect/collect_mode",
        COLLECT_MODES,
        "When items are collected that do not say; `incr` is what changed since the first day of the week",
    ),
    text(
        "collect/archive_mode",
        "How items are packed that do not say: `tar`, `targz`, `tarbz2`, or `tar` and the name of a compressor, such as `tarzst`",
    ),
    text(
        "collect/ignore_file",
        "The name of a file whose presence keeps its directory out, for items that do not say",
    ),
    switch(
        "collect/one_file_system",
        "Whether other file systems are left out, for items that do not say",
    )
    .ours(),
    number(
        "collect/compression_level",
        "How hard compressors try; otherwise what each takes for best",
    )
    .ours(),
    group("collect/exclude", "What is left out of everything"),
    path("collect/exclude/abs_path", "A path, with everything below it").repeatable(),
    element("collect/exclude/pattern", Pattern, "A regular expression for whole paths")
        .repeatable(),
    group("collect/file", "A single file").repeatable(),
    path("collect/file/abs_path", "The file").required(),
    choice("collect/file/collect_mode", COLLECT_MODES, "When it is collected"),
    choice("collect/file/mode", COLLECT_MODES, "The old spelling of `collect_mode`, which wins"),
    text("collect/file/archive_mode", "How it is packed"),
    group("collect/dir", "A directory").repeatable(),
    path("collect/dir/abs_path", "The directory").required(),
    choice("collect/dir/collect_mode", COLLECT_MODES, "When it is collected"),
    choice("collect/dir/mode", COLLECT_MODES, "The old spelling of `collect_mode`, which wins"),
    text("collect/dir/archive_mode", "How it is packed"),
    text("collect/dir/ignore_file", "The name of a file whose presence keeps its directory out"),
    number("collect/dir/link_depth", "To what depth links to directories are followed")
        .default("0"),
    switch(
        "collect/dir/dereference",
        "Whether what links point to is stored under its own path too",
    ),
    number(
        "collect/dir/recursion_level",
        "How many levels of directories get archives of their own",
    )
    .default("0"),
    element("collect/dir/one_file_system", Boolean, "Whether other file systems are left out")
        .ours(),
    number("collect/dir/compression_level", "How hard the compressor tries").ours(),
    group("collect/dir/exclude", "What is left out, besides what is left out of everything"),
    path("collect/dir/exclude/abs_path", "A path, with everything below it").repeatable(),
    text("collect/dir/exclude/rel_path", "A path below the directory").repeatable(),
    element("collect/dir/exclude/pattern", Pattern, "A regular expression for whole paths")
        .repeatable(),
    group("stage", "Where collected data is gathered, a directory a day"),
    path("stage/staging_dir", "The staging area").required(),
    group("stage/peer", "As in `<peers>`; if there is one here, those of `<peers>` do not count")
        .repeatable(),
    group("store", "Where staged data is written to"),
    text("store/storage", "The name of a storage; with one, nothing about discs is needed")
        .repeatable()
        .ours(),
    text("store/compressor", "A compressor that files go through on their way").ours(),
    text("store/encryptor", "An encryptor that files go through on their way").ours(),
    path("store/source_dir", "The staging area; needed without a storage"),
    choice("store/media_type", MEDIA, "The kind of disc; needed without a storage"),
    choice("store/device_type", &["cdwriter", "dvdwriter"], "The kind of drive")
        .default("cdwriter"),
    path("store/target_device", "The drive; needed without a storage"),
    text("store/target_scsi_id", "The drive's SCSI address"),
    number("store/drive_speed", "How fast to write"),
    switch("store/check_data", "Whether what was written is compared"),
    switch("store/check_media", "Whether the disc must be one of ours"),
    switch("store/warn_midnite", "Whether a run past midnight is reported"),
    switch("store/no_eject", "Whether the tray is left alone"),
    number("store/refresh_media_delay", "Seconds to wait after the disc is loaded").default("0"),
    number("store/eject_delay", "Seconds to wait before the tray opens").default("0"),
    group("store/blank_behavior", "When rewritable discs are blanked"),
    choice(
        "store/blank_behavior/mode",
        &["daily", "weekly"],
        "Whether it may be any day or the first of the week",
    ),
    element(
        "store/blank_behavior/factor",
        Number,
        "How much more space than needed must be left to go on with a disc",
    ),
    group("purge", "What is deleted when it is old"),
    group("purge/dir", "A directory").repeatable(),
    path("purge/dir/abs_path", "The directory; it stays itself").required(),
    number("purge/dir/retain_days", "How many days a file is kept; 0 keeps nothing").required(),
    choice(
        "purge/dir/age",
        &["mtime", "cedar", "day"],
        "What the age of a file is: since it was written, since it was written or read, or since \
         the day of the directory that it was staged into",
    )
    .ours()
    .default("mtime"),
    switch("purge/dir/unstored", "Whether days that are not stored or staged yet are removed too")
        .ours(),
];
