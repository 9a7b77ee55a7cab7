//! How requests are made, for all types of storage.

use std::{fs, path::Path};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use http::{HeaderMap, HeaderValue};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use crate::config::Common;

/// We ask again ourselves, and sign anew each time.
pub(crate) fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

/// Returns a client for what is sent as a stream, which `object_store`'s
/// cannot.
///
/// # Errors
///
/// If the certificates cannot be read.
pub(crate) fn streaming(common: &Common, headers: HeaderMap) -> Result<reqwest::Client> {
    let failed = |e: reqwest::Error| Error::msg(format!("cannot make a client: {e}"));
    let mut builder = reqwest::Client::builder()
        .user_agent(NAME)
        .default_headers(headers)
        .connect_timeout(common.connect_timeout.get())
        .redirect(reqwest::redirect::Policy::none());
    if let Some(proxy) = &common.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(failed)?);
    }
    if let Some(file) = &common.ca_file {
        let certificates = reqwest::Certificate::from_pem_bundle(&pem(file)?);
        for certificate in certificates.map_err(failed)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(failed)
}

fn pem(file: &Path) -> Result<Vec<u8>> {
    let shown = file.display();
    let failed = |e| Error::from(e).context(format!("cannot read the certificates {shown}"));
    fs::read(file)
        .map_err(|e| failed(e).hint("correct <ca_file>, or AWS_CA_BUNDLE where that counts"))
}

const NAME: &str = concat!("hayloft/", env!("CARGO_PKG_VERSION"));

/// Returns the settings of the client.
///
/// # Errors
///
/// If the certificates cannot be read.
pub(crate) fn client(common: &Common, encrypted: bool) -> Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(NAME))
        .with_allow_http(!encrypted)
        .with_timeout(common.timeout())
        .with_connect_timeout(common.connect_timeout.get());
    if let Some(proxy) = &common.proxy {
        options = options.with_proxy_url(proxy.as_str());
    }
    if let Some(file) = &common.ca_file {
        let shown = file.display();
        let certificates = Certificate::from_pem_bundle(&pem(file)?)
            .map_err(|e| Error::msg(format!("{shown}: {e}")))
            .and_then(|it| {
                let message = format!("{shown} has no certificates in PEM");
                let none = || Error::new(ErrorKind::CONFIGURATION, message);
                if it.is_empty() { Err(none()) } else { Ok(it) }
            })?;
        for certificate in certificates {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}
