//! The elements of the type `gcs`.

use std::path::PathBuf;

use hayloft_plugin_api::{Configuration, Diagnostic, Node, config::Decoded};
use serde::Deserialize;

use super::{
    common::{Common, check_file, warn_of_clear_text, wrong},
    split,
    value::{Address, Name},
};

/// Where and how objects are kept in Google Cloud Storage.
#[derive(Debug, Clone)]
pub struct GcsConfig {
    /// What all types of storage share.
    pub common: Common,
    /// The elements of this type.
    pub own: GcsSettings,
}

/// The elements of `gcs` alone.
#[derive(Debug, Clone, Deserialize)]
pub struct GcsSettings {
    /// The bucket; it must exist.
    pub bucket: Name,
    /// Where the store is; Google's if it is not given.
    pub endpoint: Option<Address>,
    /// How we show who we are. Without the element: as a service account if
    /// there is a file of one, else what the environment says.
    pub authentication: Option<GoogleAuthentication>,
    /// The file with the key of a service account, or with the credentials of
    /// a workload.
    pub credentials_file: Option<PathBuf>,
    /// The storage class of new objects, such as `NEARLINE`.
    pub storage_class: Option<Name>,
    /// Whether the store keeps conditions. Without the element: Google's does,
    /// any other is tried out.
    pub conditional_put: Option<bool>,
}

/// How we show who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum GoogleAuthentication {
    /// As a service account, with its key in a file.
    #[serde(rename = "service_account")]
    ServiceAccount,
    /// As the machine or the workload that this is: its metadata server is
    /// asked.
    #[serde(rename = "metadata")]
    Metadata,
    /// Not at all, as tests need it.
    #[serde(rename = "none")]
    None,
}

impl GcsSettings {
    const NAMES: [&str; 6] = [
        "bucket",
        "endpoint",
        "authentication",
        "credentials_file",
        "storage_class",
        "conditional_put",
    ];

    fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        if let Some(endpoint) = &self.endpoint {
            warn_of_clear_text(node, "endpoint", endpoint, found);
        }
        check_file(node, "credentials_file", self.credentials_file.as_ref(), found);
        let service = self.authentication == Some(GoogleAuthentication::ServiceAccount);
        if service && self.credentials_file.is_none() {
            let diagnostic = wrong(node, "authentication", "the file with its key is missing");
            found.push(diagnostic.help("add <credentials_file>"));
        }
        if self.authentication.is_some() && !service && self.credentials_file.is_some() {
            let message = "this <authentication> takes no file";
            found.push(wrong(node, "credentials_file", message));
        }
        let google = self.endpoint.is_none();
        if google && self.authentication == Some(GoogleAuthentication::None) {
            let message = "Google's own store wants to know who we are";
            found.push(wrong(node, "authentication", message));
        }
    }
}

impl Configuration for GcsConfig {
    fn decode(node: &Node) -> Decoded<Self> {
        let (common, own, mut diagnostics) =
            split::decode::<Common, GcsSettings>(node, &Common::NAMES, &GcsSettings::NAMES);
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
