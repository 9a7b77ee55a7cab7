//! Where the store is if the configuration does not say so: as Amazon's own
//! programs are told, see "service-specific endpoints" in their manual.

use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{Variables, profile::Profile};
use crate::config::Address;

/// Variables with the address, the one that counts more first.
const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
/// A variable and a setting by which nothing of this counts.
const IGNORED: (&str, &str) =
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");

/// Returns what a variable says.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if it has no address.
pub(super) fn of_environment(variable: Variables<'_>) -> Result<Option<Address>> {
    if is_yes(variable(IGNORED.0).as_deref()) {
        return Ok(None);
    }
    let found = VARIABLES.into_iter().find_map(|it| Some((it, variable(it)?)));
    found.map(|(name, text)| address(&text, &format!("the variable {name}"))).transpose()
}

/// Returns what a profile says: the services that it names, then itself.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if it has no address.
pub(super) fn of_profile(
    profile: &Profile<'_>,
    variable: Variables<'_>,
) -> Result<Option<Address>> {
    if is_yes(variable(IGNORED.0).or_else(|| profile.setting(IGNORED.1)).as_deref()) {
        return Ok(None);
    }
    let found = profile.service("s3", "endpoint_url").or_else(|| profile.setting("endpoint_url"));
    let place = || format!("`endpoint_url` of the profile {}", profile.name());
    found.map(|text| address(&text, &place())).transpose()
}

fn is_yes(text: Option<&str>) -> bool {
    text.is_some_and(|it| it.eq_ignore_ascii_case("true"))
}

fn address(text: &str, place: &str) -> Result<Address> {
    text.parse().map_err(|message: String| {
        Error::new(ErrorKind::CONFIGURATION, message)
            .context(format!("{place} does not say where the store is"))
            .hint("correct it, or give the storage an <endpoint>")
    })
}
