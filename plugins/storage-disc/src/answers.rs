//! Reads what the programs answer. They are old, and made for people.

use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::media::{DVD_BLOCK, Session};

/// What a drive can do, as `cdrecord -prcap` tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties {
    /// It can add sessions to a disc.
    pub multisession: bool,
    /// It has a tray.
    pub tray: bool,
    /// It can eject a disc.
    pub eject: bool,
}

/// Reads what `cdrecord -prcap` says. What it does not say is not so.
pub fn properties(output: &str) -> Properties {
    let says = |what: &str| output.lines().any(|line| line.trim_start().starts_with(what));
    Properties {
        multisession: says("Does read multi-session"),
        tray: says("Loading mechanism type: tray"),
        eject: says("Does support ejection"),
    }
}

/// Reads what `cdrecord -msinfo` says; nothing at all means a disc without
/// sessions.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it says something else.
pub fn sessions(output: &str) -> Result<Option<Session>> {
    let mut lines = output.lines().filter(|it| !it.trim().is_empty());
    let Some(first) = lines.next() else { return Ok(None) };
    let parsed = first.split_once(',').and_then(|(last, next)| {
        Some(Session { last: digits(last.trim())?, next: digits(next.trim())? })
    });
    parsed.map(Some).ok_or_else(|| nonsense("cdrecord -msinfo", output))
}

/// Reads what `mkisofs -print-size` says: the size in sectors.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it says something else.
pub fn image_size(output: &str) -> Result<u64> {
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    match lines[..] {
        [only] => digits(only),
        _ => None,
    }
    .ok_or_else(|| nonsense("mkisofs -print-size", output))
}

/// Reads from what `growisofs -dry-run` says how many sectors of the disc are
/// in use; nothing if it does not say where it would write.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it says no number.
pub fn sectors_used(output: &str) -> Result<Option<u64>> {
    let place = output
        .lines()
        .find_map(|line| line.trim_end().strip_suffix('\'')?.rsplit_once("seek=").map(|it| it.1));
    let Some(place) = place else { return Ok(None) };
    let blocks = digits(place.trim()).and_then(|it| it.checked_mul(DVD_BLOCK));
    blocks.map(Some).ok_or_else(|| nonsense("growisofs -dry-run", output))
}

/// Finds in what growisofs says that the image does not fit: how many sectors
/// are free and how many are needed, if it says that.
pub fn overburn(output: &str) -> Option<Option<(u64, u64)>> {
    let line = output.lines().find(|it| it.contains("blocks are free,"))?;
    let (before, after) = line.split_once("blocks are free,")?;
    let free = before.split_whitespace().next_back().and_then(digits);
    let needed = after.split_whitespace().next().and_then(digits);
    Some(free.zip(needed))
}

/// Finds out where a device is mounted, from `/proc/self/mounts`. `names` are
/// all names of the device.
pub fn mounted_at(mounts: &str, names: &[&str]) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').map(unescaped);
        let (device, place) = (fields.next()?, fields.next()?);
        names.contains(&device.as_str()).then_some(place)
    })
}

/// Undoes the octal escapes of blanks and the like.
fn unescaped(field: &str) -> String {
    let mut pieces = field.split('\\');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some(byte) = piece.get(..3).and_then(|it| u8::from_str_radix(it, 8).ok()) {
            text.push(char::from(byte));
            text.push_str(&piece[3..]);
        } else {
            text.push('\\');
            text.push_str(piece);
        }
    }
    text
}

/// A number of digits only: `parse` would take a sign.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn nonsense(command: &str, output: &str) -> Error {
    const MOST: usize = 200;
    let shown: String = output.trim().chars().take(MOST).collect();
    let message = format!("the answer of `{command}` cannot be understood: {shown:?}");
    Error::new(ErrorKind::CORRUPT, message)
        .hint("see whether an <override> names the right program")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_drive_tells_what_it_can_do() {
        let text = "Device type    : Removable CD-ROM\n\
                    Vendor_info    : 'SONY    '\n\
                    \x20 Does read CD-R media\n\
                    \x20 Does read multi-session CD-R discs\n\
                    \x20 Does support ejection of CD via START/STOP command\n\
                    \x20 Loading mechanism type: tray\n";
        assert_eq!(properties(text), Properties { multisession: true, tray: true, eject: true });
        assert_eq!(properties(""), Properties::default());
        assert_eq!(
            properties("  Does not read multi-session\n  Loading mechanism type: caddy\n"),
            Properties::default()
        );
    }

    #[test]
    fn sessions_are_read_with_and_without_blanks() {
        let session = |last, next| Some(Some(Session { last, next }));
        let cases = [
            ("0,16544\n", session(0, 16544)),
            ("  11702 , 13887 \nwarning: whatever\n", session(11702, 13887)),
            ("\n0,0\n", session(0, 0)),
            ("", Some(None)),
            ("\n \n", Some(None)),
            ("nonsense\n", None),
            ("-1,5\n", None),
            ("1,\n", None),
            ("1,2,3\n", None),
            ("99999999999999999999999,1\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(sessions(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_size_of_an_image_is_one_number() {
        let cases = [
            ("334\n", Some(334)),
            ("\n 334 \n\n", Some(334)),
            ("", None),
            ("334\n335\n", None),
            ("-3\n", None),
            ("many\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(image_size(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn growisofs_tells_where_it_would_write() {
        let dry = "Executing 'mkisofs -C 973744,1401056 -M /dev/fd/3 -r -graft-points m | \
                   builtin_dd of=/dev/cdrom obs=32k seek=87566'\n";
        let cases = [
            (dry, Some(Some(87566 * 16))),
            ("noise\nseek=93'  \nseek=7'\n", Some(Some(93 * 16))),
            ("Executing 'mkisofs -r m | builtin_dd of=/dev/cdrom obs=32k'\n", Some(None)),
            ("", Some(None)),
            ("seek=x'\n", None),
            ("seek=18446744073709551615'\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(sectors_used(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn growisofs_tells_that_an_image_is_too_large() {
        let cases = [
            (
                ":-( /dev/cdrom: 894048 blocks are free, 2033746 to be written!\n",
                Some(Some((894_048, 2_033_746))),
            ),
            (":-( /dev/cdrom: no blocks are free, XXX to be written!", Some(None)),
            (":-( /dev/cdrom: media is not recognized as recordable", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(overburn(text), expected, "{text:?}");
        }
    }

    #[test]
    fn mounts_are_found_by_any_name_of_the_device() {
        let mounts = "proc /proc proc rw 0 0\n/dev/sr0 /media/my\\040disc iso9660 ro 0 0\n";
        let at = mounted_at(mounts, &["/dev/cdrom", "/dev/sr0"]);
        assert_eq!(at.as_deref(), Some("/media/my disc"));
        assert_eq!(mounted_at(mounts, &["/dev/sr1"]), None);
        assert_eq!(mounted_at("", &["/dev/sr1"]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_that_a_program_says_is_too_strange(text in any::<String>()) {
            let _ = properties(&text);
            let _ = (sessions(&text), image_size(&text), sectors_used(&text), overburn(&text));
            let _ = mounted_at(&text, &["/dev/sr0"]);
        }

        #[test]
        fn sessions_that_are_printed_are_read(last in any::<u64>(), next in any::<u64>()) {
            let session = sessions(&format!("{last},{next}\n")).unwrap();
            prop_assert_eq!(session, Some(Session { last, next }));
        }
    }
}
