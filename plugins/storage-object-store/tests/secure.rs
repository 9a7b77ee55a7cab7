//! Encrypted conversations, and proxies.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use hayloft_plugin_api::{PutOptions, Storage, config::decode, conformance::Section};
use hayloft_storage_object_store::S3;
use hayloft_test_servers::{ACCESS_KEY, BUCKET, Certificate, Proxy, S3Server, SECRET_KEY};

fn open(endpoint: &str, more: &[(&str, &str)]) -> S3 {
    let section = Section::new("storage")
        .set("bucket", BUCKET)
        .set("endpoint", endpoint)
        .set("access_key_id", ACCESS_KEY)
        .set("password", SECRET_KEY)
        .set("part_size", "5 MB");
    let section = more.iter().fold(section, |it, (name, value)| it.set(name, value));
    S3::new(decode(section.node()).unwrap()).unwrap()
}

fn put(storage: &S3, key: &str, length: usize) -> hayloft_plugin_api::Result<u64> {
    let mut stream = storage.put(key, PutOptions::default())?;
    stream.write(&vec![7; length])?;
    stream.commit().map(|it| it.size)
}

#[test]
fn an_authority_of_ones_own_is_trusted_if_it_is_named_and_not_otherwise() {
    let certificate = Certificate::new();
    let server = S3Server::encrypted(&certificate);
    for host in ["127.0.0.1", "localhost"] {
        let endpoint = format!("https://{host}:{}", server.address().port());
        let file = certificate.authority();
        let file = file.to_str().unwrap();
        for signing in ["Y", "N"] {
            let storage = open(&endpoint, &[("ca_file", file), ("payload_signing", signing)]);
            put(&storage, "small", 10).unwrap();
            put(&storage, "large", 6 << 20).unwrap();
        }
        let begin = std::time::Instant::now();
        let strict = open(&endpoint, &[("retries", "20")]);
        let error = put(&strict, "k", 1).unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(error.remedy().unwrap().contains("<ca_file>"), "{error:?}");
        // It is not tried again: that would take minutes.
        assert!(begin.elapsed().as_secs() < 60);
    }
    assert_eq!(server.objects().len(), 2);
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    for content in [None, Some(""), Some("no certificate")] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let section = Section::new("storage")
            .set("bucket", BUCKET)
            .set("access_key_id", ACCESS_KEY)
            .set("password", SECRET_KEY)
            .set("ca_file", file.display());
        let storage = S3::new(decode(section.node()).unwrap()).unwrap();
        let error = storage.stat("k").unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

#[test]
fn a_proxy_is_used_if_one_is_configured() {
    let server = S3Server::start();
    // It hands on what clients ask a proxy for, since there is only one server.
    let proxy = Proxy::start(server.address());
    let storage = open(&server.endpoint(), &[("proxy", &proxy.endpoint())]);
    put(&storage, "object", 10).unwrap();
    assert_eq!(proxy.count(), 1);
    assert_eq!(server.objects().len(), 1);
}
