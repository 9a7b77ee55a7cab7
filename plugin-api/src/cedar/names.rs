//! Which compressors and encryptors there are, besides Cedar Backup's own.

/// The names that `archive_mode`, `compress_mode` and `encrypt_mode` may
/// have, besides those that Cedar Backup knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    compressors: Option<Vec<String>>,
    encryptors: Option<Vec<String>>,
}

impl Names {
    /// Only what Cedar Backup accepts: gzip, bzip2 and gpg.
    pub fn cedar_only() -> Self {
        Self::new::<&str>([], [])
    }

    /// Any well-formed name, for a reader that does not know the plugins. A
    /// name that nothing has shows when the compressor is opened.
    pub fn any() -> Self {
        Self { compressors: None, encryptors: None }
    }

    /// What Cedar Backup accepts, and these.
    pub fn new<S: Into<String>>(
        compressors: impl IntoIterator<Item = S>,
        encryptors: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            compressors: Some(compressors.into_iter().map(Into::into).collect()),
            encryptors: Some(encryptors.into_iter().map(Into::into).collect()),
        }
    }

    /// Tells whether it is a compress mode.
    pub fn has_compress_mode(&self, mode: &str) -> bool {
        matches!(mode, "none" | "gzip" | "bzip2") || known(self.compressors.as_deref(), mode)
    }

    /// Tells whether it is an archive mode: `tar` and the name or the usual
    /// suffix of a compressor.
    pub fn has_archive_mode(&self, mode: &str) -> bool {
        if matches!(mode, "tar" | "targz" | "tarbz2") {
            return true;
        }
        let compressor = compressor_of(mode);
        !matches!(compressor, "" | "none" | "gzip" | "bzip2")
            && known(self.compressors.as_deref(), compressor)
            || matches!(mode, "targzip" | "tarbzip2") && self.compressors.is_none()
    }

    /// Tells whether it is an encrypt mode.
    pub fn has_encrypt_mode(&self, mode: &str) -> bool {
        mode == "gpg" || known(self.encryptors.as_deref(), mode)
    }
}

fn known(names: Option<&[String]>, name: &str) -> bool {
    match names {
        Some(names) => names.iter().any(|it| it == name),
        None => {
            !name.is_empty()
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        }
    }
}

/// Returns the name of the compressor that an archive mode stands for: `none`
/// for `tar`, `gzip` for `targz`, `zstd` for `tarzst` and `tarzstd`. Empty if
/// it is no archive mode at all.
///
/// ```
/// use hayloft_plugin_api::cedar::compressor_of;
///
/// assert_eq!(compressor_of("tarbz2"), "bzip2");
/// assert_eq!(compressor_of("tarxz"), "xz");
/// ```
pub fn compressor_of(archive_mode: &str) -> &str {
    match archive_mode.strip_prefix("tar") {
        Some("") => "none",
        Some("gz") => "gzip",
        Some("bz2") => "bzip2",
        Some("zst") => "zstd",
        Some(name) => name,
        None => "",
    }
}

/// Returns the usual suffix of an archive of this mode, such as `.tar.gz`.
/// What a compressor's plugin says about its own suffix is worth more.
pub fn archive_suffix(archive_mode: &str) -> String {
    match compressor_of(archive_mode) {
        "" | "none" => ".tar".to_owned(),
        "gzip" => ".tar.gz".to_owned(),
        "bzip2" => ".tar.bz2".to_owned(),
        "zstd" => ".tar.zst".to_owned(),
        name => format!(".tar.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_other_compressors_are_known_when_a_plugin_offers_them() {
        let cedar = Names::cedar_only();
        let more = Names::new(["gzip", "zstd", "xz"], ["age"]);
        let cases = [
            // archive mode, Cedar, with plugins, anything goes
            ("tar", true, true, true),
            ("targz", true, true, true),
            ("tarzst", false, true, true),
            ("tarzstd", false, true, true),
            ("tarxz", false, true, true),
            ("tarlz4", false, false, true),
            ("zip", false, false, false),
            ("tar gz", false, false, false),
            ("", false, false, false),
        ];
        for (mode, in_cedar, with_plugins, anything) in cases {
            assert_eq!(cedar.has_archive_mode(mode), in_cedar, "{mode}");
            assert_eq!(more.has_archive_mode(mode), with_plugins, "{mode}");
            assert_eq!(Names::any().has_archive_mode(mode), anything, "{mode}");
        }
        assert!(!cedar.has_compress_mode("zstd") && more.has_compress_mode("zstd"));
        assert!(!cedar.has_encrypt_mode("age") && more.has_encrypt_mode("age"));
        assert!(cedar.has_encrypt_mode("gpg") && !Names::any().has_compress_mode(" gzip"));
    }
}
