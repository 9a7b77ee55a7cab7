//! Streams in pieces of any size, keys of every kind, and the age program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
};

use hayloft_encryptor_age::{Age, Config};
use hayloft_plugin_api::{Codec, Encryptor, ErrorKind, Op, Result, StreamOptions};
use proptest::prelude::*;

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

fn with_keys(recipients: &[usize], identities: &[&str]) -> Age {
    let config = Config {
        recipient: recipients.iter().map(|n| KEYS.public[*n].clone()).collect(),
        identity_file: identities.iter().map(|name| path(name)).collect(),
        ..Config::default()
    };
    Age::new(config).unwrap()
}

fn with_passphrase(file: &Path) -> Age {
    let config =
        Config { passphrase_file: Some(file.to_owned()), work_factor: 10, ..Config::default() };
    Age::new(config).unwrap()
}

/// Feeds `input` in pieces of `cut` bytes and takes the output in pieces of
/// `room` bytes.
fn run(
    mut codec: Box<dyn Codec>,
    input: &[u8],
    (cut, room): (usize, usize),
    flush: bool,
) -> Result<Vec<u8>> {
    let (mut output, mut all) = (vec![0; room], Vec::new());
    let mut drive = |mut piece: &[u8], op: Op| -> Result<()> {
        loop {
            let step = codec.step(piece, &mut output, op)?;
            all.extend_from_slice(&output[..step.produced]);
            piece = &piece[step.consumed..];
            if step.done || (op == Op::RUN && piece.is_empty() && step.produced < room) {
                return Ok(());
            }
            assert!(step.consumed + step.produced > 0, "no progress");
        }
    };
    for piece in input.chunks(cut) {
        drive(piece, if flush { Op::FLUSH } else { Op::RUN })?;
    }
    drive(&[], Op::FINISH)?;
    Ok(all)
}

const USUAL: (usize, usize) = (256 << 10, 256 << 10);

fn encrypt(age: &Age, input: &[u8]) -> Vec<u8> {
    run(age.encoder(StreamOptions::default()).unwrap(), input, USUAL, false).unwrap()
}

fn decrypt(age: &Age, input: &[u8]) -> Result<Vec<u8>> {
    run(age.decoder()?, input, USUAL, false)
}

fn sample(length: usize) -> Vec<u8> {
    (0_u64..).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 11).to_le_bytes()[0]).take(length).collect()
}

fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect(program);
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encrypted_is_decrypted_in_pieces_of_any_size(
        length in prop_oneof![0_usize..300_000, Just(65_536), Just(131_072), Just(0)],
        sizes in (1_usize..140_000, 1_usize..140_000),
        flush in any::<bool>(),
    ) {
        let age = with_keys(&[0], &["one"]);
        let input = sample(length);
        let encoder = age.encoder(StreamOptions::default()).unwrap();
        let encrypted = run(encoder, &input, sizes, flush).unwrap();
        let decrypted = run(age.decoder().unwrap(), &encrypted, sizes, false).unwrap();
        prop_assert!(decrypted == input);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let age = with_keys(&[0], &["one"]);
        let headed = [b"age-encryption.org/v1\n-> X25519 ", bytes.as_slice(), b"\n--- "].concat();
        for input in [bytes, headed] {
            prop_assert_eq!(decrypt(&age, &input).unwrap_err().kind(), ErrorKind::CORRUPT);
        }
    }
}

#[test]
fn buffers_of_one_byte_are_enough() {
    let age = with_keys(&[0], &["one"]);
    for length in [0, 1, 70_000] {
        let input = sample(length);
        let encoder = age.encoder(StreamOptions::default()).unwrap();
        let encrypted = run(encoder, &input, (1, 1), false).unwrap();
        assert!(run(age.decoder().unwrap(), &encrypted, (1, 1), false).unwrap() == input);
    }
}

#[test]
fn each_recipient_can_decrypt_and_nobody_else() {
    let both = encrypt(&with_keys(&[0, 1], &[]), b"hay");
    let second = encrypt(&with_keys(&[1], &[]), b"hay");
    for identity in ["one", "two"] {
        assert_eq!(decrypt(&with_keys(&[], &[identity]), &both).unwrap(), b"hay");
    }
    assert_eq!(decrypt(&with_keys(&[], &["one", "two"]), &second).unwrap(), b"hay");
    let error = decrypt(&with_keys(&[], &["one"]), &second).unwrap_err();
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
    let age = Age::new(config).unwrap();
    fs::write(&file, format!("# ours\n\n{}\n  {}\n", KEYS.public[0], KEYS.public[1])).unwrap();
    let encrypted = encrypt(&age, b"hay");
    assert_eq!(decrypt(&with_keys(&[], &["two"]), &encrypted).unwrap(), b"hay");
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
    let age = Age::new(config).unwrap();
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
        let error = Age::new(config.clone()).unwrap().decoder().err().unwrap();
        assert!(error.message().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[test]
fn a_passphrase_opens_what_it_closed_and_another_one_does_not() {
    let age = with_passphrase(&path("passphrase"));
    let encrypted = encrypt(&age, b"hay");
    assert_eq!(decrypt(&age, &encrypted).unwrap(), b"hay");
    let command = Config {
        passphrase_command: Some("echo correct\u{20}horse".to_owned()),
        ..Config::default()
    };
    assert_eq!(decrypt(&Age::new(command).unwrap(), &encrypted).unwrap(), b"hay");
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other");
    fs::write(&other, "battery staple\n").unwrap();
    private(&other);
    let error = decrypt(&with_passphrase(&other), &encrypted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn a_stream_that_is_cut_off_anywhere_is_corrupt() {
    let age = with_keys(&[0], &["one"]);
    for length in [0, 3000, 131_072] {
        let encrypted = encrypt(&age, &sample(length));
        let chunks = (1..3).map(|n| encrypted.len().saturating_sub(n * 65_552));
        for end in (0..encrypted.len()).step_by(997).chain(0..250).chain(chunks) {
            let end = end.min(encrypted.len() - 1);
            let error = decrypt(&age, &encrypted[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CORRUPT, "{end} of {}", encrypted.len());
        }
    }
}

#[test]
fn a_flipped_bit_or_a_byte_more_is_never_decrypted_to_something_else() {
    let age = with_keys(&[0], &["one"]);
    let encrypted = encrypt(&age, &sample(300));
    for bit in 0..encrypted.len() * 8 {
        let mut damaged = encrypted.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let kind = decrypt(&age, &damaged).unwrap_err().kind();
        // Which key opens it stands in the header, and can be damaged too.
        assert!(matches!(kind, ErrorKind::CORRUPT | ErrorKind::NOT_FOUND), "bit {bit}: {kind:?}");
    }
    for length in [0, 300, 65_536] {
        let mut longer = encrypt(&age, &sample(length));
        longer.push(0);
        assert_eq!(decrypt(&age, &longer).unwrap_err().kind(), ErrorKind::CORRUPT);
    }
}

#[test]
fn the_age_program_and_this_read_each_other() {
    let age = with_keys(&[0, 1], &["one"]);
    let identity = path("two");
    for length in [0, 1, 65_536, 1_000_000] {
        let input = sample(length);
        let encrypted = encrypt(&age, &input);
        let arguments = ["-d", "-i", identity.to_str().unwrap()];
        assert!(pipe("age", &arguments, &encrypted) == input);
        let encrypted = pipe("age", &["-r", &KEYS.public[1], "-r", &KEYS.public[0]], &input);
        assert!(decrypt(&age, &encrypted).unwrap() == input);
    }
}
