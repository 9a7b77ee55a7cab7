//! The program with a bucket.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[cfg(feature = "garage")]
#[path = "object_store/garage.rs"]
mod garage;
#[path = "object_store/surroundings.rs"]
mod surroundings;

use std::{
    fs,
    time::{Duration, Instant},
};

use hayloft_test_servers::{
    ACCESS_KEY, BUCKET, Certificate, Fault, Moto, Proxy, S3Server, SECRET_KEY,
};
use hayloft_tests::{
    Sandbox,
    chaos::{noise, power_cut},
};

const TODAY: &str = "2026/11/17";

/// A staged day with a small file and a large one, and a storage in a bucket.
fn sandbox(endpoint: &str, keys: &str, amazons3: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    // Nothing of whoever runs the tests, and nobody in the network is asked.
    sandbox.env("HOME", sandbox.path("home").to_str().unwrap());
    sandbox.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    for directory in ["working", "collect", "home/.aws"] {
        sandbox.dir(directory);
    }
    sandbox.write(
        "hayloft.xml",
        &format!(
            "<cb_config>
  <options>
    <starting_day>tuesday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><name>box</name><type>local</type><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <store><storage>offsite</storage></store>
  <amazons3>{amazons3}</amazons3>
  <storages>
    <storage>
      <name>offsite</name><type>s3</type><bucket>{BUCKET}</bucket><endpoint>{endpoint}</endpoint>
      <prefix>hosts/box</prefix><part_size>5 MB</part_size><retries>3</retries>
      <abandoned_after>1s</abandoned_after>{keys}
    </storage>
  </storages>
</cb_config>\n"
        ),
    );
    let day = sandbox.dir(&format!("staging/{TODAY}/box"));
    fs::write(day.join("small"), "hay").unwrap();
    fs::write(day.join("large file"), noise(12 << 20, 1)).unwrap();
    sandbox.write(&format!("staging/{TODAY}/cback.stage"), "");
    sandbox
}

fn keys() -> String {
    format!("<access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password>")
}

fn amazons3() -> String {
    format!("<s3_bucket>{BUCKET}/cedar</s3_bucket>")
}

fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["--config", "hayloft.xml", "run"].iter().chain(more).copied().collect()
}

#[test]
fn a_staged_day_is_stored_in_a_bucket_and_uploaded_by_the_section_of_cedar_backup() {
    let server = S3Server::start();
    let sandbox = sandbox(&server.endpoint(), &keys(), &amazons3());
    sandbox.ok(&run(&["store", "amazons3"]));
    let objects = server.objects();
    for prefix in ["hosts/box", "cedar"] {
        let at = |name: &str| &objects[&format!("{prefix}/{TODAY}/box/{name}")].content;
        assert_eq!(at("small"), "hay");
        assert!(at("large file") == &noise(12 << 20, 1));
    }
    assert!(server.uploads().is_empty());
    // What is there is not sent again.
    let before = server.requests();
    sandbox.ok(&run(&["--full", "amazons3"])).says("0 files uploaded, 2 there already");
    assert!(server.requests() - before < 60);
    assert!(sandbox.path(format!("staging/{TODAY}/cback.amazons3")).is_file());
}

