//! The type `s3`: Amazon's, and whatever speaks the same.

mod raw;
pub(crate) mod xml;

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hayloft_plugin_api::{Error, ErrorKind, Protection, Result};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use object_store::{
    Attribute, Attributes, TagSet,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum as Algorithm, S3ConditionalPut},
    client::HttpConnector,
};

use tracing::warn;

use self::raw::Raw;
use crate::{
    cloud::{Cloud, Dialect},
    config::{Checksum, Common, Encryption, S3Config, S3Settings},
    connector::{Connector, Header},
    credentials::{self, Access, Renewed},
    explain::Advice,
    failure::Failure,
    options,
    rate::Rate,
    remote::{Body, Condition, Head, LeftOvers, Marker, Page, Protected},
};

/// What to do about keys and buckets.
pub(crate) const ADVICE: Advice = Advice {
    no_keys: "configure <access_key_id> and <password_file>, or a <profile>, or set \
              AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    wrong_keys: "the secret is not that of the access key: check <password_file>, and <region>",
    may_not: "the keys are right, but may not do this: allow s3:PutObject, s3:GetObject, \
              s3:DeleteObject, s3:ListBucket and s3:AbortMultipartUpload on the bucket and its \
              objects",
    no_place: "create the bucket, or check <bucket>, <region>, <endpoint> and <path_style>",
    no_answer: "check the network, <endpoint> (or AWS_ENDPOINT_URL), <proxy> and <timeout>",
};

/// Makes a bucket of Amazon's or of a compatible store.
pub(crate) fn open(config: &S3Config) -> Result<Cloud> {
    let access = credentials::find(&config.own)?;
    let own = &located(&config.own, &access)?;
    let ca_file = config.common.ca_file.clone().or_else(|| access.ca_file.clone());
    let common = &Common { ca_file, ..config.common.clone() };
    let region = own.region.as_ref().map(|it| it.as_str().to_owned());
    let region = region.or(access.region.clone()).unwrap_or_else(|| "us-east-1".to_owned());
    let address = Address::new(own, &region);
    let rate = Rate::new(common.rate_limit.map(hayloft_plugin_api::config::ByteSize::bytes));
    let connector = Connector::new(&address.authority, rate);
    let client = options::client(common, address.encrypted)?;
    let builder = builder(own, &address, &region, &connector);
    let (builder, keys) = access.apply(builder, &config.own);
    let writing = client.clone().with_default_headers(algorithm_headers(own));
    let writer = builder.clone().with_client_options(writing).build()?;
    let credentials = Arc::clone(writer.credentials());
    let builder_of_batches =
        builder.clone().with_client_options(client.clone()).with_disable_bulk_delete(false);
    let reading = client.clone().with_default_headers(checksum_headers(own));
    let reader =
        builder.with_credentials(Arc::clone(&credentials)).with_client_options(reading).build()?;
    let batch = builder_of_batches.with_credentials(Arc::clone(&credentials)).build()?;
    let raw = Raw {
        client: connector.connect(&client)?,
        bucket: address.bucket.clone(),
        credentials,
        region,
        requester_pays: own.requester_pays,
    };
    let (attributes, tags) = kept_with_objects(own);
    Ok(Cloud {
        name: format!("bucket {} at {}", own.bucket.as_str(), address.shown),
        reader: Arc::new(reader),
        writer: Arc::new(writer),
        batch: Some((Arc::new(batch), 1000)),
        connector,
        dialect: Box::new(S3 {
            raw,
            keys,
            checked: own.payload_signing || own.checksum != Checksum::None,
        }),
        attributes,
        tags,
        advice: &ADVICE,
        no_etag: "\"00000000000000000000000000000000\"",
        knows_conditions: own.conditional_put.or(own.endpoint.is_none().then_some(true)),
    })
}

