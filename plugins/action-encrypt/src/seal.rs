//! Encrypts one file.

use std::{
    fs, io,
    io::{Read, Write},
    path::Path,
};

use hayloft_plugin_api::{
    EncodeWriter, Error, ErrorKind, Host, Output, OutputOptions, Progress, Result, StreamOptions,
    Transform,
};
use hayloft_staging::{
    files::{Found, Identity, hash_of},
    upload::hexadecimal,
};
use sha2::{Digest, Sha256};

use crate::record::SealedFile;

/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// What goes into a file, with its hash.
struct Hashing {
    output: Output,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.output.write(data)?;
        self.hash.update(&data[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Encrypts a file to `target` and reads that once more, but does not remove
/// the file.
///
/// # Errors
///
/// Why it is not encrypted; `target` is then as it was, or is not there.
pub(crate) fn seal(
    host: &Host,
    encryptor: &Transform,
    file: &Found,
    target: &Path,
    replace: bool,
) -> Result<SealedFile> {
    let mut source = file.open()?;
    let options = OutputOptions { replace, ..OutputOptions::default() };
    let output = host.create(target, &options)?;
    let size_hint = Some(file.identity.size);
    let codec = encryptor.encoder(StreamOptions { size_hint, ..StreamOptions::default() })?;
    let mut writer = EncodeWriter::new(codec, Hashing { output, hash: Sha256::new() });
    let what = file.path.to_string_lossy();
    let (mut buffer, mut done) = (vec![0; BUFFER], 0);
    loop {
        host.check_cancelled()?;
        host.progress(Progress { what: &what, done, total: file.identity.size });
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                writer.write_all(&buffer[..n])?;
                done += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::from(error).context(format!("cannot read {what}")));
            }
        }
    }
    file.check(&source)?;
    let Hashing { output, hash } = writer.finish()?;
    let (size, sha256) = (output.written(), hexadecimal(hash));
    output.commit()?;
    let modified_ns = check(host, target, size, &sha256)?;
    Ok(SealedFile { size, modified_ns, sha256 })
}

/// Makes sure that what is on disk is what was encrypted.
fn check(host: &Host, target: &Path, size: u64, sha256: &str) -> Result<i128> {
    let identity = Identity::of(&fs::symlink_metadata(target)?);
    let found = hash_of(host, target)?;
    if (found.0, found.1.as_str(), identity.size) == (size, sha256, size) {
        return Ok(identity.modified_ns);
    }
    let message = format!("{} is not what was written to it", target.display());
    Err(Error::new(ErrorKind::CORRUPT, message))
}
