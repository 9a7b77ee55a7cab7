//! The files `~/.aws/config` and `~/.aws/credentials`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result, config::Secret};
use ini::{Ini, ParseOption, Properties};

use super::{Keys, Variables};

/// Both files, as far as they are there.
#[derive(Debug)]
pub(super) struct Profiles {
    config: (PathBuf, Ini),
    credentials: (PathBuf, Ini),
}

impl Profiles {
    /// Reads both files, from `directory` or from `~/.aws`; one that is not
    /// there is empty.
    ///
    /// # Errors
    ///
    /// If one is there and cannot be read.
    pub(super) fn read(directory: Option<&Path>, variable: Variables<'_>) -> Result<Self> {
        let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".aws");
        let home = directory.map_or_else(home, Path::to_path_buf);
        let file = |name: &str, usual: &str| {
            let path = variable(name).map_or_else(|| home.join(usual), PathBuf::from);
            load(path)
        };
        Ok(Self {
            config: file("AWS_CONFIG_FILE", "config")?,
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
        })
    }

    /// Returns a profile, if either file has it.
    pub(super) fn get<'a>(&'a self, name: &str) -> Option<Profile<'a>> {
        let named = format!("profile {name}");
        let config = self.config.1.section(Some(named));
        let plain = || self.config.1.section(Some(name)).filter(|_| name == "default");
        let config = config.or_else(plain);
        let credentials = self.credentials.1.section(Some(name));
        let services = config.and_then(|it| lookup(it, None, "services"));
        let services =
            services.and_then(|it| self.config.1.section(Some(format!("services {it}"))));
        let name = name.to_owned();
        (config.is_some() || credentials.is_some()).then_some(Profile {
            name,
            config,
            credentials,
            services,
        })
    }

    /// Says that a profile that was asked for is not there.
    pub(super) fn missing(&self, name: &str) -> Error {
        let (config, credentials) = (self.config.0.display(), self.credentials.0.display());
        let message = format!("there is no profile {name} in {config} and {credentials}");
        Error::new(ErrorKind::CONFIGURATION, message)
            .hint("correct <profile>, or set AWS_CONFIG_FILE: cron may have another HOME")
    }
}

fn load(path: PathBuf) -> Result<(PathBuf, Ini)> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => {
            return Err(Error::from(e).context(format!("cannot read {}", path.display())));
        }
    };
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_preserve_key_leading_whitespace: true,
        ..ParseOption::default()
    };
    // The parser shows what it stumbles over, and that may be a secret.
    let ini = Ini::load_from_str_opt(&text, options)
        .map_err(|e| Error::msg(format!("{}:{}: this is no INI file", path.display(), e.line)))?;
    Ok((path, ini))
}

/// Returns a setting of a section that is not empty. What is indented below a
/// setting without a value belongs to that one.
fn lookup<'a>(section: &'a Properties, below: Option<&str>, name: &str) -> Option<&'a str> {
    let mut above = None;
    for (key, value) in section {
        let (indented, key, value) = (key.starts_with([' ', '\t']), key.trim(), value.trim());
        if !indented {
            above = value.is_empty().then_some(key);
        }
        let place = above.filter(|_| indented);
        if place == below && key == name && !value.is_empty() {
            return Some(value);
        }
    }
    None
}

/// A profile of either file or of both.
#[derive(Debug)]
pub(super) struct Profile<'a> {
    name: String,
    config: Option<&'a Properties>,
    credentials: Option<&'a Properties>,
    services: Option<&'a Properties>,
}

impl Profile<'_> {
    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns a setting of one of Amazon's services.
    pub(super) fn service(&self, service: &str, name: &str) -> Option<String> {
        lookup(self.services?, Some(service), name).map(str::to_owned)
    }

    /// Returns a setting; the file of credentials comes first.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let found = [self.credentials, self.config];
        found.into_iter().flatten().find_map(|it| lookup(it, None, name)).map(str::to_owned)
    }

    /// Returns the keys in it; `None` if it has none and does not say how to
    /// get any.
    ///
    /// # Errors
    ///
    /// If it says so in a way that we do not know.
    pub(super) fn keys(&self) -> Result<Option<Keys>> {
        let pair = self.setting("aws_access_key_id").zip(self.setting("aws_secret_access_key"));
        if let Some((id, secret)) = pair {
            let token = self.setting("aws_session_token").map(Secret::new);
            return Ok(Some(Keys::Fixed { id, secret: Secret::new(secret), token }));
        }
        let web = self.setting("web_identity_token_file").zip(self.setting("role_arn"));
        if let Some((token_file, role)) = web {
            let (token_file, session) = (token_file.into(), self.setting("role_session_name"));
            return Ok(Some(Keys::WebIdentity { token_file, role, session, giver: None }));
        }
        for way in ["credential_process", "sso_session", "sso_start_url", "source_profile"] {
            if self.setting(way).is_some() {
                let name = &self.name;
                let message = format!("profile {name} gets its keys by {way}, which is not known");
                return Err(Error::new(ErrorKind::CONFIGURATION, message).hint(
                    "let another program put temporary keys into ~/.aws/credentials, or use \
                     <access_key_id>",
                ));
            }
        }
        Ok(None)
    }
}