/// Completes the settings by where the store is.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if content that is not signed would go over an
/// open line.
fn located(own: &S3Settings, access: &Access) -> Result<S3Settings> {
    let own = S3Settings { endpoint: access.endpoint.clone(), ..own.clone() };
    match &own.endpoint {
        Some(it) if !it.is_encrypted() && !own.payload_signing => {
            let message = format!("what is sent to {} must be signed", it.as_str());
            Err(Error::new(ErrorKind::CONFIGURATION, message)
                .hint("anybody could change it: leave <payload_signing> out, or use https://"))
        }
        Some(it) if !it.is_encrypted() && !it.is_local() => {
            warn!("everybody on the way can read what is sent to {}", it.as_str());
            Ok(own)
        }
        _ => Ok(own),
    }
}

/// Where the bucket is.
struct Address {
    /// What `object_store` is told; `None` leaves it to that.
    endpoint: Option<String>,
    path_style: bool,
    /// The bucket's URL.
    bucket: String,
    authority: String,
    encrypted: bool,
    shown: String,
}

impl Address {
    fn new(own: &S3Settings, region: &str) -> Self {
        let bucket = own.bucket.as_str();
        let amazon = format!("s3.{region}.amazonaws.com");
        let (scheme, host, path, encrypted) = match &own.endpoint {
            None => ("https", amazon, String::new(), true),
            Some(it) => {
                let scheme = if it.is_encrypted() { "https" } else { "http" };
                let rest = it.as_str().split_once("://").map_or("", |it| it.1);
                let path = rest.split_once('/').map_or(String::new(), |it| format!("/{}", it.1));
                (scheme, it.authority().to_owned(), path, it.is_encrypted())
            }
        };
        let path_style = own.path_style.unwrap_or(own.endpoint.is_some() || bucket.contains('.'));
        let authority = if path_style { host.clone() } else { format!("{bucket}.{host}") };
        let endpoint = format!("{scheme}://{authority}{path}");
        let url = if path_style { format!("{endpoint}/{bucket}") } else { endpoint.clone() };
        let endpoint = own.endpoint.is_some().then_some(endpoint);
        Self { endpoint, path_style, bucket: url, authority, encrypted, shown: host }
    }
}

fn builder(
    own: &S3Settings,
    address: &Address,
    region: &str,
    connector: &Connector,
) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(own.bucket.as_str())
        .with_region(region)
        .with_virtual_hosted_style_request(!address.path_style)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_disable_bulk_delete(true)
        .with_unsigned_payload(!own.payload_signing)
        .with_request_payer(own.requester_pays)
        .with_retry(options::no_retries())
        .with_http_connector(connector.clone());
    if let Some(endpoint) = &address.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder = match own.checksum {
        Checksum::Crc64Nvme => builder.with_checksum_algorithm(Algorithm::CRC64NVME),
        Checksum::Sha256 => builder.with_checksum_algorithm(Algorithm::SHA256),
        Checksum::None => builder,
    };
    let key = own.kms_key_id.clone().unwrap_or_default();
    match own.encryption {
        None => builder,
        Some(Encryption::Aes256) => {
            // The type of this setting has no name outside of its crate.
            match "aws_server_side_encryption".parse::<AmazonS3ConfigKey>() {
                Ok(setting) => builder.with_config(setting, "AES256"),
                Err(_) => builder,
            }
        }
        Some(Encryption::Kms) => builder.with_sse_kms_encryption(key),
        Some(Encryption::DoubleKms) => builder.with_dsse_kms_encryption(key),
    }
}

/// What makes the store tell the checksum of what is read.
fn checksum_headers(own: &S3Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if own.checksum == Checksum::Crc64Nvme {
        let name = HeaderName::from_static("x-amz-checksum-mode");
        headers.insert(name, HeaderValue::from_static("ENABLED"));
    }
    headers
}

/// What buckets with Object Lock demand of whoever writes.
fn algorithm_headers(own: &S3Settings) -> HeaderMap {
    let algorithm = match own.checksum {
        Checksum::Crc64Nvme => "CRC64NVME",
        Checksum::Sha256 => "SHA256",
        Checksum::None => return HeaderMap::new(),
    };
    let name = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
    HeaderMap::from_iter([(name, HeaderValue::from_static(algorithm))])
}

