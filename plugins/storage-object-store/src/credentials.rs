//! Who we are: the chain of places that Amazon's own programs look in.

mod endpoint;
mod profile;

use std::{
    env,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use hayloft_plugin_api::{Error, ErrorKind, Result, config::Secret};
use object_store::{
    CredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential},
};

use self::{
    endpoint::Service,
    profile::{Profile, Profiles},
};
use crate::config::{Address, S3Settings};

/// Where keys come from, and what was found with them.
#[derive(Debug)]
pub(crate) struct Access {
    keys: Keys,
    /// The region of the environment or the profile.
    pub(crate) region: Option<String>,
    /// Where the store is, as the configuration, the environment or the
    /// profile says; nobody says it if it is Amazon's.
    pub(crate) endpoint: Option<Address>,
    /// Certificates that the environment or the profile names.
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug)]
enum Keys {
    /// Until the store says that they have expired.
    Fixed { id: String, secret: Secret, token: Option<Secret> },
    WebIdentity {
        token_file: PathBuf,
        role: String,
        session: Option<String>,
        /// Who gives keys for the token, if not Amazon.
        giver: Option<Address>,
    },
    /// A container, or the instance: `object_store` knows how to ask.
    Surroundings,
}

/// Finds keys, in this order: the configuration, the environment, profile
/// files, web identity, container, instance. With keys of the configuration,
/// profile files do not count at all.
///
/// # Errors
///
/// If what is configured cannot be read; never if nothing is.
pub(crate) fn find(own: &S3Settings) -> Result<Access> {
    let variable = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
    find_in(own, &variable)
}

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn find_in(own: &S3Settings, variable: Variables<'_>) -> Result<Access> {
    let mut access = Access {
        keys: Keys::Surroundings,
        region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
        endpoint: own.endpoint.clone(),
        ca_file: variable("AWS_CA_BUNDLE").map(PathBuf::from),
    };
    if access.endpoint.is_none() {
        access.endpoint = endpoint::of_environment(Service::S3, variable)?;
    }
    if let Some(keys) = keys_of_configuration(own)? {
        access.keys = keys;
        return Ok(access);
    }
    let name = own.profile.clone().or_else(|| variable("AWS_PROFILE"));
    let profiles = Profiles::read(own.profile_dir.as_deref(), variable)?;
    let profile = profiles.get(name.as_deref().unwrap_or("default"));
    if let Some(profile) = &profile {
        access.complete(profile, variable)?;
    }
    if own.profile.is_none()
        && let Some(keys) = keys_of_environment(variable)
    {
        access.keys = keys;
        return Ok(access);
    }
    let keys = match (&profile, &name) {
        (None, Some(name)) => return Err(profiles.missing(name)),
        (Some(profile), _) => profile.keys()?,
        (None, None) => None,
    };
    if let Some(keys) = keys.or_else(|| web_identity(variable)) {
        access.keys = keys;
    }
    if let Keys::WebIdentity { giver, .. } = &mut access.keys {
        *giver = endpoint::of_environment(Service::Sts, variable)?;
        if let (None, Some(profile)) = (&giver, &profile) {
            *giver = endpoint::of_profile(Service::Sts, profile, variable)?;
        }
    }
    Ok(access)
}

fn keys_of_configuration(own: &S3Settings) -> Result<Option<Keys>> {
    let Some(id) = own.access_key_id.clone() else { return Ok(None) };
    let secret = own.secret().resolve()?.ok_or_else(|| {
        let message = format!("the secret of access key {id} is missing");
        Error::new(ErrorKind::CONFIGURATION, message)
    })?;
    Ok(Some(Keys::Fixed { id, secret, token: None }))
}

fn keys_of_environment(variable: Variables<'_>) -> Option<Keys> {
    let id = variable("AWS_ACCESS_KEY_ID")?;
    let secret = Secret::new(variable("AWS_SECRET_ACCESS_KEY")?);
    let token = variable("AWS_SESSION_TOKEN").map(Secret::new);
    Some(Keys::Fixed { id, secret, token })
}

