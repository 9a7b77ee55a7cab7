//! Who we are: what is configured, then what Azure's own programs look at.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use hayloft_plugin_api::{Error, ErrorKind, Result, config::Secret};
use object_store::{
    CredentialProvider,
    azure::{AzureAccessKey, AzureCredential, MicrosoftAzureBuilder, split_sas},
};

use crate::config::{Authentication, AzureSettings};

/// Reads a variable of the environment that is not empty.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How we show who we are, with all that it takes.
#[derive(Debug)]
pub(super) enum Access {
    Key(Secret),
    Sas(Secret),
    Client { client: String, tenant: String, secret: Secret, authority: Option<String> },
    Workload { client: String, tenant: String, file: String, authority: Option<String> },
    Machine { client: Option<String>, endpoint: Option<String> },
}

/// Finds out who we are.
///
/// # Errors
///
/// If what is configured cannot be read or is not whole.
pub(super) fn find(own: &AzureSettings) -> Result<Access> {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    find_in(own, &variable)
}

fn find_in(own: &AzureSettings, variable: Variables<'_>) -> Result<Access> {
    let secret = own.secret().resolve()?;
    let authority = own.authority.as_ref().map(|it| it.as_str().to_owned());
    let authority = authority.or_else(|| variable("AZURE_AUTHORITY_HOST"));
    let name = |own: &Option<crate::config::Name>, other: &str| {
        own.as_ref().map(|it| it.as_str().to_owned()).or_else(|| variable(other))
    };
    let client = name(&own.client_id, "AZURE_CLIENT_ID");
    let tenant = name(&own.tenant_id, "AZURE_TENANT_ID");
    let token = own.token_file.as_ref().map(|it| it.to_string_lossy().into_owned());
    let token = token.or_else(|| variable("AZURE_FEDERATED_TOKEN_FILE"));
    let machine = |client| Access::Machine { client, endpoint: variable("IDENTITY_ENDPOINT") };
    match (own.authentication, secret) {
        (None | Some(Authentication::AccessKey), Some(key)) => Ok(Access::Key(key)),
        (Some(Authentication::Sas), Some(sas)) => Ok(Access::Sas(sas)),
        (Some(Authentication::ClientSecret), Some(secret)) => match (client, tenant) {
            (Some(client), Some(tenant)) => {
                Ok(Access::Client { client, tenant, secret, authority })
            }
            _ => Err(missing("<client_id> and <tenant_id>")),
        },
        (Some(Authentication::WorkloadIdentity), _) => match (client, tenant, token) {
            (Some(client), Some(tenant), Some(file)) => {
                Ok(Access::Workload { client, tenant, file, authority })
            }
            _ => Err(missing("<client_id>, <tenant_id> and <token_file>")),
        },
        (Some(Authentication::ManagedIdentity), _) => {
            Ok(machine(own.client_id.as_ref().map(|it| it.as_str().to_owned())))
        }
        (Some(_), None) => Err(missing("<password_file>")),
        (None, None) => Ok(from_environment(client, tenant, token, authority, variable)
            .unwrap_or_else(|| machine(variable("AZURE_CLIENT_ID")))),
    }
}

fn from_environment(
    client: Option<String>,
    tenant: Option<String>,
    token: Option<String>,
    authority: Option<String>,
    variable: Variables<'_>,
) -> Option<Access> {
    if let Some(key) = variable("AZURE_STORAGE_KEY") {
        return Some(Access::Key(Secret::new(key)));
    }
    if let Some(sas) = variable("AZURE_STORAGE_SAS_TOKEN") {
        return Some(Access::Sas(Secret::new(sas)));
    }
    let (client, tenant) = client.zip(tenant)?;
    if let Some(secret) = variable("AZURE_CLIENT_SECRET").map(Secret::new) {
        return Some(Access::Client { client, tenant, secret, authority });
    }
    token.map(|file| Access::Workload { client, tenant, file, authority })
}

fn missing(what: &str) -> Error {
    let message = format!("for this <authentication>, {what} must be given");
    Error::new(ErrorKind::CONFIGURATION, message)
        .hint("add them, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE")
}

/// A secret that somebody may put in the place of one that has expired.
pub(super) struct Renewed {
    own: AzureSettings,
    now: RwLock<Arc<AzureCredential>>,
}

/// Without the secret, which the library would show.
impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").finish_non_exhaustive()
    }
}

impl Renewed {
    fn new(own: &AzureSettings, credential: AzureCredential) -> Arc<Self> {
        Arc::new(Self { own: own.clone(), now: RwLock::new(Arc::new(credential)) })
    }