fn kept_with_objects(own: &S3Settings) -> (Attributes, TagSet) {
    let mut attributes = Attributes::new();
    if let Some(class) = &own.storage_class {
        attributes.insert(Attribute::StorageClass, class.as_str().to_owned().into());
    }
    let mut tags = TagSet::default();
    for tag in &own.tags.tag {
        tags.push(&tag.name, &tag.value);
    }
    (attributes, tags)
}

#[derive(Debug)]
struct S3 {
    raw: Raw,
    /// Those that can be read again.
    keys: Option<Arc<Renewed>>,
    /// Whether the store compares what it gets with a checksum of ours.
    checked: bool,
}

#[async_trait]
impl Dialect for S3 {
    fn confirms(&self, _headers: &HeaderMap, _body: &Body) -> Option<bool> {
        // It refuses what is not what was signed.
        self.checked.then_some(true)
    }

    fn confirms_parts(&self) -> bool {
        self.checked
    }

    fn renew(&self) -> bool {
        self.keys.as_ref().is_some_and(|it| it.renew())
    }

    fn read_headers(&self, headers: &HeaderMap, head: &mut Head) {
        let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        let decoded = text("x-amz-checksum-crc64nvme").and_then(|it| STANDARD.decode(it).ok());
        // With a dash, it is made of the parts' checksums, and no use to us.
        head.crc64 = decoded.and_then(|it| it.try_into().ok()).map(u64::from_be_bytes);
        head.lock = lock(headers);
    }

    fn header(&self, condition: &Condition) -> Result<Header, Failure> {
        let nonsense = |_| Failure::Nonsense("an etag that no header can hold".to_owned());
        match condition {
            Condition::Absent => Ok((header::IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Condition::Etag(etag) => Ok((header::IF_MATCH, etag.parse().map_err(nonsense)?)),
        }
    }

    async fn protection(&self) -> Result<Protected, Failure> {
        let versions = self.raw.get(&[("versioning", "")]).await?;
        let versions = xml::keeps_versions(&versions.body)?;
        // Whoever has no locks says that there is no such configuration.
        let (locks, retention) = match self.raw.get(&[("object-lock", "")]).await {
            Ok(answer) => xml::locking(&answer.body)?,
            Err(Failure::Absent | Failure::Refused(_)) => (false, None),
            Err(failure) => return Err(failure),
        };
        Ok(Protected { versions, locks, retention })
    }

    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let limit = limit.clamp(1, 1000).to_string();
        let mut query =
            vec![("list-type", "2"), ("encoding-type", "url"), ("max-keys", limit.as_str())];
        query.extend((!prefix.is_empty()).then_some(("prefix", prefix)));
        query.extend((!after.is_empty()).then_some(("start-after", after)));
        xml::page(&self.raw.get(&query).await?.body)
    }

    async fn left_overs(&self, prefix: &str, after: Option<&Marker>) -> Result<LeftOvers, Failure> {
        let answer = self.raw.get(&xml::question_for_uploads(prefix, after)).await?;
        let now = crate::failure::date(&answer.headers).unwrap_or(0);
        xml::left_overs(&answer.body, now)
    }
}

/// Reads what keeps an object from being removed.
fn lock(headers: &HeaderMap) -> Option<Protection> {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let hold = text("x-amz-object-lock-legal-hold") == Some("ON");
    let until = text("x-amz-object-lock-retain-until-date");
    let until = until.and_then(|it| it.parse::<jiff::Timestamp>().ok());
    let until = until.filter(|it| *it > jiff::Timestamp::now());
    (hold || until.is_some()).then(|| Protection {
        until_ns: until.and_then(|it| it.as_nanosecond().try_into().ok()),
        hold,
        mode: text("x-amz-object-lock-mode").unwrap_or_default().to_ascii_lowercase(),
    })
}
