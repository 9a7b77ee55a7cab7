//! The action, as the host sees it.

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, Outcome, Request, Result, cedar,
};
use hayloft_staging::{
    day::{self, Choice, UPLOADED},
    source,
};
use tracing::info;

use crate::{
    owner,
    place::{Place, bucket_and_prefix},
    template::Template,
    upload::{Encryption, Upload, Uploaded},
};

/// How many forgotten days a warning names.
const NAMED: usize = 5;

/// Uploads a staged day.
#[derive(Debug)]
pub struct AmazonS3 {
    config: cedar::AmazonS3,
}

impl Action for AmazonS3 {
    type Config = cedar::AmazonS3;

    fn new(config: cedar::AmazonS3) -> Result<Self> {
        let action = Self { config };
        action.check()?;
        Ok(action)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let settings = host.settings()?;
        let root = settings.staging_dir.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <stage> section, so no staged files")
                .hint("<stage><staging_dir>DIRECTORY</staging_dir></stage>")
        })?;
        let encryption = self.encryption(host)?;
        let place = self.place(host)?;
        let choice = day::choose(root, &request.now, request.full, UPLOADED)?;
        let day = &choice.day;
        let listing = source::list(&day.path)?;
        let size: u64 = listing.files.iter().map(|it| it.size).sum();
        self.check_size(size, request.full || request.start_of_week, &day.name)?;
        let files = listing.files.len() as u64;
        if request.dry_run {
            for file in &listing.files {
                info!("would upload {}", file.path.display());
            }
            let (files, name) = (counted(files, "file"), &place.name);
            return Ok(Outcome::new(format!("would upload {files} of {} to {name}", day.name)));
        }
        let check_data = self.config.check_data.unwrap_or(true);
        let upload = Upload {
            host,
            settings: &settings,
            place: &place,
            encryption: &encryption,
            check_data,
            day,
        };
        let done = upload.run(&listing)?;
        host.touch(&day.path.join(UPLOADED))?;
        let mut outcome = summary(&done, &day.name, &place.name);
        for other in &listing.others {
            let path = other.to_string_lossy();
            let path = path.escape_debug();
            outcome = outcome.left_out(format!("{path} is no regular file and was not uploaded"));
        }
        if choice.crossed_midnight && self.config.warn_midnite {
            let day = &choice.day.name;
            outcome =
                outcome.warning(format!("the run crossed midnight: {day} was uploaded, not today"));
        }
        Ok(forgotten(&choice).into_iter().fold(outcome, Outcome::left_out))
    }
}

impl AmazonS3 {
    fn wrong(&self, element: &str, text: &cedar::Text, message: impl Into<String>) -> Error {
        let position = text.as_ref().map_or(self.config.place.position, |it| it.position);
        let found = Diagnostic::error(position, format!("amazons3/{element}"), message);
        Error::configuration(vec![found])
    }

    /// Finds what is wrong whatever the host offers, when the configuration is
    /// checked.
    fn check(&self) -> Result<()> {
        self.bucket()?;
        match (cedar::text(&self.config.encrypt), &self.config.encryptor) {
            (Some(_), Some(_)) => {
                let message = "there is a command in <encrypt> already";
                Err(self.wrong("encryptor", &self.config.encryptor, message))
            }
            (Some(command), None) => self.template(command).map(drop),
            (None, _) => Ok(()),
        }
    }

    fn template(&self, command: &str) -> Result<Template> {
        Template::parse(command)
            .map_err(|error| self.wrong("encrypt", &self.config.encrypt, error.message()))
    }

    fn bucket(&self) -> Result<Option<(String, String)>> {
        let bucket = cedar::text(&self.config.s3_bucket).map(bucket_and_prefix).transpose();
        bucket.map_err(|error| self.wrong("s3_bucket", &self.config.s3_bucket, error.to_string()))
    }

    fn place(&self, host: &Host) -> Result<Place> {
        match (cedar::text(&self.config.storage), self.bucket()?) {
            (Some(name), bucket) => {
                let prefix = bucket.map(|(_, prefix)| prefix).unwrap_or_default();
                Place::configured(host, name.trim(), prefix).map_err(|error| {
                    if error.kind() != ErrorKind::NOT_FOUND {
                        return error;
                    }
                    self.wrong("storage", &self.config.storage, error.to_string())
                })
            }
            (None, Some((bucket, prefix))) => {
                let profile_dir = owner::profile_dir(host)?;
                Place::bucket(host, &bucket, prefix, profile_dir.as_deref())
            }
            (None, None) => {
                Err(self.wrong("s3_bucket", &self.config.s3_bucket, "there is no bucket"))
            }
        }
    }

    fn encryption(&self, host: &Host) -> Result<Encryption> {
        match (cedar::text(&self.config.encrypt), cedar::text(&self.config.encryptor)) {
            (None, None) => Ok(Encryption::None),
            (Some(text), _) => self.template(text).map(Encryption::Command),
            (None, Some(name)) => {
                let encryptor = host.encryptor(name.trim())?;
                if encryptor.suffix().is_empty() {
                    let message = format!("{name} does not encrypt");
                    return Err(self.wrong("encryptor", &self.config.encryptor, message));
                }
                Ok(Encryption::Encryptor(encryptor))
            }
        }
    }

    /// Refuses a day that is larger than the limit, before anything is sent.
    fn check_size(&self, size: u64, full: bool, day: &str) -> Result<()> {
        let (limit, element) = if full {
            (&self.config.full_size_limit, "full_size_limit")
        } else {
            (&self.config.incr_size_limit, "incr_size_limit")
        };
        let Some(limit) = limit else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "limits are decimal fractions")]
        let too_large = size as f64 > limit.bytes;
        if !too_large {
            return Ok(());
        }
        let message = format!("{day} has {size} bytes, more than <{element}>, {limit}");
        Err(Error::new(ErrorKind::OTHER, message)
            .hint(format!("nothing was uploaded; raise <{element}>, or collect less")))
    }
}

/// Names the days that no later run uploads.
fn forgotten(choice: &Choice) -> Option<String> {
    let older = choice.older.len();
    let names: Vec<_> = choice.older.iter().rev().map(|it| it.name.as_str()).collect();
    let names = names.get(..older.min(NAMED))?.join(", ");
    let more = if older > NAMED { ", …" } else { "" };
    (older > 0).then(|| {
        format!(
            "{} before yesterday {} never uploaded: {names}{more}; `hayloft --now` with that date \
             uploads one, a file {UPLOADED} in it says that it need not be",
            counted(older as u64, "day"),
            if older == 1 { "was" } else { "were" },
        )
    })
}

fn summary(done: &Uploaded, day: &str, place: &str) -> Outcome {
    let Uploaded { files, bytes, unchanged, removed, shared, kept } = *done;
    let old = if removed > 0 { format!(", {removed} old removed") } else { String::new() };
    let mut outcome = Outcome::new(format!(
        "{day} in {place}: {} uploaded, {unchanged} there already{old}",
        counted(files, "file")
    ));
    if shared {
        outcome.warnings.push(format!(
            "{day} in {place} is kept by the action store too, so nothing old was removed; give \
             <s3_bucket> a path of its own"
        ));
    }
    if kept > 0 {
        outcome.warnings.push(format!(
            "{day} has no files here, so those of an earlier upload were kept in {place}"
        ));
    }
    [("files", files), ("bytes", bytes), ("unchanged", unchanged), ("removed", removed)]
        .into_iter()
        .fold(outcome, |it, (name, n)| it.value(name, n))
}

fn counted(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}
