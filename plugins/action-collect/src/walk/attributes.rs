//! Extended attributes of files.

use std::{
    io,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{
    ffi::CStr,
    fs::{fgetxattr, flistxattr, lgetxattr, llistxattr},
    io::Errno,
};

/// Names and values of attributes, sorted by name.
pub(crate) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the attributes of an open file.
pub(crate) fn of_file(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    collect(|buffer| flistxattr(file, buffer), |name, buffer| fgetxattr(file, name, buffer))
}

/// Returns the attributes of what `name` in `directory` is itself, links
/// included.
pub(crate) fn of_name(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Attributes> {
    // There is no such call relative to a directory; this is one.
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let path = std::ffi::OsStr::from_bytes(&path);
    collect(|buffer| llistxattr(path, buffer), |name, buffer| lgetxattr(path, name, buffer))
}

fn collect(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Attributes> {
    let mut small = [0; 256];
    let names = match list(&mut small) {
        // None, no attributes on this file system, or no /proc.
        Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOENT | Errno::NOSYS) => return Ok(Vec::new()),
        Ok(length) => small[..length].to_vec(),
        Err(Errno::RANGE) => grow(&list)?,
        Err(e) => return Err(e.into()),
    };
    let mut all = Attributes::new();
    for name in names.split_inclusive(|&b| b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        match grow(|buffer| get(name, buffer)) {
            Ok(value) => all.push((name.to_bytes().to_vec(), value)),
            // Gone since, or not for us.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn grow(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's own limit is 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Err(e) => return Err(e),
        }
    }
}
