//! The type `gcs`: buckets of Google Cloud Storage, by its XML interface.
//!
//! What tells one content from another is the generation, which is what
//! conditions are about; our etags are generations.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hayloft_plugin_api::{Error, ErrorKind, Protection, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, StaticCredentialProvider, TagSet,
    client::{HttpClient, HttpConnector, HttpRequestBody},
    gcp::{GcpCredential, GcpCredentialProvider, GoogleCloudStorageBuilder},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    cloud::{Cloud, Dialect},
    config::{GcsConfig, GcsSettings, GoogleAuthentication},
    connector::{Connector, Header, Summed},
    explain::Advice,
    failure::Failure,
    options,
    rate::Rate,
    remote::{Body, Condition, Head, LeftOvers, Marker, Page, Protected},
    s3::xml,
    sum::Sum,
};

const ADVICE: Advice = Advice {
    no_keys: "configure <credentials_file>, or set GOOGLE_APPLICATION_CREDENTIALS",
    wrong_keys: "the store does not take the credentials: check <credentials_file>, and whether \
                 the key of the service account was removed",
    may_not: "the credentials are right, but may not do this: give the service account the role \
              `Storage Object Admin` on the bucket",
    no_place: "create the bucket, or check <bucket> and <endpoint>",
    no_answer: "check the network, <endpoint>, <proxy> and <timeout>",
};

/// Makes a bucket of Google's or of a server that speaks the same.
pub(crate) fn open(config: &GcsConfig) -> Result<Cloud> {
    let GcsConfig { common, own } = config;
    let bucket = own.bucket.as_str();
    let endpoint = own.endpoint.as_ref().map_or(GOOGLE, |it| it.as_str());
    let authority = own.endpoint.as_ref().map_or("storage.googleapis.com", |it| it.authority());
    let rate = Rate::new(common.rate_limit.map(hayloft_plugin_api::config::ByteSize::bytes));
    let connector = Connector::new(authority, rate).with_sums(Summed::Crc32c);
    let client = options::client(common, endpoint.starts_with("https://"))?;
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_base_url(endpoint)
        .with_client_options(client.clone())
        .with_retry(options::no_retries())
        .with_http_connector(connector.clone());
    let store = Arc::new(with_credentials(own, builder)?.build().map_err(no_credentials)?);
    let mut attributes = Attributes::new();
    if let Some(class) = &own.storage_class {
        attributes.insert(Attribute::StorageClass, class.as_str().to_owned().into());
    }
    let credentials = Arc::clone(store.credentials());
    let bucket_url = format!("{endpoint}/{bucket}");
    Ok(Cloud {
        name: format!("bucket {bucket} at {authority}"),
        reader: Arc::clone(&store) as _,
        writer: store,
        batch: None,
        dialect: Box::new(Gcs { client: connector.connect(&client)?, bucket_url, credentials }),
        connector,
        attributes,
        tags: TagSet::default(),
        advice: &ADVICE,
        // A generation is a time in microseconds.
        no_etag: "1",
        knows_conditions: own.conditional_put.or(own.endpoint.is_none().then_some(true)),
    })
}

const GOOGLE: &str = "https://storage.googleapis.com";

fn with_credentials(
    own: &GcsSettings,
    builder: GoogleCloudStorageBuilder,
) -> Result<GoogleCloudStorageBuilder> {
    let named = std::env::var("GOOGLE_APPLICATION_CREDENTIALS").ok().filter(|it| !it.is_empty());
    match (own.authentication, &own.credentials_file) {
        (Some(GoogleAuthentication::None), _) => {
            let nobody = GcpCredential { bearer: String::new() };
            Ok(builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody))))
        }
        (Some(GoogleAuthentication::Metadata), _) => Ok(builder),
        (_, Some(file)) => {
            let shown = file.display();
            let text = std::fs::read_to_string(file).map_err(|e| {
                Error::from(e).context(format!("cannot read the credentials {shown}"))
            })?;
            if text.contains("\"service_account\"") {
                return Ok(builder.with_service_account_key(text));
            }
            Ok(builder.with_application_credentials(file.to_string_lossy()))
        }
        (_, None) => Ok(match named {
            Some(file) => builder.with_application_credentials(file),
            None => builder,
        }),
    }
}

/// What is wrong with credentials is never shown: it may be a part of a key.
fn no_credentials(_: object_store::Error) -> Error {
    let message = "the credentials for Google Cloud Storage cannot be read";
    Error::new(ErrorKind::CONFIGURATION, message).hint(
        "<credentials_file> is the JSON file of a service account or of `gcloud auth \
         application-default login`",
    )
}

#[derive(Debug)]
struct Gcs {
    client: HttpClient,
    /// Without a slash at the end.
    bucket_url: String,
    credentials: GcpCredentialProvider,
}

