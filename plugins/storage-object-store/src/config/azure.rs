//! The elements of the type `azure`.

use std::path::PathBuf;

use hayloft_plugin_api::{
    Configuration, Diagnostic, Node,
    config::{Decoded, Secret, SecretSource},
};
use serde::Deserialize;

use super::{
    common::{Common, check_file, check_sources, check_tags, warn_of_clear_text, wrong},
    s3::Tags,
    split,
    value::{Address, Name},
};

/// Where and how objects are kept in Azure Blob Storage.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// What all types of storage share.
    pub common: Common,
    /// The elements of this type.
    pub own: AzureSettings,
}

/// The elements of `azure` alone.
#[derive(Debug, Clone, Deserialize)]
pub struct AzureSettings {
    /// The storage account.
    pub account: Name,
    /// The container; it must exist.
    pub container: Name,
    /// Where the account is: Azure's public cloud if it is not given.
    pub endpoint: Option<Address>,
    /// What the secret is, or who is asked for one. Without the element: an
    /// access key if there is a secret, else what the environment says.
    pub authentication: Option<Authentication>,
    /// Whose secret it is, for `client_secret` and `workload_identity`; which
    /// identity of the machine, for `managed_identity`.
    pub client_id: Option<Name>,
    /// The directory that knows the client.
    pub tenant_id: Option<Name>,
    /// The file with the token of a workload; that of `AZURE_FEDERATED_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// Who gives tokens for secrets, in clouds that are not the public one.
    pub authority: Option<Address>,
    /// The access key, the shared access signature or the secret of the client.
    pub password: Option<Secret>,
    /// A file with it.
    pub password_file: Option<PathBuf>,
    /// A program that prints it.
    pub password_command: Option<String>,
    /// An environment variable with it.
    pub password_env: Option<String>,
    /// The access tier of new objects.
    pub access_tier: Option<AccessTier>,
    /// The encryption scope of new objects.
    pub encryption_scope: Option<Name>,
    /// Tags of new objects.
    #[serde(default)]
    pub tags: Tags,
    /// Whether the store refuses to overwrite when it is asked to. Without the
    /// element: Azure's own does, any other is tried out.
    pub conditional_put: Option<bool>,
}

/// How we show who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Authentication {
    /// With a key of the account.
    #[serde(rename = "access_key")]
    AccessKey,
    /// With a shared access signature.
    #[serde(rename = "sas")]
    Sas,
    /// As an application, with its secret.
    #[serde(rename = "client_secret")]
    ClientSecret,
    /// As a workload, with a token that somebody renews in a file.
    #[serde(rename = "workload_identity")]
    WorkloadIdentity,
    /// As the machine that this is.
    #[serde(rename = "managed_identity")]
    ManagedIdentity,
}

impl Authentication {
    /// Tells whether a secret belongs to it.
    pub(crate) fn takes_secret(self) -> bool {
        matches!(self, Self::AccessKey | Self::Sas | Self::ClientSecret)
    }
}

/// How fast and how dear reading an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AccessTier {
    /// Read often.
    Hot,
    /// Read seldom.
    Cool,
    /// Read more seldom.
    Cold,
}

impl AccessTier {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "Hot",
            Self::Cool => "Cool",
            Self::Cold => "Cold",
        }
    }
}

impl AzureSettings {
    const NAMES: [&str; 16] = [
        "account",
        "container",
        "endpoint",
        "authentication",
        "client_id",
        "tenant_id",
        "token_file",
        "authority",
        "password",
        "password_file",
        "password_command",
        "password_env",
        "access_tier",
        "encryption_scope",
        "tags",
        "conditional_put",
    ];

    /// Where the secret comes from.
    pub(crate) fn secret(&self) -> SecretSource {
        SecretSource {
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            password_command: self.password_command.clone(),
            password_env: self.password_env.clone(),
        }
    }

    fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        for (element, address) in [("endpoint", &self.endpoint), ("authority", &self.authority)] {
            if let Some(address) = address {
                warn_of_clear_text(node, element, address, found);
            }
        }
        self.check_names(node, found);
        self.check_keys(node, found);
        check_file(node, "token_file", self.token_file.as_ref(), found);
        check_tags(node, &self.tags, found);
    }

    fn check_names(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let account = self.account.as_str();
        if !(3..=24).contains(&account.len()) || !account.chars().all(lower) {
            let message =
                format!("`{account}` is no account: 3 to 24 lower-case letters and digits");
            found.push(wrong(node, "account", message));
        }
        let container = self.container.as_str();
        let plain = container.chars().all(|c| lower(c) || c == '-')
            && !container.starts_with('-')
            && !container.ends_with('-')
            && !container.contains("--");
        let special = matches!(container, "$root" | "$web");
        if !special && (!(3..=63).contains(&container.len()) || !plain) {
            let message = format!(
                "`{container}` is no container: 3 to 63 lower-case letters, digits and single `-`"
            );
            found.push(wrong(node, "container", message));
        }
    }

    fn check_keys(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        let secret = check_sources(node, found);
        let way = self.authentication;
        let takes = way.is_none_or(Authentication::takes_secret);
        match secret {
            Some(element) if !takes => {
                found.push(wrong(node, element, "this <authentication> takes no secret"));
            }
            None if way.is_some_and(Authentication::takes_secret) => {
                let diagnostic = wrong(node, "authentication", "its secret is missing");
                found.push(diagnostic.help("add <password_file>"));
            }
            _ => {}
        }
        let client =
            matches!(way, Some(Authentication::ClientSecret | Authentication::WorkloadIdentity));
        let missing = [("client_id", &self.client_id), ("tenant_id", &self.tenant_id)];
        for (element, _) in missing.iter().filter(|it| it.1.is_none()) {
            // The environment of a workload says both.
            if way == Some(Authentication::ClientSecret) {
                let message = format!("<{element}> is missing");
                found.push(wrong(node, "authentication", message));
            }
        }
        let managed = way == Some(Authentication::ManagedIdentity);
        let unused = [
            ("client_id", self.client_id.is_some() && !client && !managed),
            ("tenant_id", self.tenant_id.is_some() && !client),
            ("authority", self.authority.is_some() && !client),
            (
                "token_file",
                self.token_file.is_some() && way != Some(Authentication::WorkloadIdentity),
            ),
        ];
        for (element, _) in unused.iter().filter(|it| it.1) {
            let message = "it is used with another <authentication> only";
            found.push(wrong(node, element, message));
        }
    }
}

impl Configuration for AzureConfig {
    fn decode(node: &Node) -> Decoded<Self> {
        let (common, own, mut diagnostics) =
            split::decode::<Common, AzureSettings>(node, &Common::NAMES, &AzureSettings::NAMES);
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
