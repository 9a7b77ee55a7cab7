//! What is wrong in the configuration is found where it is.

use hayloft_plugin_api::{Configuration, Diagnostic, conformance::Section};
use hayloft_storage_object_store::config::{AzureConfig, GcsConfig, HttpConfig, S3Config};

fn good() -> Section {
    Section::new("storage").set("bucket", "backups")
}

fn with_keys() -> Section {
    good().set("access_key_id", "A").set("password", "secret-word")
}

/// The path of the first thing that is wrong, and what is said of it.
fn wrong(section: &Section) -> Option<(String, String, u32)> {
    wrong_in::<S3Config>(section)
}

fn wrong_in<C: Configuration>(section: &Section) -> Option<(String, String, u32)> {
    let decoded = C::decode(section.node());
    assert_eq!(decoded.value.is_none(), decoded.diagnostics.iter().any(Diagnostic::is_error));
    let first = decoded.diagnostics.into_iter().next()?;
    assert!(!format!("{first:?}").contains("secret-word"), "{first:?}");
    let said = format!("{} {}", first.message, first.help.unwrap_or_default());
    Some((first.path, said, first.position.line))
}

#[test]
fn good_sections_are_good() {
    let sections = [
        good(),
        with_keys(),
        good().set("profile", "backup"),
        good().set("endpoint", "http://127.0.0.1:9000").set("path_style", "N"),
        good().set("encryption", "aws:kms").set("kms_key_id", "k").set("prefix", "a/b/"),
        good().set("endpoint", "https://h").set("payload_signing", "N").set("checksum", "sha256"),
        good().set("part_size", "8 MB").set("concurrency", 16).set("rate_limit", "20 MB"),
        good().set("timeout", "10m").set("retries", 0).set("abandoned_after", "1d"),
    ];
    for section in sections {
        assert_eq!(wrong(&section), None, "{section:?}");
    }
}

#[test]
fn every_wrong_element_is_named_with_its_line() {
    let cases = [
        (Section::new("storage"), "", "<bucket> is missing"),
        (Section::new("storage").set("bucket", "a/b"), "bucket", "is no such name"),
        (good().set("endpoint", "example.com"), "endpoint", "does not begin with https"),
        (good().set("endpoint", "http://example.com"), "endpoint", "use https://"),
        (good().set("region", "eu west"), "region", "is no such name"),
        (good().set("prefix", "/a"), "prefix", "cannot be what keys begin with"),
        (good().set("path_style", "maybe"), "path_style", "maybe"),
        (good().set("access_key_id", "A"), "access_key_id", "its secret is missing"),
        (good().set("password_file", "/x"), "password_file", "<access_key_id> is missing"),
        (with_keys().set("password_env", "X"), "password_env", "one place only"),
        (with_keys().set("profile", "p"), "profile", "takes its place"),
        (good().set("access_key_id", "A B").set("password", "x"), "access_key_id", "no blanks"),
        (good().set("storage_class", "COLD STORE"), "storage_class", "is no such name"),
        (good().set("encryption", "rot13"), "encryption", "none of"),
        (good().set("kms_key_id", "k"), "kms_key_id", "aws:kms"),
        (good().set("checksum", "md5"), "checksum", "none of"),
        (
            good().set("endpoint", "http://localhost:1").set("payload_signing", "N"),
            "payload_signing",
            "must be signed",
        ),
        (
            good().set("checksum", "none").set("payload_signing", "N"),
            "payload_signing",
            "would not be noticed",
        ),
        (good().set("conditional_put", "auto"), "conditional_put", "auto"),
        (good().set("tags.tag.value", "v"), "tags/tag", "<name> is missing"),
        (good().set("tags.tag.name", "n".repeat(129)), "tags/tag", "1 to 128 characters"),
        (good().set("proxy", "host:1"), "proxy", "is no address"),
        (good().set("proxy", "http://u:secret-word@h"), "proxy", "no password in it"),
        (good().set("ca_file", "ca.pem"), "ca_file", "not an absolute path"),
        (good().set("concurrency", 0), "concurrency", "from 1 to 64"),
        (good().set("concurrency", "many"), "concurrency", "from 1 to 64"),
        (good().set("part_size", "1 MB"), "part_size", "between 5 MB and 1 GB"),
        (good().set("part_size", "big"), "part_size", "is not a size"),
        (good().set("rate_limit", "10"), "rate_limit", "takes for ever"),
        (good().set("timeout", "0"), "timeout", "is not a span of time"),
        (good().set("connect_timeout", "soon"), "connect_timeout", "is not a span of time"),
        (good().set("retries", 21), "retries", "from 0 to 20"),
        (good().set("check_uploads", "perhaps"), "check_uploads", "perhaps"),
        (good().set("abandoned_after", "-1d"), "abandoned_after", "is not a span of time"),
        (good().set("buckett", "x"), "buckett", "did you mean <bucket>?"),
        (good().set("part_sice", "5 MB"), "part_sice", "did you mean <part_size>?"),
    ];
    for (section, element, expected) in cases {
        named::<S3Config>(&section, element, expected);
    }
}

/// The first thing that is wrong is that element, and is said to be so.
fn named<C: Configuration>(section: &Section, element: &str, expected: &str) {
    let (path, said, line) = wrong_in::<C>(section).unwrap_or_default();
    let full = if element.is_empty() { String::new() } else { format!("/{element}") };
    assert_eq!(path, format!("storage{full}"), "{said}");
    assert!(said.contains(expected), "{path}: {said}");
    let first = element.split('/').next().unwrap_or_default();
    let node = section.node().child(first).unwrap_or(section.node());
    assert!(line >= node.position.line, "{path} is at line {line}");
}

fn azure() -> Section {
    Section::new("storage").set("account", "acc").set("container", "backups")
}

