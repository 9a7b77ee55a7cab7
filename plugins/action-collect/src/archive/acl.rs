//! Access control lists as text, for programs that do not read the kernel's
//! form.

use std::fmt::Write;

const VERSION: u32 = 2;

/// Returns the text of a `system.posix_acl_*` attribute, with numbers for
/// names, or `None` if it is none that we know.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_at_checked(4)?;
    let (entries, []) = entries.as_chunks::<8>() else { return None };
    if u32::from_le_bytes(version.try_into().ok()?) != VERSION {
        return None;
    }
    let mut out = String::new();
    for &[t0, t1, p0, p1, i0, i1, i2, i3] in entries {
        let id = u32::from_le_bytes([i0, i1, i2, i3]);
        let permissions = u16::from_le_bytes([p0, p1]);
        if !out.is_empty() {
            out.push(',');
        }
        match u16::from_le_bytes([t0, t1]) {
            0x01 => out.push_str("user::"),
            0x02 => write!(out, "user:{id}:").ok()?,
            0x04 => out.push_str("group::"),
            0x08 => write!(out, "group:{id}:").ok()?,
            0x10 => out.push_str("mask::"),
            0x20 => out.push_str("other::"),
            _ => return None,
        }
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            out.push(if permissions & bit == 0 { '-' } else { letter });
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(permissions.to_le_bytes());
            out.extend(id.to_le_bytes());
        }
        out
    }

    #[test]
    fn a_list_reads_as_getfacl_prints_it() {
        let none = u32::MAX;
        let value = acl(&[
            (0x01, 6, none),
            (0x02, 4, 1000),
            (0x04, 4, none),
            (0x10, 5, none),
            (0x20, 0, none),
        ]);
        let expected = "user::rw-,user:1000:r--,group::r--,mask::r-x,other::---";
        assert_eq!(text(&value).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_list_has_no_text() {
        for value in [&b""[..], b"\x02\0\0", b"\x03\0\0\0", b"\x02\0\0\x00abc", &acl(&[(9, 0, 0)])]
        {
            assert_eq!(text(value), None);
        }
    }
}
