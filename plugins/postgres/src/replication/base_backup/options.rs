//! What is asked of a base backup, and the command that asks it.

use std::{fmt::Write as _, time::Duration};

use super::super::{command::literal, error::ReplicationError};
use crate::version::ServerVersion;

/// The longest label, in bytes: more does not fit into `backup_label`.
const LONGEST_LABEL: usize = 1024;
/// What `MAX_RATE` can be, in kB/s.
const RATES: std::ops::RangeInclusive<u32> = 32..=1_048_576;

/// What is asked of a base backup.
///
/// The default is a whole backup without WAL, with a manifest (CRC-32C), a
/// checkpoint spread over time, checksums verified, and the server waiting
/// until the WAL it needs is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the switches of the command")]
pub struct BaseBackupOptions {
    /// The text in `backup_label`; at most 1024 bytes, one line.
    pub label: String,
    /// Whether the checkpoint is made at once, at the cost of all others.
    pub fast_checkpoint: bool,
    /// Whether the server adds up sizes first ([`Tablespace::size`](super::Tablespace)).
    pub progress: bool,
    /// Whether the WAL that the backup needs is put into it.
    pub wal: bool,
    /// Whether the server waits at the end until that WAL is archived.
    pub wait: bool,
    /// The most that the server may send, in kB/s: 32 to 1048576.
    pub max_rate: Option<u32>,
    /// Whether tablespaces are listed in a file `tablespace_map` instead of
    /// links: whoever restores them elsewhere than they were needs it.
    pub tablespace_map: bool,
    /// With which checksums a manifest is made, if at all.
    pub manifest: Option<ManifestChecksums>,
    /// Whether the server checks the checksum of each page, where the cluster
    /// has them.
    pub verify_checksums: bool,
    /// Whether the server compresses what it sends; 15 and later.
    pub compression: Option<Compression>,
    /// Whether only what changed since a backup is sent, whose manifest was
    /// [uploaded](super::super::ReplicationConnection::upload_manifest); 17 and
    /// later, with `summarize_wal = on`.
    pub incremental: bool,
    /// How long the server may say nothing while it sends data; five minutes.
    pub patience: Option<Duration>,
    /// How long it may say nothing before and after: while it makes the
    /// checkpoint, and while it waits for the archive; one hour.
    pub start_and_end_patience: Option<Duration>,
}

impl Default for BaseBackupOptions {
    fn default() -> Self {
        Self {
            label: "base backup".to_owned(),
            fast_checkpoint: false,
            progress: false,
            wal: false,
            wait: true,
            max_rate: None,
            tablespace_map: false,
            manifest: Some(ManifestChecksums::Crc32c),
            verify_checksums: true,
            compression: None,
            incremental: false,
            patience: Some(Duration::from_mins(5)),
            start_and_end_patience: Some(Duration::from_hours(1)),
        }
    }
}

/// With what a manifest describes the content of each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestChecksums {
    /// Nothing but the size.
    None,
    /// CRC-32C: fast, and finds accidents.
    Crc32c,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl ManifestChecksums {
    const fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Crc32c => "CRC32C",
            Self::Sha224 => "SHA224",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }
}

/// How the server compresses. It refuses what it was built without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// With what.
    pub method: CompressionMethod,
    /// How hard; `None` is what the method takes by itself.
    pub level: Option<i32>,
    /// With how many threads (zstd).
    pub workers: Option<u32>,
}

/// What the server compresses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionMethod {
    /// gzip, level 1 to 9.
    Gzip,
    /// LZ4, level 1 to 12.
    Lz4,
    /// zstd, level -131072 to 22.
    Zstd,
}