#[test]
fn good_and_wrong_sections_of_azure() {
    let client = || {
        let section = azure().set("authentication", "client_secret");
        section.set("client_id", "id").set("tenant_id", "us").set("password", "secret-word")
    };
    let good = [
        azure(),
        azure().set("password", "secret-word").set("access_tier", "Cool"),
        azure().set("authentication", "sas").set("password_file", "/etc/sas"),
        client().set("authority", "https://login.example.com"),
        azure().set("authentication", "workload_identity").set("token_file", "/run/token"),
        azure().set("authentication", "managed_identity").set("client_id", "id"),
        azure().set("endpoint", "http://127.0.0.1:10000/acc").set("concurrency", 8),
    ];
    for section in good {
        assert_eq!(wrong_in::<AzureConfig>(&section), None, "{section:?}");
    }
    let base = |account: &str, container: &str| {
        Section::new("storage").set("account", account).set("container", container)
    };
    let cases = [
        (Section::new("storage").set("account", "acc"), "", "<container> is missing"),
        (base("My-Account", "backups"), "account", "lower-case letters and digits"),
        (base("acc", "Back_ups"), "container", "is no container"),
        (base("acc", "a--b"), "container", "is no container"),
        (azure().set("endpoint", "http://example.com"), "endpoint", "use https://"),
        (azure().set("authentication", "magic"), "authentication", "none of"),
        (azure().set("authentication", "sas"), "authentication", "its secret is missing"),
        (
            azure().set("authentication", "client_secret").set("password", "x"),
            "authentication",
            "<client_id> is missing",
        ),
        (
            azure().set("authentication", "managed_identity").set("password_file", "/x"),
            "password_file",
            "takes no secret",
        ),
        (azure().set("password", "x").set("password_env", "X"), "password_env", "one place only"),
        (azure().set("tenant_id", "us"), "tenant_id", "another <authentication>"),
        (azure().set("client_id", "id"), "client_id", "another <authentication>"),
        (client().set("token_file", "/run/token"), "token_file", "another <authentication>"),
        (
            azure().set("authentication", "workload_identity").set("token_file", "token"),
            "token_file",
            "not an absolute path",
        ),
        (azure().set("access_tier", "Lukewarm"), "access_tier", "none of"),
        (azure().set("tags.tag.value", "v"), "tags/tag", "<name> is missing"),
        (azure().set("bucket", "x"), "bucket", "known here"),
        (azure().set("acount", "x"), "acount", "did you mean <account>?"),
        (azure().set("retries", 21), "retries", "from 0 to 20"),
    ];
    for (section, element, expected) in cases {
        named::<AzureConfig>(&section, element, expected);
    }
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let section = good().set("retries", 99).set("region", "a b").set("concurrency", 0);
    let decoded = S3Config::decode(section.node());
    let lines: Vec<_> = decoded.diagnostics.iter().map(|it| it.position.line).collect();
    assert_eq!(lines, [3, 4, 5], "{:?}", decoded.diagnostics);
}

#[test]
fn good_and_wrong_sections_of_gcs() {
    let good = [
        good(),
        good().set("credentials_file", "/etc/key.json").set("storage_class", "NEARLINE"),
        good().set("authentication", "metadata"),
        good().set("authentication", "none").set("endpoint", "http://localhost:4443"),
    ];
    for section in good {
        assert_eq!(wrong_in::<GcsConfig>(&section), None, "{section:?}");
    }
    let bucket = || Section::new("storage").set("bucket", "backups");
    let cases = [
        (Section::new("storage"), "", "<bucket> is missing"),
        (bucket().set("credentials_file", "key.json"), "credentials_file", "not an absolute path"),
        (bucket().set("authentication", "magic"), "authentication", "none of"),
        (bucket().set("authentication", "service_account"), "authentication", "key is missing"),
        (bucket().set("authentication", "none"), "authentication", "who we are"),
        (
            bucket().set("authentication", "metadata").set("credentials_file", "/x"),
            "credentials_file",
            "takes no file",
        ),
        (bucket().set("endpoint", "http://example.com"), "endpoint", "use https://"),
        (bucket().set("storage_class", "A B"), "storage_class", "is no such name"),
        (bucket().set("region", "x"), "region", "known here"),
        (bucket().set("part_size", "1 MB"), "part_size", "between 5 MB and 1 GB"),
    ];
    for (section, element, expected) in cases {
        named::<GcsConfig>(&section, element, expected);
    }
}

#[test]
fn good_and_wrong_sections_of_http() {
    let url = || Section::new("storage").set("url", "https://example.com/dav");
    let good =
        [url(), url().set("user", "me").set("password_file", "/etc/key"), url().set("prefix", "p")];
    for section in good {
        assert_eq!(wrong_in::<HttpConfig>(&section), None, "{section:?}");
    }
    let cases = [
        (Section::new("storage"), "", "<url> is missing"),
        (Section::new("storage").set("url", "example.com"), "url", "does not begin with https"),
        (Section::new("storage").set("url", "http://example.com/"), "url", "use https://"),
        (Section::new("storage").set("url", "https://u:secret-word@h"), "url", "no password in it"),
        (url().set("user", "me"), "user", "the password is missing"),
        (url().set("user", "a:b").set("password", "x"), "user", "no `:` in it"),
        (url().set("password", "secret-word"), "password", "<user> is missing"),
        (
            url().set("user", "me").set("password", "x").set("password_env", "X"),
            "password_env",
            "one place only",
        ),
        (url().set("bucket", "x"), "bucket", "known here"),
        (url().set("usr", "x"), "usr", "did you mean <user>?"),
    ];
    for (section, element, expected) in cases {
        named::<HttpConfig>(&section, element, expected);
    }
}
