//! The real gpg, with keys of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use hayloft_encryptor_gpg::{Config, Gpg};
use hayloft_plugin_api::{Codec, Encryptor, ErrorKind, Op, Result, StreamOptions};

/// A directory with a key of alice's without a passphrase and one of bob's
/// with one. gpg's agent ends when it is gone.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(empty_home());
        for (user, passphrase) in [("alice", ""), ("bob", "battery staple")] {
            let made = Command::new("gpg")
                .args(["--batch", "--pinentry-mode=loopback", "--passphrase", passphrase])
                .arg("--homedir")
                .arg(keys.0.path())
                .args(["--quick-gen-key", &format!("{user}@example.org"), "future-default"])
                .output()
                .expect("gpg");
            assert!(made.status.success(), "{made:?}");
        }
        keys.secret("bobs", "battery staple\n");
        keys.secret("shared", "correct horse\n");
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn config(&self, recipient: &[&str]) -> Config {
        Config {
            recipient: recipient.iter().map(ToString::to_string).collect(),
            homedir: Some(self.0.path().to_owned()),
            ..Config::default()
        }
    }

    fn alice(&self) -> Gpg {
        Gpg::new(self.config(&["alice@example.org"])).unwrap()
    }

    fn shared(&self) -> Config {
        Config { passphrase_file: Some(self.path("shared")), ..self.config(&[]) }
    }

    fn program(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .args(["--batch", "--no-tty", "--quiet", "--homedir"])
            .arg(self.0.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    }
}

fn empty_home() -> tempfile::TempDir {
    let home = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    home
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

fn encrypt(gpg: &Gpg, input: &[u8]) -> Result<Vec<u8>> {
    run(gpg.encoder(StreamOptions::default())?, input, USUAL, false)
}

fn decrypt(gpg: &Gpg, input: &[u8]) -> Result<Vec<u8>> {
    run(gpg.decoder()?, input, USUAL, false)
}

fn sample(length: usize) -> Vec<u8> {
    (0_u64..).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 11).to_le_bytes()[0]).take(length).collect()
}

#[test]
fn what_was_encrypted_is_decrypted_in_pieces_of_any_size() {
    let keys = Keys::new();
    let gpg = keys.alice();
    for length in [0, 1, 70_000, 3_000_000] {
        let input = sample(length);
        for sizes in [USUAL, (7777, 999), (1 << 20, 50), (50, 1 << 20)] {
            for flush in [false, true] {
                let encoder = gpg.encoder(StreamOptions::default()).unwrap();
                let encrypted = run(encoder, &input, sizes, flush).unwrap();
                let decoder = gpg.decoder().unwrap();
                assert!(run(decoder, &encrypted, sizes, false).unwrap() == input, "{sizes:?}");
            }
        }
        if length < 100 {
            let encoder = gpg.encoder(StreamOptions::default()).unwrap();
            let encrypted = run(encoder, &input, (1, 1), false).unwrap();
            assert!(run(gpg.decoder().unwrap(), &encrypted, (1, 1), false).unwrap() == input);
        }
    }
}

#[test]
fn the_gpg_program_and_this_read_each_other() {
    let keys = Keys::new();
    let input = sample(1_000_000);
    let encrypted = encrypt(&keys.alice(), &input).unwrap();
    assert!(keys.program(&["--decrypt"], &encrypted) == input);
    for more in [&["--compress-algo=zlib"][..], &["--armor"], &["--rfc4880"]] {
        let arguments = [more, &["--encrypt", "--recipient=alice@example.org"]].concat();
        let encrypted = keys.program(&arguments, &input);
        assert!(decrypt(&keys.alice(), &encrypted).unwrap() == input, "{more:?}");
    }
}

#[test]
fn a_secret_key_with_a_passphrase_is_opened_with_it_and_not_without() {
    let keys = Keys::new();
    let bob = Config { recipient: vec!["bob@example.org".to_owned()], ..keys.config(&[]) };
    let encrypted = encrypt(&Gpg::new(bob.clone()).unwrap(), b"hay").unwrap();
    // The agent must not remember what it was told when the key was made.
    let mut forget = Command::new("gpgconf");
    forget.arg("--homedir").arg(keys.0.path()).args(["--reload", "gpg-agent"]);
    assert!(forget.status().unwrap().success());
    let wrong = Config { passphrase_file: Some(keys.path("shared")), ..bob.clone() };
    let error = decrypt(&Gpg::new(wrong).unwrap(), &encrypted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND, "{error}");
    let right = Config { passphrase_file: Some(keys.path("bobs")), ..bob };
    assert_eq!(decrypt(&Gpg::new(right).unwrap(), &encrypted).unwrap(), b"hay");
}

