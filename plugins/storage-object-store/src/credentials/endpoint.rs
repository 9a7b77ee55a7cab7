//! Where the store is if the configuration does not say so, and who gives keys:
//! as Amazon's own programs are told, see "service-specific endpoints" in their manual.

use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{Variables, profile::Profile};
use crate::config::Address;

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service {
    /// The store.
    S3,
    /// Whoever gives keys for a token.
    Sts,
}

impl Service {
    /// Variables with the address, the one that counts more first.
    fn variables(self) -> [&'static str; 2] {
        let own = match self {
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        };
        [own, "AWS_ENDPOINT_URL"]
    }

    fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::S3 => "the store is",
            Self::Sts => "keys are given for a token",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::S3 => "correct it, or give the storage an <endpoint>",
            Self::Sts => "name who exchanges it, with https://, in AWS_ENDPOINT_URL_STS",
        }
    }
}

/// A variable and a setting by which nothing of this counts.
const IGNORED: (&str, &str) =
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");

/// Returns what a variable says.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if it has no address.
pub(super) fn of_environment(service: Service, variable: Variables<'_>) -> Result<Option<Address>> {
    if is_yes(variable(IGNORED.0).as_deref()) {
        return Ok(None);
    }
    let found = service.variables().into_iter().find_map(|it| Some((it, variable(it)?)));
    found.map(|(name, text)| address(service, &text, &format!("the variable {name}"))).transpose()
}

/// Returns what a profile says: the services that it names, then itself.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if it has no address.
pub(super) fn of_profile(
    service: Service,
    profile: &Profile<'_>,
    variable: Variables<'_>,
) -> Result<Option<Address>> {
    if is_yes(variable(IGNORED.0).or_else(|| profile.setting(IGNORED.1)).as_deref()) {
        return Ok(None);
    }
    let own = profile.service(service.name(), "endpoint_url");
    let found = own.or_else(|| profile.setting("endpoint_url"));
    let place = || format!("`endpoint_url` of the profile {}", profile.name());
    found.map(|text| address(service, &text, &place())).transpose()
}

fn is_yes(text: Option<&str>) -> bool {
    text.is_some_and(|it| it.eq_ignore_ascii_case("true"))
}

fn address(service: Service, text: &str, place: &str) -> Result<Address> {
    let found = text.parse().and_then(|address: Address| match service {
        Service::Sts if !address.is_encrypted() => Err(format!(
            "{text} is not encrypted, and a token goes nowhere where others can read it"
        )),
        _ => Ok(address),
    });
    found.map_err(|message: String| {
        Error::new(ErrorKind::CONFIGURATION, message)
            .context(format!("{place} does not say where {}", service.what()))
            .hint(service.remedy())
    })
}
