//! Staged files are encrypted with the real gpg and with age, and come back.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "encrypt/compression.rs"]
mod compression;
#[path = "encrypt/disk.rs"]
mod disk;
#[path = "encrypt/order.rs"]
mod order;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hayloft_tests::{
    Sandbox,
    chaos::{noise, power_cut},
};

const TODAY: &str = "2026/11/17";
const ENCRYPT: &[&str] = &["--config", "hayloft.xml", "run", "encrypt"];

/// A staging area, gpg keys of backup@example.org, and a configuration.
fn sandbox(encrypt: &str, more: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    for directory in ["working", "collect", "objects"] {
        sandbox.dir(directory);
    }
    sandbox.dir(&format!("staging/{TODAY}/box"));
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><name>box</name><type>local</type><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <encrypt>{encrypt}</encrypt>{more}
</cb_config>\n"
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

const GPG: &str =
    "<encrypt_mode>gpg</encrypt_mode><encrypt_target>backup@example.org</encrypt_target>";

fn with_gpg() -> Sandbox {
    let mut sandbox = sandbox(GPG, "");
    make_key(&mut sandbox, "backup@example.org");
    sandbox
}

fn make_key(sandbox: &mut Sandbox, user: &str) {
    let home = sandbox.dir("gnupg");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.env("GNUPGHOME", home.to_str().unwrap());
    let made = Command::new("gpg")
        .args(["--batch", "--pinentry-mode=loopback", "--passphrase", "", "--homedir"])
        .arg(&home)
        .args(["--quick-gen-key", user, "future-default"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn staged(sandbox: &Sandbox, name: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
    let path = sandbox.path(format!("staging/{TODAY}/box")).join(Path::new(name.as_ref()));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    sandbox.names(&format!("staging/{TODAY}/box"))
}

/// The names of all files but indicators.
fn data(sandbox: &Sandbox) -> Vec<String> {
    names(sandbox).into_iter().filter(|it| !it.starts_with("cback.")).collect()
}

fn marked(sandbox: &Sandbox) -> bool {
    sandbox.path(format!("staging/{TODAY}/cback.encrypt")).is_file()
}

/// What gpg itself makes of a file.
fn opened(sandbox: &Sandbox, path: &Path) -> Option<Vec<u8>> {
    let output = Command::new("gpg")
        .args(["--batch", "--quiet", "--homedir"])
        .arg(sandbox.path("gnupg"))
        .arg("--decrypt")
        .arg(path)
        .output()
        .unwrap();
    output.status.success().then_some(output.stdout)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn encrypted_by_gpg(sandbox: &Sandbox, content: &[u8]) -> Vec<u8> {
    encrypted(sandbox, &[], content)
}

/// Somebody whose secret key is gone.
const AGE_RECIPIENT: &str = "age1zs44wvlw3ym5qyfwktcj6ztnwfzl2p9wfcy790vhy8ehcdxyyynsuv7852";

fn encrypted_by_age(sandbox: &Sandbox, options: &[&str], content: &[u8]) -> Vec<u8> {
    let plain = sandbox.path("plain");
    fs::write(&plain, content).unwrap();
    let made = Command::new("age").args(options).args(["-r", AGE_RECIPIENT]).arg(plain).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

fn encrypted(sandbox: &Sandbox, options: &[&str], content: &[u8]) -> Vec<u8> {
    let (plain, out) = (sandbox.path("plain"), sandbox.path("plain.gpg"));
    fs::write(&plain, content).unwrap();
    let status = Command::new("gpg")
        .args(["--batch", "--yes", "--homedir"])
        .arg(sandbox.path("gnupg"))
        .args(options)
        .args(["-e", "-r", "backup@example.org", "-o"])
        .args([&out, &plain])
        .status();
    assert!(status.unwrap().success());
    fs::read(out).unwrap()
}

#[test]
fn all_files_of_all_days_are_encrypted_and_nothing_clear_stays() {
    let sandbox = with_gpg();
    let odd: [&[u8]; 6] =
        [b"a.tar.gz", b"new\nline", b"latin-\xe9\xff", b"-rf", b"a+b[c].*", b"empty"];
    for (seed, name) in (1..).zip(odd) {
        let length = if name == b"empty" { 0 } else { 100_000 };
        staged(&sandbox, OsStr::from_bytes(name), &noise(length, seed));
    }
    staged(&sandbox, "deeper/b.tar", b"deep");
    staged(&sandbox, "cback.collect", b"");
    sandbox.write("staging/2026/11/02/old/x.tar", "older");

    sandbox.ok(ENCRYPT).says("8 files of 2 days encrypted");

    for (seed, name) in (1..).zip(odd) {
        let path = sandbox.path(format!("staging/{TODAY}/box")).join(OsStr::from_bytes(name));
        let length = if name == b"empty" { 0 } else { 100_000 };
        assert!(!path.exists());
        let path = with_suffix(&path, ".gpg");
        assert_eq!(opened(&sandbox, &path).unwrap(), noise(length, seed), "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(sandbox.names(&format!("staging/{TODAY}/box/deeper")), ["b.tar.gpg"]);
    assert_eq!(sandbox.names("staging/2026/11/02/old"), ["x.tar.gpg"]);
    assert!(marked(&sandbox) && sandbox.path("staging/2026/11/02/cback.encrypt").exists());
    assert!(names(&sandbox).contains(&"cback.collect".to_owned()));

    let before = names(&sandbox);
    sandbox.ok(ENCRYPT).says("0 files of 0 days");
    assert_eq!(names(&sandbox), before);

    // And back, a day and a single file.
    sandbox.ok(&["--config", "hayloft.xml", "decrypt", "--into", "out", "2026-11-17"]);
    for (seed, name) in (1..).zip(odd) {
        let length = if name == b"empty" { 0 } else { 100_000 };
        let path = sandbox.path("out/box").join(OsStr::from_bytes(name));
        assert_eq!(fs::read(path).unwrap(), noise(length, seed));
    }
    let one = format!("staging/{TODAY}/box/a.tar.gz.gpg");
    sandbox.ok(&["decrypt", "--into", "out2", &one]);
    assert_eq!(fs::read(sandbox.path("out2/a.tar.gz")).unwrap(), noise(100_000, 1));
    sandbox.run(&["decrypt", "--into", "out2", &one]).exits(1).complains("is there already");
}

#[test]
fn a_recipient_whom_gpg_does_not_know_is_noticed_before_anything_is_touched() {
    let sandbox = with_gpg();
    let text = sandbox.read("hayloft.xml").replace("backup@example.org", "nobody@example.org");
    sandbox.write("hayloft.xml", &text);
    staged(&sandbox, "a", b"clear");
    sandbox.run(ENCRYPT).exits(1).complains("gpg cannot encrypt for nobody@example.org");
    assert_eq!(names(&sandbox), ["a"]);
    assert!(!marked(&sandbox));
}

#[test]
fn what_is_encrypted_already_is_not_encrypted_again_whatever_it_is_called() {
    let sandbox = with_gpg();
    let secret = encrypted_by_gpg(&sandbox, b"secret");
    staged(&sandbox, "named.gpg", &secret);
    staged(&sandbox, "disguised.bin", &secret);
    let armoured = encrypted(&sandbox, &["--armor"], &noise(50_000, 3));
    staged(&sandbox, "armoured.asc", &armoured);
    staged(&sandbox, "armoured.asc_00000", &armoured[..20_000]);
    staged(&sandbox, "aged", &encrypted_by_age(&sandbox, &[], b"secret"));
    staged(&sandbox, "aged.asc", &encrypted_by_age(&sandbox, &["--armor"], &noise(50_000, 4)));
    staged(&sandbox, "plain.gpg", b"not encrypted at all");
    staged(&sandbox, "split.gpg_00000", &secret[..20]);
    let path = staged(&sandbox, "big.gpg_00000", &encrypted_by_gpg(&sandbox, &noise(5000, 1)));
    staged(&sandbox, "big.gpg_00001", &noise(100, 2));
    sandbox.ok(ENCRYPT).says("2 files of 1 day encrypted");
    let expected = [
        "aged",
        "aged.asc",
        "armoured.asc",
        "armoured.asc_00000",
        "big.gpg_00000",
        "big.gpg_00001",
        "disguised.bin",
        "named.gpg",
        "plain.gpg.gpg",
        "split.gpg_00000.gpg",
    ];
    assert_eq!(names(&sandbox), expected);
    let opened = opened(&sandbox, &path.with_file_name("plain.gpg.gpg"));
    assert_eq!(opened.unwrap(), b"not encrypted at all");
}

#[test]
fn what_only_begins_like_an_encrypted_file_is_clear_text() {
    let sandbox = with_gpg();
    let armoured = encrypted(&sandbox, &["--armor"], b"secret");
    let cases: [(&str, &[u8]); 5] = [
        ("letter.asc", b"-----BEGIN PGP MESSAGE-----\n\nis how messages begin, my dear\n"),
        ("behind.asc", &[&armoured[..], b"and in clear: secret\n"].concat()),
        ("age.txt", b"age-encryption.org/v1\nis a page that I have read\n"),
        ("headless.age", b"age-encryption.org/v1\n-> X25519 x\n"),
        ("signed.asc", b"-----BEGIN PGP SIGNED MESSAGE-----\n\nclear\n"),
    ];
    for (name, content) in cases {
        staged(&sandbox, name, content);
    }
    sandbox.ok(ENCRYPT).says("5 files of 1 day encrypted");
    for (name, content) in cases {
        let path = sandbox.path(format!("staging/{TODAY}/box/{name}"));
        assert!(!path.exists());
        assert_eq!(opened(&sandbox, &with_suffix(&path, ".gpg")).unwrap(), content, "{name}");
    }
}

#[test]
fn clear_text_that_a_killed_run_left_goes_and_what_is_being_written_is_named() {
    let sandbox = with_gpg();
    staged(&sandbox, "a", b"clear");
    sandbox.ok(ENCRYPT);
    // All is encrypted, so nothing is written beside these.
    staged(&sandbox, ".hayloft-4194301-0-b", b"half of a clear file");
    sandbox.write(&format!("staging/{TODAY}/.hayloft-stage-0/c"), "what a killed stage copied");
    sandbox.ok(&["--config", "hayloft.xml", "run", "--dry-run", "encrypt"]);
    assert_eq!(names(&sandbox), [".hayloft-4194301-0-b", "a.gpg"]);
    sandbox.ok(ENCRYPT);
    assert_eq!(names(&sandbox), ["a.gpg"]);
    assert_eq!(sandbox.names(&format!("staging/{TODAY}")), ["box", "cback.encrypt"]);

    let written = staged(&sandbox, ".hayloft-4194301-0-b", b"half of a clear file");
    let held = fs::File::open(&written).unwrap();
    held.lock().unwrap();
    sandbox.run(ENCRYPT).exits(7).complains(".hayloft-4194301-0-b is being written");
    assert!(written.exists());
}

#[test]
fn a_state_that_is_lost_or_means_ill_neither_hangs_nor_harms() {
    let sandbox = with_gpg();
    let state = sandbox.path("working/hayloft/state/encrypt/days");
    staged(&sandbox, "0", b"0");
    sandbox.ok(ENCRYPT);
    let whole = fs::read(&state).unwrap();
    let makes: [&dyn Fn(); 5] = [
        &|| {},
        &|| fs::write(&state, &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(&state, vec![b'['; 1 << 20]).unwrap(),
        &|| std::os::unix::fs::symlink("/dev/zero", &state).unwrap(),
        &|| assert!(Command::new("mkfifo").arg(&state).status().unwrap().success()),
    ];
    for (at, make) in (1..).zip(makes) {
        fs::remove_file(&state).unwrap();
        make();
        let path = staged(&sandbox, at.to_string(), at.to_string().as_bytes());
        sandbox.ok(ENCRYPT).says("1 file of 1 day encrypted");
        assert_eq!(
            opened(&sandbox, &with_suffix(&path, ".gpg")).unwrap(),
            at.to_string().as_bytes()
        );
    }
    assert_eq!(names(&sandbox), ["0.gpg", "1.gpg", "2.gpg", "3.gpg", "4.gpg", "5.gpg"]);
}

#[test]
fn a_day_that_is_staged_again_is_encrypted_again() {
    let sandbox = with_gpg();
    sandbox.write("collect/a.tar", "first");
    sandbox.write("collect/cback.collect", "");
    let run = &["--config", "hayloft.xml", "run", "stage", "encrypt"];
    sandbox.ok(run);
    let target = sandbox.path(format!("staging/{TODAY}/box/a.tar.gpg"));
    assert_eq!(opened(&sandbox, &target).unwrap(), b"first");

    sandbox.write("collect/a.tar", "second, and longer");
    sandbox.ok(run);
    assert_eq!(data(&sandbox), ["a.tar.gpg"]);
    assert_eq!(opened(&sandbox, &target).unwrap(), b"second, and longer");

    // Somebody else stages, and leaves the indicator.
    staged(&sandbox, "a.tar", b"third");
    assert!(marked(&sandbox));
    sandbox.ok(ENCRYPT).says("1 file of 1 day encrypted");
    assert_eq!(data(&sandbox), ["a.tar.gpg"]);
    assert_eq!(opened(&sandbox, &target).unwrap(), b"third");
}

#[test]
fn an_encrypted_file_of_somebody_else_is_never_overwritten() {
    let sandbox = with_gpg();
    let path = staged(&sandbox, "a", b"mine");
    staged(&sandbox, "a.gpg", &encrypted_by_gpg(&sandbox, b"theirs"));
    sandbox.write(&format!("staging/{TODAY}/cback.stage"), "");
    sandbox.ok(ENCRYPT);
    assert_eq!(names(&sandbox), ["a.gpg", "a.gpg.gpg"]);
    assert_eq!(opened(&sandbox, &path.with_file_name("a.gpg")).unwrap(), b"mine");
    let outer = opened(&sandbox, &path.with_file_name("a.gpg.gpg")).unwrap();
    fs::write(sandbox.path("inner"), outer).unwrap();
    assert_eq!(opened(&sandbox, &sandbox.path("inner")).unwrap(), b"theirs");
    sandbox.ok(ENCRYPT).says("0 files");
}

#[test]
fn half_an_encrypted_file_of_cedar_backup_is_made_anew() {
    let sandbox = with_gpg();
    sandbox.write(&format!("staging/{TODAY}/cback.stage"), "");
    std::thread::sleep(Duration::from_millis(20));
    let path = staged(&sandbox, "a", &noise(50_000, 1));
    let half = encrypted_by_gpg(&sandbox, &noise(50_000, 1));
    staged(&sandbox, "a.gpg", &half[..10_000]);
    sandbox.ok(ENCRYPT).says("1 file of 1 day encrypted");
    assert_eq!(names(&sandbox), ["a.gpg"]);
    assert_eq!(opened(&sandbox, &with_suffix(&path, ".gpg")).unwrap(), noise(50_000, 1));
}

#[test]
fn what_is_in_the_way_keeps_only_its_own_file_clear() {
    let sandbox = with_gpg();
    staged(&sandbox, "a", b"a");
    staged(&sandbox, "b", b"b");
    sandbox.dir(&format!("staging/{TODAY}/box/a.gpg"));
    sandbox.run(ENCRYPT).exits(1).complains("a.gpg is there, and is no file");
    assert_eq!(names(&sandbox), ["a", "a.gpg", "b.gpg"]);
    assert!(!marked(&sandbox));
}

#[test]
fn age_encrypts_for_its_recipient() {
    let keys = Sandbox::new();
    let made = Command::new("age-keygen").arg("-o").arg(keys.path("key")).output().unwrap();
    assert!(made.status.success());
    let public = Command::new("age-keygen").arg("-y").arg(keys.path("key")).output().unwrap();
    let public = String::from_utf8(public.stdout).unwrap();
    let encrypt = format!(
        "<encrypt_mode>age</encrypt_mode><encrypt_target>{}</encrypt_target>",
        public.trim()
    );
    let sandbox = sandbox(&encrypt, "");
    staged(&sandbox, "a.tar", &noise(200_000, 1));
    staged(&sandbox, "empty", b"");
    sandbox.ok(ENCRYPT).says("2 files of 1 day encrypted");
    assert_eq!(names(&sandbox), ["a.tar.age", "empty.age"]);
    let path = sandbox.path(format!("staging/{TODAY}/box/a.tar.age"));
    let opened = Command::new("age")
        .args(["--decrypt", "-i"])
        .args([&keys.path("key"), &path])
        .output()
        .unwrap();
    assert_eq!(opened.stdout, noise(200_000, 1));

    // On another machine, which has the secret key.
    let identity = format!(
        "<cb_config><options><starting_day>monday</starting_day>\
         <working_dir>$SANDBOX/working</working_dir><backup_user>$USER</backup_user>\
         <backup_group>$GROUP</backup_group><rcp_command>scp</rcp_command></options>\
         <encryptors><encryptor><name>vault</name><type>age</type>\
         <identity_file>{}</identity_file></encryptor></encryptors></cb_config>",
        keys.path("key").display()
    );
    sandbox.write("restore.xml", &identity);
    sandbox.ok(&["--config", "restore.xml", "decrypt", "--into", "out", path.to_str().unwrap()]);
    assert_eq!(fs::read(sandbox.path("out/a.tar")).unwrap(), noise(200_000, 1));

    let wrong = sandbox.read("hayloft.xml").replace(public.trim(), "age1nobody");
    sandbox.write("hayloft.xml", &wrong);
    staged(&sandbox, "b.tar", b"clear");
    let output = sandbox.run(ENCRYPT).exits(1);
    output.complains("hayloft.xml:9:").complains("`age1nobody` is not a public key of age");
    assert_eq!(names(&sandbox), ["a.tar.age", "b.tar", "empty.age"]);
}

#[test]
fn what_does_not_encrypt_for_anybody_is_refused() {
    let sandbox =
        sandbox("<encrypt_mode>none</encrypt_mode><encrypt_target>me</encrypt_target>", "");
    staged(&sandbox, "a", b"clear");
    sandbox.run(ENCRYPT).exits(1).complains("takes no <recipient>");
    assert_eq!(names(&sandbox), ["a"]);
}

#[test]
fn an_override_of_gpg_is_used_as_by_cedar_backup() {
    let sandbox = with_gpg();
    sandbox.script("my-gpg", "#!/bin/sh\necho used >> $SANDBOX/calls\nexec gpg \"$@\"\n");
    let text = sandbox.read("hayloft.xml").replace(
        "</rcp_command>",
        "</rcp_command><override><command>gpg</command><abs_path>$SANDBOX/my-gpg</abs_path></override>",
    );
    sandbox.write("hayloft.xml", &text);
    staged(&sandbox, "a", b"a");
    sandbox.ok(ENCRYPT);
    assert!(sandbox.read("calls").starts_with("used"));
    assert_eq!(names(&sandbox), ["a.gpg"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = with_gpg();
    staged(&sandbox, "a", b"a");
    sandbox
        .ok(&["--config", "hayloft.xml", "run", "--dry-run", "encrypt"])
        .says("would encrypt 1 file of 1 day");
    assert_eq!(names(&sandbox), ["a"]);
    assert!(!marked(&sandbox));
}

#[test]
fn damage_is_noticed_when_decrypting_and_nothing_is_written() {
    let sandbox = with_gpg();
    let path = with_suffix(&staged(&sandbox, "a", &noise(100_000, 1)), ".gpg");
    sandbox.ok(ENCRYPT);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(60_000);
    fs::write(&path, bytes).unwrap();
    let output = sandbox.run(&["decrypt", "--into", "out", path.to_str().unwrap()]).exits(1);
    output.complains("cannot decrypt $SANDBOX/staging/2026/11/17/box/a.gpg");
    assert!(!sandbox.path("out/a").exists());
}

#[test]
fn a_run_that_is_killed_loses_nothing_and_encrypts_nothing_twice() {
    let sandbox = with_gpg();
    let contents: Vec<Vec<u8>> = (0..30).map(|it| noise(300_000, it)).collect();
    let path = |it: usize| sandbox.path(format!("staging/{TODAY}/box/file {it}"));
    for (it, content) in contents.iter().enumerate() {
        fs::write(path(it), content).unwrap();
    }
    let mut interrupted = 0;
    for round in 0..10u64 {
        let mut child = sandbox.spawn(ENCRYPT);
        std::thread::sleep(Duration::from_millis(120 + round * 37));
        power_cut(&mut child);
        interrupted += u32::from(!marked(&sandbox));
        for (it, content) in contents.iter().enumerate() {
            let clear = fs::read(path(it)).is_ok_and(|found| found == *content);
            let sealed = || opened(&sandbox, &with_suffix(&path(it), ".gpg"));
            assert!(clear || sealed().is_some_and(|found| found == *content), "file {it} is lost");
        }
    }
    assert!(interrupted > 0, "no run was interrupted");
    sandbox.ok(ENCRYPT);
    let names = names(&sandbox);
    assert_eq!(names.len(), 30, "{names:?}");
    let once = |it: &String| it.strip_suffix(".gpg").is_some_and(|it| !it.contains(".gpg"));
    assert!(names.iter().all(once), "{names:?}");
    for (it, content) in contents.iter().enumerate() {
        assert_eq!(opened(&sandbox, &with_suffix(&path(it), ".gpg")).unwrap(), *content);
    }
}