#[test]
fn a_passphrase_alone_encrypts_and_decrypts() {
    let keys = Keys::new();
    let gpg = Gpg::new(keys.shared()).unwrap();
    for length in [0, 300_000] {
        let input = sample(length);
        let encrypted = encrypt(&gpg, &input).unwrap();
        assert!(decrypt(&gpg, &encrypted).unwrap() == input);
    }
    let encrypted = encrypt(&gpg, b"hay").unwrap();
    let command =
        Config { passphrase_command: Some("echo battery".to_owned()), ..keys.config(&[]) };
    let error = decrypt(&Gpg::new(command).unwrap(), &encrypted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    let file = keys.secret("readable", "x\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let gpg = Gpg::new(Config { passphrase_file: Some(file), ..keys.config(&[]) }).unwrap();
    assert_eq!(encrypt(&gpg, b"").unwrap_err().kind(), ErrorKind::PERMISSION);
}

#[test]
fn who_has_no_secret_key_is_told_so() {
    let keys = Keys::new();
    let empty = empty_home();
    let encrypted = encrypt(&keys.alice(), &sample(1_000_000)).unwrap();
    let other =
        Config { homedir: Some(empty.path().to_owned()), ..keys.config(&["alice@example.org"]) };
    let other = Gpg::new(other).unwrap();
    let error = decrypt(&other, &encrypted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    assert!(error.to_string().contains("No secret key"), "{error}");
    let error = encrypt(&other, &sample(3_000_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
    assert!(error.remedy().unwrap().contains("gpg --import"));
}

#[test]
fn recipients_are_never_options_and_unknown_ones_are_named() {
    let keys = Keys::new();
    for name in ["-x", "--output=/tmp/x", "nobody@example.org"] {
        let error = encrypt(&Gpg::new(keys.config(&[name])).unwrap(), b"hay").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CONFIGURATION, "{error}");
        assert_eq!(error.message(), format!("gpg does not encrypt for {name}"));
    }
}

#[test]
fn a_key_that_is_not_trusted_is_refused_unless_that_is_wanted() {
    let keys = Keys::new();
    let other = empty_home();
    let key = keys.program(&["--export", "alice@example.org"], b"");
    let file = other.path().join("alice");
    fs::write(&file, key).unwrap();
    let imported = Command::new("gpg")
        .args(["--batch", "--quiet", "--homedir"])
        .arg(other.path())
        .arg("--import")
        .arg(&file)
        .status();
    assert!(imported.unwrap().success());
    let homedir = Some(other.path().to_owned());
    let strict = Config { homedir, ..keys.config(&["alice@example.org"]) };
    let error = encrypt(&Gpg::new(strict.clone()).unwrap(), b"hay").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
    assert!(error.remedy().unwrap().contains("<trust_model>always</trust_model>"));
    let trusting = Config { trust_model: Some("always".to_owned()), ..strict };
    let encrypted = encrypt(&Gpg::new(trusting).unwrap(), b"hay").unwrap();
    assert_eq!(decrypt(&keys.alice(), &encrypted).unwrap(), b"hay");
}

#[test]
fn a_stream_that_is_cut_off_damaged_or_none_is_corrupt() {
    let keys = Keys::new();
    let gpg = keys.alice();
    let encrypted = encrypt(&gpg, &sample(100_000)).unwrap();
    let mut streams: Vec<Vec<u8>> = [0, 1, 10, 100, 300, 500, 50_000]
        .into_iter()
        .chain([encrypted.len() - 1])
        .map(|end| encrypted[..end].to_vec())
        .collect();
    streams.push([encrypted.as_slice(), b"garbage"].concat());
    streams.push(sample(50_000));
    streams.push(vec![0; 5000]);
    streams.push(b"hello world\n".to_vec());
    // Not encrypted at all, but OpenPGP.
    streams.push(keys.program(&["--store"], b"hay"));
    for stream in streams {
        let error = decrypt(&gpg, &stream).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CORRUPT, "{} bytes: {error}", stream.len());
    }
    for byte in (600..encrypted.len()).step_by(9999) {
        let mut damaged = encrypted.clone();
        damaged[byte] ^= 4;
        assert_eq!(decrypt(&gpg, &damaged).unwrap_err().kind(), ErrorKind::CORRUPT, "{byte}");
    }
}

#[test]
fn without_the_program_the_error_says_what_to_install() {
    let keys = Keys::new();
    let config = Config { program: "/nonexistent/gpg".to_owned(), ..keys.config(&["alice"]) };
    let error = encrypt(&Gpg::new(config).unwrap(), b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    assert_eq!(error.message(), "cannot run /nonexistent/gpg");
    assert!(error.remedy().unwrap().contains("install GnuPG"));
}

#[test]
fn a_dropped_stream_leaves_no_process_and_no_secret_is_an_argument() {
    let keys = Keys::new();
    let slow = keys.path("slow-gpg");
    let written = Command::new("sh")
        .args(["-c", "printf '%s' \"$2\" > \"$1\"; chmod 755 \"$1\"", "sh"])
        .arg(&slow)
        .arg("#!/bin/sh\necho \"$$ $*\" > \"$0.log\"\nexec sleep 100\n")
        .status();
    assert!(written.unwrap().success());
    let config = Config { program: slow.display().to_string(), ..keys.shared() };
    let mut codec = Gpg::new(config).unwrap().encoder(StreamOptions::default()).unwrap();
    codec.step(b"hay", &mut [0; 10], Op::RUN).unwrap();
    let log = keys.path("slow-gpg.log");
    let said = wait_for(&log);
    drop(codec);
    assert!(!said.contains("correct horse"));
    let pid = said.split(' ').next().unwrap();
    assert!(!Path::new("/proc").join(pid).exists());
}

fn wait_for(file: &Path) -> String {
    for _ in 0..500 {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    String::new()
}
