//! Streams in pieces of any size, keys of every kind, and the age program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use hayloft_encryptor_age::{Age, Config};
use hayloft_plugin_api::{
    Encryptor, ErrorKind, StreamOptions,
    conformance::codecs::{Codecs, Properties, noise},
};

struct Keys {
    directory: tempfile::TempDir,
    public: Vec<String>,
}

/// Two pairs of keys, made by age-keygen.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let public = ["one", "two"].map(|name| {
        let path = directory.path().join(name);
        let made = Command::new("age-keygen").arg("-o").arg(&path).output().expect("age-keygen");
        assert!(made.status.success(), "{made:?}");
        let text = fs::read_to_string(&path).unwrap();
        let key = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        key.to_owned()
    });
    fs::write(directory.path().join("passphrase"), "correct horse\n").unwrap();
    private(&directory.path().join("passphrase"));
    Keys { directory, public: public.into() }
});

fn private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn path(name: &str) -> PathBuf {
    KEYS.directory.path().join(name)
}

fn with(config: Config) -> Codecs {
    Codecs::encryptor(Age::new(config).unwrap())
}

fn with_keys(recipients: &[usize], identities: &[&str]) -> Codecs {
    let config = Config {
        recipient: recipients.iter().map(|n| KEYS.public[*n].clone()).collect(),
        identity_file: identities.iter().map(|name| path(name)).collect(),
        ..Config::default()
    };
    with(config)
}

fn with_passphrase(file: &Path) -> Codecs {
    let config =
        Config { passphrase_file: Some(file.to_owned()), work_factor: 10, ..Config::default() };
    with(config)
}

fn encrypt(age: &Codecs, input: &[u8]) -> Vec<u8> {
    age.encode(input, StreamOptions::default()).unwrap()
}

#[test]
fn whatever_happens_to_a_stream_is_noticed() {
    with_keys(&[0], &["one"]).assert_properties(&Properties {
        cases: 40,
        header: b"age-encryption.org/v1\n-> X25519 ",
        trailer: b"\n--- ",
        cut_off: &[0, 3000, 131_072],
        flipped: 300,
        ..Properties::default()
    });
}

#[test]
fn each_recipient_can_decrypt_and_nobody_else() {
    let both = encrypt(&with_keys(&[0, 1], &[]), b"hay");
    let second = encrypt(&with_keys(&[1], &[]), b"hay");
    for identity in ["one", "two"] {
        assert_eq!(with_keys(&[], &[identity]).decode(&both).unwrap(), b"hay");
    }
    assert_eq!(with_keys(&[], &["one", "two"]).decode(&second).unwrap(), b"hay");
    let error = with_keys(&[], &["one"]).decode(&second).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    assert!(error.remedy().is_some());
}

#[test]
fn without_an_identity_decrypting_says_so_and_without_a_recipient_encrypting() {
    let error = with_keys(&[0], &[]).decoder().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    assert!(error.remedy().unwrap().contains("<identity_file>"));
    let error = with_keys(&[], &["one"]).encoder(StreamOptions::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
    assert!(error.remedy().unwrap().contains("<recipient>"));
}

#[test]
fn recipients_come_from_files_too_and_a_bad_line_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recipients");
    let config = Config { recipients_file: vec![file.clone()], ..Config::default() };
    let age = with(config);
    fs::write(&file, format!("# ours\n\n{}\n  {}\n", KEYS.public[0], KEYS.public[1])).unwrap();
    let encrypted = encrypt(&age, b"hay");
    assert_eq!(with_keys(&[], &["two"]).decode(&encrypted).unwrap(), b"hay");
    let cases = [
        (format!("{}\nage1bob\n", KEYS.public[0]), "line 2 of"),
        ("# nobody\n".to_owned(), "has no public key in it"),
    ];
    for (text, expected) in cases {
        fs::write(&file, text).unwrap();
        let error = age.encoder(StreamOptions::default()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
    fs::remove_file(&file).unwrap();
    let error = age.encoder(StreamOptions::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity");
    fs::copy(path("one"), &file).unwrap();
    let config = Config { identity_file: vec![file.clone()], ..Config::default() };
    let age = with(config);
    for (mode, good) in [(0o600, true), (0o400, true), (0o644, false), (0o660, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let result = age.decoder();
        assert_eq!(result.is_ok(), good, "{mode:o}");
        assert!(result.err().is_none_or(|e| e.kind() == ErrorKind::PERMISSION));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = with_passphrase(&file).encoder(StreamOptions::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PERMISSION);
}

#[test]
fn identity_files_that_are_none_are_named_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity");
    let config = Config { identity_file: vec![file.clone()], ..Config::default() };
    let cases = [
        ("s3cret", "cannot be used"),
        ("# nothing\n", "has no secret key in it"),
        ("age-encryption.org/v1\n-> scrypt", "is itself encrypted"),
    ];
    for (text, expected) in cases {
        fs::write(&file, text).unwrap();
        private(&file);
        let error = with(config.clone()).decoder().err().unwrap();
        assert!(error.message().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[test]
fn a_passphrase_opens_what_it_closed_and_another_one_does_not() {
    let age = with_passphrase(&path("passphrase"));
    let encrypted = encrypt(&age, b"hay");
    assert_eq!(age.decode(&encrypted).unwrap(), b"hay");
    let command = Config {
        passphrase_command: Some("echo correct\u{20}horse".to_owned()),
        ..Config::default()
    };
    assert_eq!(with(command).decode(&encrypted).unwrap(), b"hay");
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other");
    fs::write(&other, "battery staple\n").unwrap();
    private(&other);
    let error = with_passphrase(&other).decode(&encrypted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn a_stream_that_ends_exactly_between_two_chunks_is_corrupt() {
    let age = with_keys(&[0], &["one"]);
    let encrypted = encrypt(&age, &noise(131_072));
    age.assert_cut_off(&encrypted, [1, 2].map(|n| encrypted.len() - n * 65_552));
}

#[test]
fn a_byte_more_is_noticed() {
    let age = with_keys(&[0], &["one"]);
    for length in [0, 300, 65_536] {
        let mut longer = encrypt(&age, &noise(length));
        longer.push(0);
        assert_eq!(age.decode(&longer).unwrap_err().kind(), ErrorKind::CORRUPT);
    }
}

#[test]
fn the_age_program_and_this_read_each_other() {
    let age = with_keys(&[0, 1], &["one"]);
    let identity = path("two");
    let decrypt = ["age", "-d", "-i", identity.to_str().unwrap()];
    let encrypt = ["age", "-r", &KEYS.public[1], "-r", &KEYS.public[0]];
    let lengths = [0, 1, 65_536, 1_000_000];
    age.assert_read_by(&[&decrypt], &lengths, &[]);
    for length in lengths {
        age.assert_reads(&[&encrypt], length);
    }
}
