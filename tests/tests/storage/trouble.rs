//! What is wrong with a bucket, the network or the configuration is told with
//! what to do about it, and at once.

use std::{fs, process::Stdio};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Certificate, Fault, Proxy, S3Server, SECRET_KEY};
use hayloft_tests::{Output, chaos::faketime};

use crate::bench::Bench;

impl Bench {
    /// Changes the configuration.
    fn with_other(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.sandbox.path("h.conf")).unwrap();
        assert!(text.contains(old), "{old}");
        self.sandbox.write("h.conf", &text.replacen(old, new, 1));
    }
}

/// Each of the commands that ask the bucket fails, and says all of that.
fn all_say(bench: &Bench, code: i32, expected: &[&str]) {
    bench.sandbox.write("letter", "Dear Ann,\n");
    let commands: [&[&str]; 5] = [
        &["ls", "bucket:"],
        &["get", "bucket:letter", "-"],
        &["put", "letter", "bucket:letter"],
        &["rm", "--yes", "bucket:letter"],
        &["du", "bucket:"],
    ];
    for command in commands {
        says(&bench.run(command).exits(code), expected);
    }
    // The check says it in its report.
    let report = bench.run(&["check", "bucket"]);
    for text in expected {
        assert!(report.to_string().contains(text), "{text:?} is not in:\n{report}");
    }
    assert!(!report.to_string().contains(SECRET_KEY), "{report}");
}

fn says(output: &Output, expected: &[&str]) {
    for text in expected {
        output.complains(text);
    }
    assert!(!output.to_string().contains(SECRET_KEY), "{output}");
}

#[test]
fn keys_that_are_not_right_are_told_apart() {
    let bench = Bench::new();
    bench.with_other(ACCESS_KEY, "NOBODYSKEY");
    all_say(&bench, 1, &["InvalidAccessKeyId", "check <access_key_id>"]);

    bench.configure(&bench.server.endpoint());
    bench.sandbox.write("secret", "not-this-one");
    all_say(&bench, 1, &["SignatureDoesNotMatch", "check <password_file>"]);

    fs::remove_file(bench.sandbox.path("secret")).unwrap();
    all_say(&bench, 4, &["/secret", "password file"]);
    assert_eq!(bench.server.objects().len(), 0);
}

#[test]
fn a_bucket_that_is_not_there_is_told() {
    let bench = Bench::new();
    bench.with_other(&format!("<bucket>{BUCKET}</bucket>"), "<bucket>nobodys</bucket>");
    all_say(&bench, 4, &["NoSuchBucket", "create the bucket, or check <bucket>"]);
}

#[test]
fn a_clock_that_is_wrong_is_told_with_how_much() {
    let bench = Bench::new();
    for (shift, way) in [("+2h", "ahead"), ("-2h", "behind")] {
        for command in [&["ls", "bucket:"][..], &["get", "bucket:a", "-"]] {
            let mut command = bench.command(command);
            command.env("LD_PRELOAD", faketime()).env("FAKETIME", shift);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = bench.sandbox.wait(command.spawn().unwrap()).exits(1);
            says(&output, &["RequestTimeTooSkewed", &format!("s {way}: set it, with NTP")]);
        }
    }
}

#[test]
fn an_endpoint_that_is_not_there_is_told() {
    let bench = Bench::new();
    let quick = "<retries>1</retries><connect_timeout>2s</connect_timeout>";
    for endpoint in ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://nowhere.invalid"] {
        bench.configure_with(endpoint, quick);
        all_say(&bench, 1, &["cannot connect", "check the network, <endpoint>"]);
    }
    // A server that speaks something else.
    bench.configure_with(&bench.server.endpoint().replace("http:", "https:"), quick);
    all_say(&bench, 1, &["check the network, <endpoint>"]);
}

#[test]
fn a_proxy_that_is_not_there_is_told() {
    let bench = Bench::new();
    let more = "<retries>1</retries><proxy>http://127.0.0.1:1</proxy>";
    bench.configure_with(&bench.server.endpoint(), more);
    all_say(&bench, 1, &["cannot connect", "<proxy>"]);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told() {
    let (right, wrong) = (Certificate::new(), Certificate::new());
    let server = S3Server::encrypted(&right);
    let bench = Bench::new();
    let endpoint = format!("https://localhost:{}", server.address().port());
    bench.configure(&endpoint);
    all_say(&bench, 1, &["certificate", "<ca_file>"]);
    let named = |file: &Certificate| format!("<ca_file>{}</ca_file>", file.authority().display());
    bench.configure_with(&endpoint, &named(&wrong));
    all_say(&bench, 1, &["certificate", "<ca_file>"]);
    bench.configure_with(&endpoint, &named(&right));
    bench.ok(&["check", "bucket"]);
}

#[test]
fn what_may_not_be_done_is_told_at_once() {
    let bench = Bench::new();
    let proxy = Proxy::start(bench.server.address());
    proxy.plan(|_| Fault::Status(403, "AccessDenied"));
    bench.configure(&proxy.endpoint());
    all_say(&bench, 1, &["AccessDenied", "s3:ListBucket"]);
    assert!(proxy.count() < 30, "{} requests", proxy.count());
}