#[test]
fn keys_come_from_the_environment_or_from_the_files_of_amazons_programs() {
    let server = S3Server::start();
    let mut environment = sandbox(&server.endpoint(), "", &amazons3());
    environment.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    environment.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    environment.ok(&run(&["store"]));
    let files = sandbox(&server.endpoint(), "<profile>backup</profile>", &amazons3());
    files.write(
        "home/.aws/credentials",
        &format!(
            "[backup]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        ),
    );
    files.ok(&run(&["store"]));
    // Without any, the machine is asked, which is nobody here.
    let none = sandbox(&server.endpoint(), "", &amazons3());
    let output = none.run(&run(&["store"])).exits(1);
    output.complains("which is to give credentials").complains("<access_key_id>");
}

#[test]
fn the_sync_of_cedar_backup_reaches_whatever_store_the_environment_names() {
    let certificate = Certificate::new();
    let server = S3Server::encrypted(&certificate);
    let mut sandbox = Sandbox::new();
    sandbox.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    sandbox.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let endpoint = format!("https://localhost:{}", server.address().port());
    sandbox.env("AWS_ENDPOINT_URL_S3", endpoint);
    sandbox.write("source/café/a", "hay");
    let bucket = format!("s3://{BUCKET}/photos");
    let sync = ["cback3-amazons3-sync", "-l", "log", "source/", &bucket];
    let output = sandbox.run(&sync).exits(6);
    output.says("certificate").says("<ca_file>");
    sandbox.env("AWS_CA_BUNDLE", certificate.authority().to_str().unwrap());
    let output = sandbox.run(&sync).exits(0);
    assert_eq!(output.stdout, "");
    assert_eq!(server.objects()["photos/café/a"].content, "hay");

    sandbox.env("AWS_ENDPOINT_URL_S3", "nowhere");
    let output = sandbox.run(&sync).exits(6);
    output.says("the variable AWS_ENDPOINT_URL_S3 does not say where the store is");
}

#[test]
fn status_says_until_when_an_immutable_bucket_protects_what_was_stored() {
    let moto = Moto::start();
    moto.python(
        "s3.create_bucket(Bucket='backups', ObjectLockEnabledForBucket=True)
s3.put_object_lock_configuration(Bucket='backups', ObjectLockConfiguration={
    'ObjectLockEnabled': 'Enabled',
    'Rule': {'DefaultRetention': {'Mode': 'COMPLIANCE', 'Days': 30}}})",
    );
    let keys = "<access_key_id>any</access_key_id><password>any</password>\
                <checksum>sha256</checksum>";
    let sandbox = sandbox(&moto.endpoint(), keys, &amazons3());
    sandbox.ok(&run(&["store"])).says("locked in offsite until 20");
    let status = ["--config", "hayloft.xml", "status"];
    sandbox.ok(&status).says("what store wrote is protected until 20");
}

#[test]
fn a_secret_is_in_no_message_whatever_is_wrong() {
    let server = S3Server::start();
    let wrong = keys().replace(SECRET_KEY, "secret-but-wrong");
    let sandbox = sandbox(&server.endpoint(), &wrong, &amazons3());
    let output = sandbox.run(&run(&["store", "amazons3"])).exits(1);
    output.complains("SignatureDoesNotMatch").complains("<password_file>");
    assert!(!output.to_string().contains("secret-but-wrong"), "{output}");
}

#[test]
fn a_run_that_is_killed_while_it_sends_leaves_nothing_that_stays() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    let sandbox = sandbox(&proxy.endpoint(), &keys(), &amazons3());
    // A part never comes through, so that the run is killed in the middle.
    proxy.plan(|call| {
        let part = call.query.contains("partNumber=2");
        if part { Fault::Delay(Duration::from_mins(10)) } else { Fault::None }
    });
    let mut child = sandbox.spawn(&run(&["store"]));
    let begin = Instant::now();
    while server.uploads().is_empty()
        || !proxy.calls().iter().any(|it| it.query.contains("partNumber=2"))
    {
        assert!(begin.elapsed() < Duration::from_mins(5), "no upload has begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    power_cut(&mut child);
    assert_eq!(server.uploads(), [format!("hosts/box/{TODAY}/box/large file")]);
    let large = format!("hosts/box/{TODAY}/box/large file");
    assert!(!server.objects().contains_key(&large));
    assert!(!server.objects().keys().any(|it| it.ends_with("manifest.json")));
    // The next run sends all, and gives up what was begun; the age of what was
    // begun is counted in whole seconds.
    std::thread::sleep(Duration::from_secs(3));
    proxy.plan(|_| Fault::None);
    sandbox.ok(&run(&["store"]));
    assert!(server.objects()[&large].content == noise(12 << 20, 1));
    let left = ["--config", "hayloft.xml", "run", "--full", "amazons3"];
    sandbox.ok(&left);
    assert!(server.uploads().is_empty(), "{:?}", server.uploads());
}
