//! Everything that Cedar Backup finds wrong in a configuration, and a few
//! things that only we look at.

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident: $message:literal $(, $help:literal)?;)*) => {
        /// Why a value or a section is refused. The set grows; the meaning of
        /// a cause never changes, so that scripts may rely on its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the wording; `{}` stands for the value.
            fn wording(self) -> (&'static str, Option<&'static str>) {
                match self {
                    $(Self::$name => ($message, causes!(@help $($help)?)),)*
                }
            }

            /// Returns the name of the variant, for scripts.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
    (@help) => { None };
    (@help $help:literal) => { Some($help) };
}

impl Cause {
    /// Returns the message about `value`, a lower-case fragment.
    pub fn message(self, value: &str) -> String {
        self.wording().0.replace("{}", value)
    }

    /// Returns what to write instead.
    pub fn help(self) -> Option<&'static str> {
        self.wording().1
    }
}

causes! {
    /// None of collect, stage, store and purge is there.
    NoActionSection: "none of <collect>, <stage>, <store> and <purge> is there",
        "a configuration needs at least one of them, directly in <cb_config>";
    /// There is no options section.
    NoOptions: "<options> is missing";
    /// The section of an extension is not there.
    SectionMissing: "<{}> is missing";

    /// A boolean is not Y, y, N or n.
    NotBoolean: "`{}` is neither Y nor N", "write Y or N, without blanks around it";
    /// Not a whole number.
    NotInteger: "`{}` is not a whole number";
    /// A whole number of more than 4300 digits.
    TooManyDigits: "this number has too many digits";
    /// Not a number.
    NotNumber: "`{}` is not a number", "write a number such as 1.5";

    /// `options/working_dir` is relative.
    WorkingDirNotAbsolute: "the working directory `{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// `collect/collect_dir` or `stage/staging_dir` is relative.
    TargetDirNotAbsolute: "the directory `{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// A peer's `collect_dir` is relative.
    CollectDirNotAbsolute: "the peer's collect directory `{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// `store/source_dir` is relative.
    SourceDirNotAbsolute: "the source directory `{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// `store/target_device` is relative.
    DeviceNotAbsolute: "the device `{}` is not an absolute path",
        "it must begin with a slash, such as /dev/cdrw";
    /// A path to collect or exclude, or of an override, is relative.
    PathNotAbsolute: "`{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// A path to purge, or of a mailbox, is relative.
    ItemNotAbsolute: "`{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";
    /// The path of a Subversion repository is relative.
    RepositoryNotAbsolute: "the repository `{}` is not an absolute path",
        "it must begin with a slash, without blanks in front";

    /// An unknown order mode.
    OrderMode: "`{}` is not an order mode", "write index or dependency";
    /// Not a day of the week.
    StartingDay: "`{}` is not a day of the week",
        "write it in English, in full and in lower case, such as monday";
    /// An unknown collect mode.
    CollectMode: "`{}` is not a collect mode",
        "write daily, weekly or incr, without blanks around it";
    /// An unknown archive mode.
    ArchiveMode: "`{}` is not an archive mode",
        "write tar, targz, tarbz2, or tar and the name of a compressor that a plugin offers, such as tarzst";
    /// An unknown compress mode.
    CompressMode: "`{}` is not a compress mode",
        "write none, gzip, bzip2, or the name of a compressor that a plugin offers, such as zstd";
    /// An unknown mode of ignoring failures.
    IgnoreFailures: "`{}` is not a mode of ignoring failures", "write none, all, daily or weekly";
    /// An unknown type of media.
    MediaType: "`{}` is not a media type",
        "write cdr-74, cdrw-74, cdr-80, cdrw-80, dvd+r or dvd+rw";
    /// An unknown type of device.
    DeviceType: "`{}` is not a device type", "write cdwriter or dvdwriter";
    /// An unknown blanking mode.
    BlankMode: "`{}` is not a blanking mode", "write daily or weekly";
    /// An unknown encrypt mode.
    EncryptMode: "`{}` is not an encrypt mode",
        "write gpg, or the name of an encryptor that a plugin offers, such as age";

    /// A name of an action has other characters than a-z and 0-9.
    BadActionName: "`{}` is not a name of an action",
        "a name consists of lower-case letters and digits";
    /// A name in a list of actions has other characters than a-z and 0-9.
    BadActionInList: "`{}` is not a name of an action",
        "names consist of lower-case letters and digits, with commas between them";
    /// A module is not a dotted identifier.
    BadModule: "`{}` is not the name of a module",
        "write CedarBackup3.extend.NAME, or use <plugin>NAME</plugin> instead";
    /// A function is not an identifier.
    BadFunction: "`{}` is not the name of a function";
    /// A regular expression that Python would refuse.
    BadPattern: "`{}` is not a regular expression",
        "to match any characters write .* instead of *";
    /// Not a SCSI address.
    BadScsiId: "`{}` is not a SCSI address", "write it as 1,6,2 or ATA:1,6,2";

    /// An index below 0.
    IndexNegative: "the index is below 0", "write a whole number from 0";
    /// A link depth below 0.
    LinkDepthNegative: "the link depth is below 0", "write a whole number from 0";
    /// A retention below 0.
    RetainDaysNegative: "the number of days is below 0",
        "write a whole number from 0; 0 purges everything";
    /// A drive speed below 1.
    DriveSpeed: "the drive speed is below 1", "write a whole number from 1";
    /// A refresh media delay below 0.
    RefreshDelayNegative: "the delay is below 0", "write a number of seconds from 0";
    /// An eject delay below 0.
    EjectDelayNegative: "the delay is below 0", "write a number of seconds from 0";
    /// A blanking factor below 0.
    BlankFactorNegative: "the blanking factor is below 0", "write a number from 0, such as 1.3";
    /// A quantity without a number.
    QuantityNotNumber: "`{}` is not a number of bytes",
        "write a number, then KB, MB, GB (in upper case) or nothing";
    /// A quantity below 0.
    QuantityNegative: "the number of bytes is below 0";
    /// Not a percentage.
    PercentageOutOfRange: "`{}` is not a percentage", "write a number from 0 to 100, without %";

    /// An extended action has no name.
    ActionNameMissing: "<name> is missing";
    /// An extended action has neither module nor plugin.
    ActionModuleMissing: "<module> or <plugin> is missing", "add <plugin>NAME</plugin>";
    /// An extended action has a module but no function.
    ActionFunctionMissing: "<function> is missing";
    /// An extended action has no index.
    ActionIndexMissing: "<index> is missing", "the built-in actions have 100, 200, 300 and 400";
    /// An extended action has no dependencies.
    ActionDependsMissing: "<depends> is missing",
        "with <order_mode>dependency</order_mode> each action needs it; it may be empty";
    /// Two extended actions have one name.
    DuplicateActions: "more than one action is called `{}`";

    /// `options/starting_day` is missing.
    StartingDayMissing: "<starting_day> is missing";
    /// `options/working_dir` is missing.
    WorkingDirMissing: "<working_dir> is missing";
    /// `options/backup_user` is missing.
    BackupUserMissing: "<backup_user> is missing";
    /// `options/backup_group` is missing.
    BackupGroupMissing: "<backup_group> is missing";
    /// `options/rcp_command` is missing.
    RcpCommandMissing: "<rcp_command> is missing",
        "Cedar Backup demands it even where nothing is copied; write /usr/bin/scp -B";

    /// There is no peer.
    NoPeers: "there is no peer", "a <peer> needs <type>local</type> or <type>remote</type>";
    /// A local peer has no name.
    LocalPeerNameMissing: "<name> is missing";
    /// A local peer has no collect directory.
    LocalPeerDirMissing: "<collect_dir> is missing";
    /// A remote peer has no name.
    RemotePeerNameMissing: "<name> is missing";
    /// A remote peer has no collect directory.
    RemotePeerDirMissing: "<collect_dir> is missing";
    /// No user is known for a remote peer.
    PeerUserMissing: "<backup_user> is missing", "set it here or in <options>";
    /// No copy command is known for a remote peer.
    PeerRcpMissing: "<rcp_command> is missing", "set it here or in <options>";
    /// No remote shell is known for a managed peer.
    PeerRshMissing: "<rsh_command> is missing",
        "a managed peer needs it, here or in <options>";
    /// No cback command is known for a managed peer.
    PeerCbackMissing: "<cback_command> is missing",
        "a managed peer needs it, here or in <options>";
    /// No actions are known for a managed peer.
    PeerActionsMissing: "<managed_actions> is missing or empty",
        "a managed peer needs it, here or in <options>";
    /// Two peers have one name.
    DuplicatePeers: "more than one peer is called `{}`",
        "each peer has a directory of its name";

    /// `collect/collect_dir` is missing.
    CollectDirMissing: "<collect_dir> is missing";
    /// A file to collect has no path.
    FilePathMissing: "<abs_path> is missing";
    /// A file to collect has no collect mode.
    FileModeMissing: "<collect_mode> is missing", "set it here or in <collect>";
    /// A file to collect has no archive mode.
    FileArchiveMissing: "<archive_mode> is missing", "set it here or in <collect>";
    /// A directory to collect has no path.
    DirPathMissing: "<abs_path> is missing";
    /// A directory to collect has no collect mode.
    DirModeMissing: "<collect_mode> is missing", "set it here or in <collect>";
    /// A directory to collect has no archive mode.
    DirArchiveMissing: "<archive_mode> is missing", "set it here or in <collect>";
    /// A directory to collect has no ignore file.
    DirIgnoreMissing: "<ignore_file> is missing", "set it here or in <collect>";
    /// Dereferencing without a link depth.
    DereferenceWithoutDepth: "<dereference> needs a <link_depth> above 0";

    /// `stage/staging_dir` is missing.
    StagingDirMissing: "<staging_dir> is missing";

    /// `store/source_dir` is missing.
    SourceDirMissing: "<source_dir> is missing";
    /// `store/media_type` is missing.
    MediaTypeMissing: "<media_type> is missing",
        "or store to a storage with <storage>NAME</storage>";
    /// `store/target_device` is missing.
    DeviceMissing: "<target_device> is missing",
        "or store to a storage with <storage>NAME</storage>";
    /// Media that the device does not take.
    MediaMismatch: "`{}` is not for this type of device",
        "cdwriter takes cdr and cdrw, dvdwriter takes dvd+r and dvd+rw";
    /// `store/blank_behavior` is empty.
    BlankIncomplete: "<mode> and <factor> are missing";

    /// A directory to purge has no path.
    PurgePathMissing: "<abs_path> is missing";
    /// A directory to purge has no retention.
    RetainDaysMissing: "<retain_days> is missing";

    /// A database section has no compress mode.
    CompressModeMissing: "<compress_mode> is missing";
    /// All databases and single databases.
    AllWithDatabases: "<database> and <all>Y</all> exclude each other";
    /// No database.
    NoDatabases: "no <database> is given", "add one, or <all>Y</all>";

    /// Nothing for Subversion to do.
    NoRepositories: "neither <repository> nor <repository_dir> is there";
    /// A repository has no path.
    RepositoryPathMissing: "<abs_path> is missing";
    /// A repository has no collect mode.
    RepositoryModeMissing: "<collect_mode> is missing", "set it here or in <subversion>";
    /// A repository has no compress mode.
    RepositoryCompressMissing: "<compress_mode> is missing", "set it here or in <subversion>";
    /// A repository directory has no path.
    RepositoryDirPathMissing: "<abs_path> is missing";
    /// A repository directory has no collect mode.
    RepositoryDirModeMissing: "<collect_mode> is missing", "set it here or in <subversion>";
    /// A repository directory has no compress mode.
    RepositoryDirCompressMissing: "<compress_mode> is missing", "set it here or in <subversion>";

    /// No mailbox.
    NoMailboxes: "neither <file> nor <dir> is there";
    /// A mailbox has no path.
    MboxFilePathMissing: "<abs_path> is missing";
    /// A mailbox has no collect mode.
    MboxFileModeMissing: "<collect_mode> is missing", "set it here or in <mbox>";
    /// A mailbox has no compress mode.
    MboxFileCompressMissing: "<compress_mode> is missing", "set it here or in <mbox>";
    /// A directory of mailboxes has no path.
    MboxDirPathMissing: "<abs_path> is missing";
    /// A directory of mailboxes has no collect mode.
    MboxDirModeMissing: "<collect_mode> is missing", "set it here or in <mbox>";
    /// A directory of mailboxes has no compress mode.
    MboxDirCompressMissing: "<compress_mode> is missing", "set it here or in <mbox>";

    /// `split/size_limit` is missing.
    SizeLimitMissing: "<size_limit> is missing";
    /// `split/split_size` is missing.
    SplitSizeMissing: "<split_size> is missing";
    /// `encrypt/encrypt_mode` is missing.
    EncryptModeMissing: "<encrypt_mode> is missing";
    /// `encrypt/encrypt_target` is missing.
    EncryptTargetMissing: "<encrypt_target> is missing";
    /// Neither limit of the capacity is set.
    CapacityMissing: "neither <max_percentage> nor <min_bytes> is there";
    /// Both limits of the capacity are set.
    CapacityBoth: "<max_percentage> and <min_bytes> exclude each other";
    /// `amazons3/s3_bucket` is missing.
    BucketMissing: "<s3_bucket> is missing";

    /// Ours: a name of a plugin with impossible characters.
    BadPlugin: "`{}` is not a name of a plugin",
        "a name consists of lower-case letters, digits and -";
    /// Ours: a number outside what makes sense.
    OutOfRange: "`{}` is out of range";
    /// Ours: not a span of time.
    BadSpan: "`{}` is not a span of time", "write seconds, or a number with s, min, h or d";
    /// Ours: an unknown format of dumps.
    DumpFormat: "`{}` is not a format of dumps", "write plain, custom or directory";
    /// Ours: an unknown way to tell the age of a file.
    PurgeAge: "`{}` is not a way to tell the age of a file", "write mtime, cedar or day";
    /// Ours, a warning: Cedar Backup's collect would fail at this pattern.
    UnusablePattern: "Cedar Backup fails at the pattern `{}`, for it puts it between ^ and $",
        "write flags such as (?i) as a group around the pattern: (?i:…)";
    /// Ours, a warning: a peer that is neither local nor remote.
    PeerIgnored: "this peer is ignored: its type `{}` is neither local nor remote",
        "add <type>local</type> or <type>remote</type>";
    /// Ours, a warning: the name of a peer is no plain directory.
    PeerName: "the peer `{}` cannot be staged: its name is not that of one plain directory",
        "up to 255 bytes, no / and no control character; neither . nor .. nor the name of an indicator file";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_value_and_end_without_a_full_stop() {
        for &cause in Cause::ALL {
            let message = cause.message("VALUE");
            assert!(!message.contains("{}") && !message.ends_with('.'), "{message}");
            assert!(!cause.help().is_some_and(|it| it.ends_with('.')), "{}", cause.name());
        }
        assert_eq!(Cause::NotBoolean.message("true"), "`true` is neither Y nor N");
    }
}