impl CompressionMethod {
    const fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl BaseBackupOptions {
    /// Returns the command for a server of that version.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Version`] or [`ReplicationError::Invalid`].
    pub(in super::super) fn command(
        &self,
        version: ServerVersion,
    ) -> Result<String, ReplicationError> {
        self.check(version)?;
        Ok(if version.major() >= 15 { self.in_brackets() } else { self.in_words() })
    }

    fn check(&self, version: ServerVersion) -> Result<(), ReplicationError> {
        let since = |asked: bool, major: u32, what, needs| {
            if asked && version.major() < major {
                return Err(ReplicationError::Version { what, needs, found: version });
            }
            Ok(())
        };
        since(true, 13, "a base backup", "13 or later")?;
        since(self.compression.is_some(), 15, "compression by the server", "15 or later")?;
        since(self.incremental, 17, "an incremental backup", "17 or later")?;
        let invalid = |what, value: &str, problem| {
            Err(ReplicationError::Invalid { what, value: value.to_owned(), problem })
        };
        if self.label.len() > LONGEST_LABEL {
            return invalid("the label of a backup", &self.label, "it has more than 1024 bytes");
        }
        if self.label.contains(char::is_control) {
            return invalid("the label of a backup", &self.label, "it must be one line of text");
        }
        if let Some(rate) = self.max_rate.filter(|it| !RATES.contains(it)) {
            let problem = "it must be 32 to 1048576 kB/s";
            return invalid("the highest rate", &rate.to_string(), problem);
        }
        Ok(())
    }

    /// The syntax of 15 and later.
    fn in_brackets(&self) -> String {
        let mut all = vec![
            format!("LABEL {}", literal(&self.label)),
            format!("CHECKPOINT '{}'", if self.fast_checkpoint { "fast" } else { "spread" }),
            format!("PROGRESS {}", self.progress),
            format!("WAL {}", self.wal),
            format!("WAIT {}", self.wait),
            format!("TABLESPACE_MAP {}", self.tablespace_map),
            format!("VERIFY_CHECKSUMS {}", self.verify_checksums),
            "TARGET 'client'".to_owned(),
        ];
        match self.manifest {
            None => all.push("MANIFEST 'no'".to_owned()),
            Some(checksums) => {
                all.push("MANIFEST 'yes'".to_owned());
                all.push(format!("MANIFEST_CHECKSUMS '{}'", checksums.word()));
            }
        }
        if let Some(rate) = self.max_rate {
            all.push(format!("MAX_RATE {rate}"));
        }
        if let Some(compression) = self.compression {
            all.push(format!("COMPRESSION '{}'", compression.method.word()));
            let level = compression.level.map(|it| format!("level={it}"));
            let workers = compression.workers.map(|it| format!("workers={it}"));
            let detail: Vec<String> = level.into_iter().chain(workers).collect();
            if !detail.is_empty() {
                all.push(format!("COMPRESSION_DETAIL '{}'", detail.join(",")));
            }
        }
        if self.incremental {
            all.push("INCREMENTAL".to_owned());
        }
        format!("BASE_BACKUP ({})", all.join(", "))
    }

    /// The syntax of 13 and 14.
    fn in_words(&self) -> String {
        let mut command = format!("BASE_BACKUP LABEL {}", literal(&self.label));
        let words = [
            (self.progress, " PROGRESS"),
            (self.fast_checkpoint, " FAST"),
            (self.wal, " WAL"),
            (!self.wait, " NOWAIT"),
            (self.tablespace_map, " TABLESPACE_MAP"),
            (!self.verify_checksums, " NOVERIFY_CHECKSUMS"),
        ];
        command.extend(words.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word));
        if let Some(rate) = self.max_rate {
            let _ = write!(command, " MAX_RATE {rate}");
        }
        if let Some(checksums) = self.manifest {
            let word = checksums.word();
            let _ = write!(command, " MANIFEST 'yes' MANIFEST_CHECKSUMS '{word}'");
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(major: u32, options: &BaseBackupOptions) -> Result<String, ReplicationError> {
        options.command(ServerVersion::from_major(major))
    }

    #[test]
    fn each_version_gets_its_syntax() {
        let options = BaseBackupOptions {
            label: "it's one".to_owned(),
            fast_checkpoint: true,
            wait: false,
            max_rate: Some(1000),
            ..BaseBackupOptions::default()
        };
        let old = "BASE_BACKUP LABEL 'it''s one' FAST NOWAIT MAX_RATE 1000 \
                   MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'";
        assert_eq!(of(14, &options).unwrap(), old);
        let new = "BASE_BACKUP (LABEL 'it''s one', CHECKPOINT 'fast', PROGRESS false, WAL false, \
                   WAIT false, TABLESPACE_MAP false, VERIFY_CHECKSUMS true, TARGET 'client', \
                   MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C', MAX_RATE 1000)";
        assert_eq!(of(15, &options).unwrap(), new);
    }

    #[test]
    fn what_a_version_cannot_do_is_refused_before_anything_is_sent() {
        let method = CompressionMethod::Zstd;
        let compression = Compression { method, level: Some(3), workers: Some(2) };
        let options =
            BaseBackupOptions { compression: Some(compression), ..BaseBackupOptions::default() };
        assert!(matches!(of(14, &options), Err(ReplicationError::Version { .. })));
        let command = of(15, &options).unwrap();
        assert!(command.contains("COMPRESSION 'zstd', COMPRESSION_DETAIL 'level=3,workers=2'"));
        let options = BaseBackupOptions { incremental: true, ..BaseBackupOptions::default() };
        assert!(matches!(of(16, &options), Err(ReplicationError::Version { .. })));
        assert!(of(17, &options).unwrap().ends_with(", INCREMENTAL)"));
        assert!(of(12, &BaseBackupOptions::default()).is_err());
    }

    #[test]
    fn labels_and_rates_have_limits() {
        let with = |label: &str, max_rate| BaseBackupOptions {
            label: label.to_owned(),
            max_rate,
            ..BaseBackupOptions::default()
        };
        for bad in [with("a\nb", None), with(&"x".repeat(1025), None), with("\0", None)] {
            assert!(of(15, &bad).is_err());
        }
        for (rate, good) in [(31, false), (32, true), (1_048_576, true), (1_048_577, false)] {
            assert_eq!(of(15, &with("a", Some(rate))).is_ok(), good, "{rate}");
        }
    }
}