fn web_identity(variable: Variables<'_>) -> Option<Keys> {
    let token_file = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?.into();
    let (role, session) = (variable("AWS_ROLE_ARN")?, variable("AWS_ROLE_SESSION_NAME"));
    Some(Keys::WebIdentity { token_file, role, session, giver: None })
}

/// Variables that say where surroundings are asked.
const SURROUNDINGS: [(&str, AmazonS3ConfigKey); 4] = [
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
];

/// Keys that somebody may put in the place of those that have expired.
#[derive(Debug)]
pub(crate) struct Renewed {
    own: S3Settings,
    now: RwLock<Arc<AwsCredential>>,
}

impl Renewed {
    /// Reads the keys again; tells whether they are others.
    pub(crate) fn renew(&self) -> bool {
        let Ok(Access { keys: Keys::Fixed { id, secret, token }, .. }) = find(&self.own) else {
            return false;
        };
        let found = credential(id, &secret, token.as_ref());
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let other = **now != found;
        if other {
            tracing::info!("the keys have expired; there are others now");
            *now = Arc::new(found);
        }
        other
    }
}

#[async_trait]
impl CredentialProvider for Renewed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn credential(id: String, secret: &Secret, token: Option<&Secret>) -> AwsCredential {
    AwsCredential {
        key_id: id,
        secret_key: secret.expose().to_owned(),
        token: token.map(|it| it.expose().to_owned()),
    }
}

impl Access {
    /// Takes from the profile what the environment does not say.
    fn complete(&mut self, profile: &Profile<'_>, variable: Variables<'_>) -> Result<()> {
        if self.region.is_none() {
            self.region = profile.setting("region");
        }
        if self.endpoint.is_none() {
            self.endpoint = endpoint::of_profile(Service::S3, profile, variable)?;
        }
        if self.ca_file.is_none() {
            self.ca_file = profile.setting("ca_bundle").map(PathBuf::from);
        }
        Ok(())
    }

    /// Tells `object_store`; returns the keys if they can be read again.
    pub(crate) fn apply(
        self,
        builder: AmazonS3Builder,
        own: &S3Settings,
    ) -> (AmazonS3Builder, Option<Arc<Renewed>>) {
        let builder = match self.keys {
            Keys::Fixed { id, secret, token } => {
                let now = RwLock::new(Arc::new(credential(id, &secret, token.as_ref())));
                let keys = Arc::new(Renewed { own: own.clone(), now });
                return (builder.with_credentials(Arc::clone(&keys) as _), Some(keys));
            }
            Keys::WebIdentity { token_file, role, session, giver } => {
                let file = token_file.to_string_lossy().into_owned();
                let giver = giver.map(|it| it.as_str().to_owned());
                let settings = [
                    (AmazonS3ConfigKey::WebIdentityTokenFile, Some(file)),
                    (AmazonS3ConfigKey::RoleArn, Some(role)),
                    (AmazonS3ConfigKey::RoleSessionName, session),
                    (AmazonS3ConfigKey::StsEndpoint, giver),
                ];
                let told = settings.into_iter().filter_map(|(key, value)| Some((key, value?)));
                told.fold(builder, |it, (key, value)| it.with_config(key, value))
            }
            Keys::Surroundings => with_variables(builder),
        };
        (builder, None)
    }
}

/// Tells `object_store` what variables say of the surroundings.
fn with_variables(builder: AmazonS3Builder) -> AmazonS3Builder {
    SURROUNDINGS.into_iter().fold(builder, |it, (name, key)| {
        match env::var(name).ok().filter(|it| !it.is_empty()) {
            Some(value) => it.with_config(key, value),
            None => it,
        }
    })
}

#[cfg(test)]
mod tests;
