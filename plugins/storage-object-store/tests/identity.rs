//! Keys that are given for a token.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "objects/moving.rs"]
mod moving;

use std::{fs, path::PathBuf, time::Duration};

use hayloft_plugin_api::{ErrorKind, conformance::Section};
use hayloft_storage_object_store::S3;
use hayloft_test_servers::{BUCKET, Certificate, Proxy, S3Server, StsServer};
use tempfile::TempDir;

use crate::moving::{NEW, OVER, get, noise, put};

const ROLE: &str = "arn:aws:iam::123456789012:role/backup";

/// A store, somebody who gives keys for it, and a profile that names both.
struct Ground {
    home: TempDir,
    certificate: Certificate,
    giver: StsServer,
    proxy: Proxy,
    _server: S3Server,
}

impl Ground {
    fn new() -> Self {
        let certificate = Certificate::new();
        let giver = StsServer::start(&certificate);
        let server = S3Server::start();
        let proxy = Proxy::start(server.address());
        let ground =
            Self { home: tempfile::tempdir().unwrap(), certificate, giver, proxy, _server: server };
        let config = format!(
            "[profile night]\nweb_identity_token_file = {}\nrole_arn = {ROLE}\nservices = here\n\
             role_session_name = night\n[services here]\nsts =\n  endpoint_url = {}\n",
            ground.token().display(),
            ground.giver.endpoint()
        );
        fs::write(ground.home.path().join("config"), config).unwrap();
        fs::write(ground.token(), "first + best=1").unwrap();
        ground
    }

    fn token(&self) -> PathBuf {
        self.home.path().join("token")
    }

    fn open(&self) -> S3 {
        let section = Section::new("storage")
            .set("bucket", BUCKET)
            .set("endpoint", self.proxy.endpoint())
            .set("profile", "night")
            .set("profile_dir", self.home.path().display())
            .set("ca_file", self.certificate.authority().display())
            .set("part_size", "5 MB")
            .set("retries", "3");
        moving::open(&section)
    }

    /// Returns the tokens that came to the store with requests from that one on.
    fn sessions(&self, from: usize) -> Vec<String> {
        let calls = self.proxy.calls();
        let token = |it: &hayloft_test_servers::Call| {
            it.headers["x-amz-security-token"].to_str().unwrap().to_owned()
        };
        calls[from..].iter().map(token).collect()
    }
}

#[test]
fn a_token_is_exchanged_once_for_all_that_is_done_with_the_keys() {
    let ground = Ground::new();
    let storage = ground.open();
    let content = noise(12 << 20);
    put(&storage, "object", &content, NEW).unwrap();
    assert!(get(&storage, "object").unwrap() == content);
    let asked = ground.giver.asked();
    assert_eq!(asked.len(), 1);
    let text = |name: &str| asked[0][name].as_str();
    assert_eq!(text("WebIdentityToken"), "first + best=1");
    assert_eq!((text("RoleArn"), text("RoleSessionName")), (ROLE, "night"));
    // What came with the keys goes to the store, and the token does not.
    assert!(ground.sessions(0).iter().all(|it| it == "of-first + best=1"));
}

#[test]
fn keys_that_are_soon_to_expire_are_asked_for_anew_with_the_token_of_then() {
    let ground = Ground::new();
    let storage = ground.open();
    // Less than any request may take.
    ground.giver.good_for(Duration::from_secs(1));
    put(&storage, "one", b"hay", NEW).unwrap();
    fs::write(ground.token(), "second").unwrap();
    // Keys that were given a moment ago are not asked for again at once.
    let from = ground.proxy.calls().len();
    while !ground.giver.asked().iter().any(|it| it["WebIdentityToken"] == "second") {
        put(&storage, "two", b"straw", OVER).unwrap();
    }
    put(&storage, "three", b"hay", NEW).unwrap();
    assert_eq!(ground.sessions(from).last().unwrap(), "of-second");
}

#[test]
fn who_gives_keys_may_stumble_and_is_asked_again() {
    let ground = Ground::new();
    ground.giver.refuse(503, "", 1);
    ground.giver.refuse(400, "IDPCommunicationError", 1);
    ground.giver.refuse(429, "Throttling", 1);
    put(&ground.open(), "object", b"hay", NEW).unwrap();
    assert_eq!(ground.giver.asked().len(), 4);
}

#[test]
fn a_refusal_says_at_once_what_to_do_about_it() {
    let ground = Ground::new();
    let cases = [
        ("ExpiredTokenException", "has expired: see that it is written anew"),
        ("InvalidIdentityToken", "identity provider"),
        ("AccessDenied", "AWS_ROLE_ARN"),
        ("SomethingElse", "<access_key_id>"),
    ];
    for (number, (code, remedy)) in cases.into_iter().enumerate() {
        ground.giver.refuse(400, code, 1);
        let error = put(&ground.open(), "object", b"hay", NEW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PERMISSION, "{error}");
        let told = format!("localhost, which is to give credentials, answers 400 {code}: so it is");
        assert!(error.to_string().contains(&told), "{error}");
        assert!(error.remedy().unwrap().contains(remedy), "{error:?}");
        assert!(!error.to_string().contains("first + best"), "{error}");
        assert_eq!(ground.giver.asked().len(), number + 1);
    }
    assert_eq!(ground.proxy.count(), 0);
    fs::remove_file(ground.token()).unwrap();
    let error = put(&ground.open(), "object", b"hay", NEW).unwrap_err();
    assert!(error.to_string().contains(ground.token().to_str().unwrap()), "{error}");
}
