//! Entries made into the blocks of an archive.

use tar::{EntryType, Header};

use super::{Entry, Kind, acl, pax, sparse};

/// Everything in an archive begins at a multiple of this many bytes.
pub const BLOCK: usize = 512;

/// The end of an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest numbers that fit a header's octal fields.
const LARGEST_SIZE: u64 = 0o77_777_777_777;
const LARGEST_ID: u32 = 0o7_777_777;

/// Returns how many zeros follow content of that many bytes.
pub fn padding(stored: u64) -> usize {
    let over = usize::try_from(stored % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// Appends the header of `entry`, with one pax header in front where one is
/// needed, and for a sparse file with its map behind.
///
/// Returns the number of content bytes that must follow: those of the
/// segments for a sparse file, all for another file, none for anything else.
pub fn header(entry: &Entry, out: &mut Vec<u8>) -> u64 {
    let map = entry.segments.as_deref().map(|it| sparse::map(it, entry.size)).unwrap_or_default();
    let content = match (&entry.kind, &entry.segments) {
        (Kind::File, Some(segments)) => segments.iter().map(|it| it.length).sum(),
        (Kind::File, None) => entry.size,
        _ => 0,
    };
    let mut main = Header::new_ustar();
    let mut records = Vec::new();
    identity(entry, &mut main, &mut records);
    numbers(entry, content + map.len() as u64, &mut main, &mut records);
    attributes(entry, &mut records);
    if !records.is_empty() {
        let mut name = b"PaxHeaders/".to_vec();
        let base = base(entry);
        name.extend_from_slice(&base[..base.len().min(80)]);
        extension(out, EntryType::XHeader, &name, &records);
    }
    main.set_cksum();
    out.extend_from_slice(main.as_bytes());
    out.extend_from_slice(&map);
    content
}

/// Appends a header that carries pax records.
pub(super) fn extension(out: &mut Vec<u8>, kind: EntryType, name: &[u8], records: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    if let Some(ustar) = header.as_ustar_mut() {
        fill(&mut ustar.name, name);
    }
    header.set_mode(0o644);
    header.set_size(records.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
}

/// Writes what a member is called and what it is.
fn identity(entry: &Entry, header: &mut Header, records: &mut Vec<u8>) {
    let name = member_name(entry);
    let (kind, link) = match &entry.kind {
        Kind::File => (EntryType::Regular, None),
        Kind::Directory => (EntryType::Directory, None),
        Kind::Symlink(target) => (EntryType::Symlink, Some(target)),
        Kind::HardLink(target) => (EntryType::Link, Some(target)),
        Kind::Fifo => (EntryType::Fifo, None),
        Kind::Character(_) => (EntryType::Char, None),
        Kind::Block(_) => (EntryType::Block, None),
    };
    header.set_entry_type(kind);
    let Some(ustar) = header.as_ustar_mut() else { return };
    // A short name goes into the header whatever its bytes, as every tar has
    // always written it; only what pax itself carries must say what it is.
    let sparse = entry.segments.is_some();
    // Under this name a program that knows no maps restores map and data.
    let shown = if sparse { [b"GNUSparseFile.0/", base(entry)].concat() } else { name.clone() };
    let long_name = !place(&shown, &mut ustar.name, &mut ustar.prefix);
    let long_link = link.is_some_and(|it| it.len() > ustar.linkname.len());
    if let Some(link) = link {
        fill(&mut ustar.linkname, link);
    }
    let user = !fits(&entry.user, &mut ustar.uname);
    let group = !fits(&entry.group, &mut ustar.gname);
    let texts: [(bool, &[u8], &[u8]); 5] = [
        (long_name && !sparse, b"path", &name),
        (long_link, b"linkpath", link.map_or(&[], Vec::as_slice)),
        (sparse, b"GNU.sparse.name", &name),
        (user, b"uname", &entry.user),
        (group, b"gname", &entry.group),
    ];
    let carried = || texts.iter().filter(|(carried, ..)| *carried);
    if carried().any(|(_, _, value)| std::str::from_utf8(value).is_err()) {
        pax::push(records, b"hdrcharset", b"BINARY");
    }
    carried().for_each(|(_, key, value)| pax::push(records, key, value));
    if sparse {
        pax::push(records, b"GNU.sparse.major", b"1");
        pax::push(records, b"GNU.sparse.minor", b"0");
        pax::push(records, b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    }
}

fn base(entry: &Entry) -> &[u8] {
    entry.path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

fn member_name(entry: &Entry) -> Vec<u8> {
    let mut name = if entry.path.is_empty() { b".".to_vec() } else { entry.path.clone() };
    if entry.kind == Kind::Directory {
        name.push(b'/');
    }
    name
}

/// Puts a name into the two fields that there are for it; tells whether it
/// fits, and cuts it off if not.
fn place(name: &[u8], field: &mut [u8; 100], prefix: &mut [u8; 155]) -> bool {
    if name.len() <= field.len() {
        fill(field, name);
        return true;
    }
    let from = name.len() - field.len() - 1;
    // Not before the last byte: that is a directory's own slash.
    let slash = (from..name.len() - 1).find(|&at| name[at] == b'/' && at > 0);
    if let Some(at) = slash.filter(|&at| at <= prefix.len()) {
        fill(prefix, &name[..at]);
        fill(field, &name[at + 1..]);
        return true;
    }
    fill(field, name);
    if field[field.len() - 1] == b'/' {
        // A file whose name ends so would be taken for a directory.
        field[field.len() - 1] = b'_';
    }
    false
}

fn fill(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

fn fits(text: &[u8], field: &mut [u8]) -> bool {
    fill(field, text);
    text.len() < field.len()
}

/// Writes owners, permissions, size, time and device.
fn numbers(entry: &Entry, stored: u64, header: &mut Header, records: &mut Vec<u8>) {
    header.set_mode(entry.mode & 0o7777);
    let ids: [(&[u8], u32); 2] = [(b"uid", entry.uid), (b"gid", entry.gid)];
    for (key, id) in ids.into_iter().filter(|&(_, id)| id > LARGEST_ID) {
        pax::push(records, key, id.to_string().as_bytes());
    }
    let small = |id: u32| u64::from(if id > LARGEST_ID { 0 } else { id });
    header.set_uid(small(entry.uid));
    header.set_gid(small(entry.gid));
    if stored > LARGEST_SIZE {
        pax::push(records, b"size", stored.to_string().as_bytes());
    }
    header.set_size(if stored > LARGEST_SIZE { 0 } else { stored });
    let seconds = u64::try_from(entry.mtime.seconds).ok().filter(|&it| it <= LARGEST_SIZE);
    if seconds.is_none() || entry.mtime.nanoseconds != 0 {
        pax::push(records, b"mtime", entry.mtime.to_pax().as_bytes());
    }
    header.set_mtime(seconds.unwrap_or(0));
    let (Kind::Character(device) | Kind::Block(device)) = entry.kind else { return };
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(device.major);
        ustar.set_device_minor(device.minor);
    }
}

/// Writes extended attributes and what a directory has in it.
fn attributes(entry: &Entry, records: &mut Vec<u8>) {
    for (name, value) in &entry.xattrs {
        let text = match name.as_slice() {
            b"system.posix_acl_access" => Some("SCHILY.acl.access"),
            b"system.posix_acl_default" => Some("SCHILY.acl.default"),
            _ => None,
        };
        if let (Some(key), Some(text)) = (text, acl::text(value)) {
            pax::push(records, key.as_bytes(), text.as_bytes());
        }
        let mut key = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            // A `=` would end the key; GNU tar writes it the same way.
            match byte {
                b'%' => key.extend_from_slice(b"%25"),
                b'=' => key.extend_from_slice(b"%3D"),
                _ => key.push(byte),
            }
        }
        pax::push(records, &key, value);
    }
    if let Some(listing) = &entry.listing {
        if let Some(comment) = listing.comment() {
            pax::push(records, b"comment", &comment);
        }
        pax::push(records, b"GNU.dumpdir", &listing.dumpdir());
    }
}
