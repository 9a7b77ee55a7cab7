//! The elements of the type `http`.

use std::path::PathBuf;

use hayloft_plugin_api::{
    Configuration, Diagnostic, Node,
    config::{Decoded, Secret, SecretSource},
};
use serde::Deserialize;

use super::{
    common::{Common, check_sources, warn_of_clear_text, wrong},
    split,
    value::Address,
};

/// Where and how objects are kept on a WebDAV server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// What all types of storage share.
    pub common: Common,
    /// The elements of this type.
    pub own: HttpSettings,
}

/// The elements of `http` alone.
#[derive(Debug, Clone, Deserialize)]
pub struct HttpSettings {
    /// The directory on the server; it must exist.
    pub url: Address,
    /// Who we are; nobody if it is not given.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A file with it.
    pub password_file: Option<PathBuf>,
    /// A program that prints it.
    pub password_command: Option<String>,
    /// An environment variable with it.
    pub password_env: Option<String>,
}

impl HttpSettings {
    const NAMES: [&str; 6] =
        ["url", "user", "password", "password_file", "password_command", "password_env"];

    /// Where the password comes from.
    pub(crate) fn secret(&self) -> SecretSource {
        SecretSource {
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            password_command: self.password_command.clone(),
            password_env: self.password_env.clone(),
        }
    }

    fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        warn_of_clear_text(node, "url", &self.url, found);
        match (&self.user, check_sources(node, found)) {
            (Some(_), None) => {
                let diagnostic = wrong(node, "user", "the password is missing");
                found.push(diagnostic.help("add <password_file>"));
            }
            (None, Some(element)) => {
                found.push(wrong(node, element, "<user> is missing, whose password this is"));
            }
            _ => {}
        }
        let bad =
            |it: &String| it.is_empty() || it.contains(':') || it.chars().any(char::is_control);
        if self.user.as_ref().is_some_and(bad) {
            found.push(wrong(node, "user", "a name is not empty and has no `:` in it"));
        }
    }
}

impl Configuration for HttpConfig {
    fn decode(node: &Node) -> Decoded<Self> {
        let (common, own, mut diagnostics) =
            split::decode::<Common, HttpSettings>(node, &Common::NAMES, &HttpSettings::NAMES);
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
