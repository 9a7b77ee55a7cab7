//! Keys that the machine, the container or a token stand for: moto gives them
//! as Amazon does.

use std::net::SocketAddr;

use hayloft_test_servers::{BUCKET, Certificate, Fault, Moto, Proxy};
use hayloft_tests::Sandbox;

use super::{amazons3, run, sandbox};

/// A bucket behind a proxy that notes who asks for what.
struct Ground {
    moto: Moto,
    proxy: Proxy,
}

impl Ground {
    fn new() -> Self {
        let moto = Moto::start();
        moto.python(&format!("s3.create_bucket(Bucket='{BUCKET}')"));
        let proxy = Proxy::start(moto.address());
        Self { moto, proxy }
    }

    fn sandbox(&self) -> Sandbox {
        sandbox(&self.proxy.endpoint(), "<checksum>sha256</checksum>", &amazons3())
    }

    fn giver(&self) -> SocketAddr {
        self.moto.address()
    }

    /// Stores the day, and returns the access key and the token of whoever did.
    fn stores(&self, sandbox: &Sandbox) -> (String, String) {
        sandbox.ok(&run(&["store"]));
        let calls = self.proxy.calls();
        let call = calls.iter().find(|it| it.method == "PUT").unwrap();
        let text = |name: &str| call.headers[name].to_str().unwrap().to_owned();
        let authorization = text("authorization");
        let key = authorization.split_once("Credential=").unwrap().1;
        let key = key.split('/').next().unwrap_or_default().to_owned();
        (key, text("x-amz-security-token"))
    }
}

#[test]
fn the_role_of_the_machine_counts() {
    let ground = Ground::new();
    let mut sandbox = ground.sandbox();
    let giver = Proxy::start(ground.giver());
    // It may stumble.
    giver.plan(|call| if call.number == 0 { Fault::Status(503, "") } else { Fault::None });
    sandbox.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", giver.endpoint());
    let (key, token) = ground.stores(&sandbox);
    assert_eq!((key.as_str(), token.as_str()), ("test-key", "test-session-token"));
    // As it is since the second version: a token first, and then with it.
    let calls = giver.calls();
    for call in calls.iter().take(2) {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PUT", "/latest/api/token"));
    }
    assert!(calls.len() > 3, "{calls:?}");
    for call in &calls[2..] {
        assert_eq!(call.method, "GET");
        assert!(call.headers.contains_key("x-aws-ec2-metadata-token"), "{call:?}");
    }
}

#[test]
fn the_role_of_the_container_counts() {
    let ground = Ground::new();
    let mut sandbox = ground.sandbox();
    let path = "latest/meta-data/iam/security-credentials/default-role";
    let url = format!("http://{}/{path}", ground.giver());
    sandbox.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    let file = sandbox.write("token", "of the container");
    sandbox.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap());
    let (key, token) = ground.stores(&sandbox);
    assert_eq!((key.as_str(), token.as_str()), ("test-key", "test-session-token"));
}

#[test]
fn a_token_of_a_web_identity_is_exchanged_for_keys_and_shown_to_nobody_else() {
    let ground = Ground::new();
    let mut sandbox = ground.sandbox();
    let file = sandbox.write("token", "who I am");
    sandbox.env("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap());
    sandbox.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup");
    // A token goes through no conversation that others can read.
    let certificate = Certificate::new();
    let giver = Moto::encrypted(&certificate);
    sandbox.env("AWS_ENDPOINT_URL_STS", format!("https://localhost:{}", giver.address().port()));
    let output = sandbox.run(&run(&["store"])).exits(1);
    output.complains("localhost, which is to give credentials, cannot be reached");
    output.complains("certificate");
    sandbox.env("AWS_CA_BUNDLE", certificate.authority().to_str().unwrap());
    assert_eq!(ground.proxy.count(), 0);
    let (key, token) = ground.stores(&sandbox);
    // As moto gives them: of a role, and not those of the machine.
    assert!(key.starts_with("ASIA"), "{key}");
    assert!(token.len() > 100, "{token}");

    std::fs::remove_file(&file).unwrap();
    let output = sandbox.run(&run(&["--full", "store"])).exits(1);
    output.complains(file.file_name().and_then(|it| it.to_str()).unwrap());
}
