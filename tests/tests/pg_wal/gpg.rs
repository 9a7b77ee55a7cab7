//! WAL that the real gpg encrypts.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use super::{
    gaps::{object, push},
    ground::{Ground, PLAIN},
    segments::Segment,
};

/// Directories of keys: of those who write, and of those who read.
struct Keys {
    place: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        let keys = Self { place: tempfile::Builder::new().prefix("gpg").tempdir().unwrap() };
        for home in ["all", "writers", "first", "second", "none"] {
            fs::create_dir(keys.home(home)).unwrap();
            fs::set_permissions(keys.home(home), fs::Permissions::from_mode(0o700)).unwrap();
        }
        for user in ["first", "second"] {
            let words = ["--passphrase", "", "--quick-gen-key", user, "future-default"];
            keys.gpg("all", &words);
            let public = keys.place.path().join(format!("{user}.public"));
            keys.gpg("all", &["--output", public.to_str().unwrap(), "--export", user]);
            keys.gpg("writers", &["--import", public.to_str().unwrap()]);
            let secret = keys.place.path().join(format!("{user}.secret"));
            keys.gpg("all", &["--output", secret.to_str().unwrap(), "--export-secret-keys", user]);
            keys.gpg(user, &["--import", secret.to_str().unwrap()]);
        }
        keys
    }

    fn home(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn gpg(&self, home: &str, words: &[&str]) {
        let made = Command::new("gpg")
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode=loopback", "--homedir"])
            .arg(self.home(home))
            .args(words)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Uses a directory of keys, and encrypts for somebody.
    fn configure(&self, ground: &Ground, home: &str, recipient: &str) {
        let encryptors = format!(
            "<encryptors><encryptor><name>team</name><type>gpg</type><recipient>{recipient}</recipient>\
             <homedir>{}</homedir><trust_model>always</trust_model></encryptor></encryptors>",
            self.home(home).display()
        );
        let with = PLAIN.replace("<wal>", "<wal><encrypt>team</encrypt>");
        ground.configure(&(encryptors + &with));
    }
}

#[test]
fn public_keys_write_and_private_keys_read_also_after_they_change() {
    let (keys, ground) = (Keys::new(), Ground::new(PLAIN));
    keys.configure(&ground, "writers", "first");
    push(&ground, [Segment::number(1)]);
    keys.configure(&ground, "writers", "second");
    push(&ground, [Segment::number(2)]);
    let names = [1, 2].map(|it| Segment::number(it).name());
    let stored = ground.stored("disk");
    for name in &names {
        let key = format!("main/wals/0000000100000000/{name}.zst.gpg");
        assert!(stored.contains(&key), "{stored:?}");
    }
    // Who writes cannot read, and is told so; what comes again is known.
    let get = |name: &str| ground.wal(&["get", "main", name, "target"]);
    assert!(get(&names[1]).code.unwrap() > 125);
    push(&ground, [1, 2].map(Segment::number));
    let again = Segment { seed: 7, ..Segment::number(2) }.write(&ground);
    ground.wal(&["push", "main", again.to_str().unwrap()]).exits(1).complains("other content");
    ground.wal(&["verify", "main"]).exits(7).says("no key: 000000010000000000000001");
    // All private keys read all, without any public key of others.
    keys.configure(&ground, "all", "second");
    for (number, name) in (1..).zip(&names) {
        assert!(ground.fetch(name) == Segment::number(number).bytes());
    }
    ground.wal(&["verify", "main"]).exits(0).says("2 good segments");
    // One of them reads what is its own; the rest is no damage.
    keys.configure(&ground, "second", "second");
    assert!(ground.fetch(&names[1]) == Segment::number(2).bytes());
    assert!(get(&names[0]).code.unwrap() > 125);
    let ended = ground.wal(&["verify", "main"]).exits(7);
    ended.says("no key: 000000010000000000000001");
    assert_eq!(ended.stdout.matches("no key:").count(), 1, "{}", ended.stdout);
}

#[test]
fn what_is_damaged_is_told_apart_from_what_no_key_opens() {
    let (keys, ground) = (Keys::new(), Ground::new(PLAIN));
    keys.configure(&ground, "all", "first");
    push(&ground, (1..=2).map(Segment::number));
    let path = object(&ground, "disk", Segment::number(2));
    let whole = fs::read(&path).unwrap();
    for byte in [whole.len() / 2, whole.len() - 3] {
        let mut bytes = whole.clone();
        bytes[byte] ^= 4;
        fs::write(&path, bytes).unwrap();
        for home in ["all", "none"] {
            keys.configure(&ground, home, "first");
            let ended = ground.wal(&["verify", "main"]).exits(1);
            ended.says("damaged: 000000010000000000000002");
            assert_eq!(ended.stdout.contains("no key:"), home == "none", "{}", ended.stdout);
        }
    }
}