impl Gcs {
    async fn get(&self, query: &[(&str, &str)]) -> Result<(HeaderMap, bytes::Bytes), Failure> {
        let nonsense = |e: &dyn std::fmt::Display| Failure::Nonsense(e.to_string());
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let credential = self.credentials.get_credential().await?;
        let mut request = Request::builder().method(Method::GET).uri(format!(
            "{}?{}",
            self.bucket_url,
            query.join("&")
        ));
        if !credential.bearer.is_empty() {
            request = request.header("authorization", format!("Bearer {}", credential.bearer));
        }
        let request = request.body(HttpRequestBody::empty()).map_err(|e| nonsense(&e))?;
        let (parts, body) = self.client.execute(request).await?.into_parts();
        Ok((parts.headers, body.bytes().await?))
    }
}

/// Reads the checksum that the store keeps of an object.
fn crc32c(headers: &HeaderMap) -> Option<u32> {
    let all = headers.get_all("x-goog-hash").into_iter().filter_map(|it| it.to_str().ok());
    let mut sums = all.flat_map(|it| it.split(',')).map(str::trim);
    let text = sums.find_map(|it| it.strip_prefix("crc32c="))?;
    STANDARD.decode(text).ok()?.try_into().ok().map(u32::from_be_bytes)
}

fn generation(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-goog-generation")?.to_str().ok()?;
    Some(text.to_owned())
}

#[async_trait]
impl Dialect for Gcs {
    fn confirms(&self, headers: &HeaderMap, body: &Body) -> Option<bool> {
        crc32c(headers).map(|it| it == Sum::of(body.pieces()).crc32c)
    }

    fn confirms_parts(&self) -> bool {
        // It refuses what does not fit the checksum that is sent with each.
        true
    }

    fn etag(&self, headers: &HeaderMap, told: Option<String>) -> Option<String> {
        generation(headers).or(told)
    }

    fn could_be(&self, etag: &str) -> bool {
        etag.parse::<u64>().is_ok()
    }

    fn part_of(&self, range: std::ops::Range<u64>, etag: Option<&str>) -> GetOptions {
        let range = Some(GetRange::Bounded(range));
        GetOptions { range, version: etag.map(str::to_owned), ..GetOptions::default() }
    }

    fn read_headers(&self, headers: &HeaderMap, head: &mut Head) {
        head.crc32c = crc32c(headers);
        head.etag = generation(headers).or_else(|| head.etag.take());
        head.lock = lock(headers);
    }

    fn header(&self, condition: &Condition) -> Result<Header, Failure> {
        let nonsense = |_| Failure::Nonsense("an etag that no header can hold".to_owned());
        let value = match condition {
            Condition::Absent => HeaderValue::from_static("0"),
            Condition::Etag(etag) if !self.could_be(etag) => return Err(Failure::Condition),
            Condition::Etag(etag) => etag.parse().map_err(nonsense)?,
        };
        Ok((HeaderName::from_static("x-goog-if-generation-match"), value))
    }

    async fn protection(&self) -> Result<Protected, Failure> {
        let (_, body) = self.get(&[("versioning", "")]).await?;
        let versions = xml::keeps_versions(&body)?;
        // Each object says for itself until when it is kept.
        Ok(Protected { versions, locks: true, retention: None })
    }

    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let limit = limit.clamp(1, 1000).to_string();
        let mut query =
            vec![("list-type", "2"), ("encoding-type", "url"), ("max-keys", limit.as_str())];
        query.extend((!prefix.is_empty()).then_some(("prefix", prefix)));
        query.extend((!after.is_empty()).then_some(("start-after", after)));
        xml::page(&self.get(&query).await?.1)
    }

    async fn left_overs(&self, prefix: &str, after: Option<&Marker>) -> Result<LeftOvers, Failure> {
        let (headers, body) = self.get(&xml::question_for_uploads(prefix, after)).await?;
        xml::left_overs(&body, crate::failure::date(&headers).unwrap_or(0))
    }
}

/// Reads what keeps an object from being removed.
fn lock(headers: &HeaderMap) -> Option<Protection> {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let hold = ["x-goog-temporary-hold", "x-goog-event-based-hold"]
        .iter()
        .any(|it| text(it).is_some_and(|it| it.eq_ignore_ascii_case("true")));
    let times = ["x-goog-retention-expiration", "x-goog-object-lock-retain-until-date"];
    let until = times.iter().filter_map(|it| text(it)?.parse::<jiff::Timestamp>().ok()).max();
    let until = until.filter(|it| *it > jiff::Timestamp::now());
    (hold || until.is_some()).then(|| Protection {
        until_ns: until.and_then(|it| it.as_nanosecond().try_into().ok()),
        hold,
        mode: text("x-goog-object-lock-mode").unwrap_or("retention").to_ascii_lowercase(),
    })
}