    /// Reads the secret again; tells whether it is another.
    pub(super) fn renew(&self) -> bool {
        let found = find(&self.own).and_then(|it| it.fixed());
        let Ok(Some(found)) = found else { return false };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let other = **now != found;
        if other {
            tracing::info!("the secret has expired; there is another one now");
            *now = Arc::new(found);
        }
        other
    }
}

#[async_trait]
impl CredentialProvider for Renewed {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        Ok(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Access {
    /// Returns the credential, if it is one that nobody has to be asked for.
    fn fixed(&self) -> Result<Option<AzureCredential>> {
        match self {
            Self::Key(key) => {
                let key = AzureAccessKey::try_new(key.expose().trim());
                let key = key.map_err(|_| unreadable("the access key is not in base64"))?;
                Ok(Some(AzureCredential::AccessKey(key)))
            }
            Self::Sas(sas) => {
                let pairs = split_sas(sas.expose().trim().trim_start_matches('?'))
                    .ok()
                    .filter(|it| it.iter().any(|pair| pair.0 == "sig"))
                    .ok_or_else(|| unreadable("the shared access signature has no `sig=`"))?;
                Ok(Some(AzureCredential::SASToken(pairs)))
            }
            _ => Ok(None),
        }
    }

    /// Tells `object_store`; returns the secret if it can be read again.
    ///
    /// # Errors
    ///
    /// If a secret is no such secret.
    pub(super) fn apply(
        self,
        builder: MicrosoftAzureBuilder,
        own: &AzureSettings,
    ) -> Result<(MicrosoftAzureBuilder, Option<Arc<Renewed>>)> {
        if let Some(credential) = self.fixed()? {
            let renewed = Renewed::new(own, credential);
            return Ok((builder.with_credentials(Arc::clone(&renewed) as _), Some(renewed)));
        }
        let at = |builder: MicrosoftAzureBuilder, authority: Option<String>| match authority {
            Some(it) => builder.with_authority_host(it.trim_end_matches('/')),
            None => builder,
        };
        let builder = match self {
            Self::Key(_) | Self::Sas(_) => builder,
            Self::Client { client, tenant, secret, authority } => at(builder, authority)
                .with_client_secret_authorization(client, secret.expose(), tenant)
                .with_credential_type("client_secret"),
            Self::Workload { client, tenant, file, authority } => at(builder, authority)
                .with_client_id(client)
                .with_tenant_id(tenant)
                .with_federated_token_file(file)
                .with_credential_type("workload_identity"),
            Self::Machine { client, endpoint } => {
                let builder = builder.with_credential_type("managed_identity");
                let builder =
                    client.into_iter().fold(builder, MicrosoftAzureBuilder::with_client_id);
                endpoint.into_iter().fold(builder, MicrosoftAzureBuilder::with_msi_endpoint)
            }
        };
        Ok((builder, None))
    }
}

fn unreadable(message: &str) -> Error {
    Error::new(ErrorKind::CONFIGURATION, message)
        .hint("<authentication> says what the secret is: access_key, sas or client_secret")
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::{config::decode, conformance::Section};

    use super::*;
    use crate::config::AzureConfig;

    fn found(more: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
        let section = Section::new("storage").set("account", "acc").set("container", "con");
        let section = more.iter().fold(section, |it, (name, value)| it.set(name, value));
        let config: AzureConfig = decode(section.node()).unwrap();
        let variable =
            |name: &str| environment.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        match find_in(&config.own, &variable) {
            Ok(access) => format!("{access:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_configuration_comes_before_the_environment_and_the_machine_last() {
        let environment = [("AZURE_STORAGE_KEY", "x"), ("AZURE_CLIENT_ID", "me")];
        let workload = [
            ("AZURE_CLIENT_ID", "me"),
            ("AZURE_TENANT_ID", "us"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
        ];
        let sas = [("password", "sig=1"), ("authentication", "sas")];
        let cases = [
            (found(&[("password", "k")], &environment), "Key(Secret(…))"),
            (found(&sas, &environment), "Sas(Secret(…))"),
            (found(&[], &environment), "Key(Secret(…))"),
            (found(&[], &[("AZURE_STORAGE_SAS_TOKEN", "?sig=1")]), "Sas(Secret(…))"),
            (found(&[], &workload), "file: \"/token\""),
            (found(&[("authentication", "workload_identity")], &workload), "file: \"/token\""),
            (found(&[("authentication", "workload_identity")], &[]), "<token_file> must be given"),
            (found(&[("authentication", "managed_identity")], &environment), "client: None"),
            (found(&[], &[]), "Machine { client: None"),
        ];
        for (text, expected) in cases {
            assert!(text.contains(expected), "{text}, not {expected}");
        }
    }
}
