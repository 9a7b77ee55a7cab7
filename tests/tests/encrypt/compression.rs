//! gpg compresses staged files, as it does for Cedar Backup: what fits on a
//! disc today must fit on it tomorrow.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use super::{ENCRYPT, GPG, make_key, opened, sandbox, staged, with_suffix};
use hayloft_tests::{Sandbox, chaos::noise};

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Less than a pipe holds, so that nobody waits for the other.
    gzip.stdin.take().unwrap().write_all(content).unwrap();
    gzip.wait_with_output().unwrap().stdout
}

/// Whether gpg has compressed what it encrypted.
fn is_compressed(sandbox: &Sandbox, file: &std::path::Path) -> bool {
    let shown = Command::new("gpg")
        .args(["--batch", "--homedir"])
        .arg(sandbox.path("gnupg"))
        .arg("--list-packets")
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(text.contains(":literal data packet:"), "{text}");
    text.contains(":compressed packet:")
}

#[test]
fn what_is_not_compressed_yet_is_compressed_by_gpg() {
    let configured = "<encryptors><encryptor><name>gpg</name><type>gpg</type>\
                      <compress>N</compress></encryptor></encryptors>";
    for (more, compresses) in [("", true), (configured, false)] {
        let mut sandbox = sandbox(GPG, more);
        make_key(&mut sandbox, "backup@example.org");
        let tar = b"a line of a file that nobody has compressed\n".repeat(5000);
        let packed = gzipped(&noise(20_000, 1));
        let files = [("home.tar", &tar, compresses), ("home.tar.gz", &packed, false)];
        for (name, content, _) in &files {
            staged(&sandbox, name, content);
        }
        sandbox.ok(ENCRYPT).says("2 files of 1 day encrypted");
        for (name, content, compressed) in files {
            let path = with_suffix(&sandbox.path(format!("staging/2026/11/17/box/{name}")), ".gpg");
            assert_eq!(is_compressed(&sandbox, &path), compressed, "{name}");
            assert_eq!(opened(&sandbox, &path).unwrap(), *content);
            let size = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            assert!(if compressed { size < content.len() / 20 } else { size > content.len() });
        }
    }
}
