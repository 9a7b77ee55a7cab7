//! The elements of the type `s3`.

use std::path::PathBuf;

use hayloft_plugin_api::{
    Configuration, Diagnostic, Node,
    config::{Decoded, Secret, SecretSource},
};
use serde::Deserialize;

use super::{
    common::{Common, check_sources, check_tags, warn_of_clear_text, wrong},
    split,
    value::{Address, Name},
};

/// Where and how objects are kept in S3 or a compatible store.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// What all types of storage share.
    pub common: Common,
    /// The elements of this type.
    pub own: S3Settings,
}

/// The elements of `s3` alone.
#[derive(Debug, Clone, Deserialize)]
pub struct S3Settings {
    /// The bucket; it must exist.
    pub bucket: Name,
    /// Where the store is. Without the element: where the environment or the
    /// profile says (`AWS_ENDPOINT_URL`), or Amazon's.
    pub endpoint: Option<Address>,
    /// The region; that of the environment or the profile, or `us-east-1`.
    pub region: Option<Name>,
    /// Whether the bucket is named in the path and not in the host; `Y` for
    /// any endpoint but Amazon's.
    pub path_style: Option<bool>,
    /// The access key. Without it: the environment, profile files, web
    /// identity, container and instance, in this order.
    pub access_key_id: Option<String>,
    /// The secret of the access key.
    pub password: Option<Secret>,
    /// A file with it.
    pub password_file: Option<PathBuf>,
    /// A program that prints it.
    pub password_command: Option<String>,
    /// An environment variable with it.
    pub password_env: Option<String>,
    /// The profile in `~/.aws/config` and `~/.aws/credentials`.
    pub profile: Option<String>,
    /// The directory with `config` and `credentials`, instead of `~/.aws`.
    pub profile_dir: Option<PathBuf>,
    /// The storage class of new objects, such as `STANDARD_IA`.
    pub storage_class: Option<Name>,
    /// How the store is to encrypt new objects.
    pub encryption: Option<Encryption>,
    /// The key for `aws:kms`.
    pub kms_key_id: Option<String>,
    /// Tags of new objects.
    #[serde(default)]
    pub tags: Tags,
    /// The checksum that is sent with what is put.
    #[serde(default)]
    pub checksum: Checksum,
    /// Whether the content is part of the signature. `N` saves time where the
    /// conversation is encrypted.
    #[serde(default = "yes")]
    pub payload_signing: bool,
    /// Whether the store refuses to overwrite when it is asked to. Without the
    /// element: Amazon's does, any other is tried out.
    pub conditional_put: Option<bool>,
    /// Whether the requester pays.
    #[serde(default)]
    pub requester_pays: bool,
}

fn yes() -> bool {
    true
}

/// The element `<tags>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Tags {
    /// The tags in it.
    #[serde(default)]
    pub tag: Vec<Tag>,
}

/// A tag of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Its name: up to 128 characters.
    pub name: String,
    /// Its value: up to 256 characters.
    #[serde(default)]
    pub value: String,
}

/// How the store encrypts objects at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Encryption {
    /// With keys of the store.
    #[serde(rename = "AES256")]
    Aes256,
    /// With a key of the key management service.
    #[serde(rename = "aws:kms")]
    Kms,
    /// The same, twice.
    #[serde(rename = "aws:kms:dsse")]
    DoubleKms,
}

/// A checksum of what is put, which the store compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Checksum {
    /// CRC-64/NVME; the store keeps it for whole objects, and we compare it
    /// when they are read.
    #[default]
    #[serde(rename = "crc64nvme")]
    Crc64Nvme,
    /// SHA-256, which older stores know too.
    #[serde(rename = "sha256")]
    Sha256,
    /// None besides the signature.
    #[serde(rename = "none")]
    None,
}

impl S3Settings {
    const NAMES: [&str; 19] = [
        "bucket",
        "endpoint",
        "region",
        "path_style",
        "access_key_id",
        "password",
        "password_file",
        "password_command",
        "password_env",
        "profile",
        "profile_dir",
        "storage_class",
        "encryption",
        "kms_key_id",
        "tags",
        "checksum",
        "payload_signing",
        "conditional_put",
        "requester_pays",
    ];

    /// Where the secret of the access key comes from.
    pub(crate) fn secret(&self) -> SecretSource {
        SecretSource {
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            password_command: self.password_command.clone(),
            password_env: self.password_env.clone(),
        }
    }

    fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        if let Some(endpoint) = &self.endpoint {
            warn_of_clear_text(node, "endpoint", endpoint, found);
        }
        self.check_keys(node, found);
        let kms = matches!(self.encryption, Some(Encryption::Kms | Encryption::DoubleKms));
        if self.kms_key_id.is_some() && !kms {
            let message = "it is used with <encryption>aws:kms</encryption> only";
            found.push(wrong(node, "kms_key_id", message));
        }
        let encrypted = self.endpoint.as_ref().is_none_or(Address::is_encrypted);
        if !self.payload_signing && !encrypted {
            let message = "what is sent to http:// must be signed, or anybody could change it";
            found.push(wrong(node, "payload_signing", message));
        }
        if !self.payload_signing && self.checksum == Checksum::None {
            let message = "without a checksum, damage would not be noticed";
            found.push(wrong(node, "payload_signing", message));
        }
        check_tags(node, &self.tags, found);
    }

    fn check_keys(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        match (&self.access_key_id, check_sources(node, found)) {
            (Some(_), None) => {
                let diagnostic = wrong(node, "access_key_id", "its secret is missing");
                found.push(diagnostic.help("add <password_file>"));
            }
            (None, Some(first)) => {
                found.push(wrong(node, first, "<access_key_id> is missing, whose secret this is"));
            }
            _ => {}
        }
        if self.access_key_id.is_some() && self.profile.is_some() {
            found.push(wrong(node, "profile", "<access_key_id> takes its place"));
        }
        if self.profile_dir.as_ref().is_some_and(|it| !it.is_absolute()) {
            found.push(wrong(node, "profile_dir", "it is not an absolute path"));
        }
        let blank = |it: &String| it.is_empty() || it.chars().any(char::is_whitespace);
        if self.access_key_id.as_ref().is_some_and(blank) {
            found.push(wrong(node, "access_key_id", "an access key has no blanks"));
        }
    }
}

impl Configuration for S3Config {
    fn decode(node: &Node) -> Decoded<Self> {
        let (common, own, mut diagnostics) =
            split::decode::<Common, S3Settings>(node, &Common::NAMES, &S3Settings::NAMES);
        if let Some(common) = &common {
            common.check(node, &mut diagnostics);
        }
        if let Some(own) = &own {
            own.check(node, &mut diagnostics);
        }
        let failed = diagnostics.iter().any(Diagnostic::is_error);
        let value = common.zip(own).map(|(common, own)| Self { common, own });
        Decoded { value: value.filter(|_| !failed), diagnostics }
    }
}
