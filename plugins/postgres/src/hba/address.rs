//! From where: the address field.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::RuleError;
use crate::auth::word::Word;

/// From where connections come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `all`: from anywhere.
    All,
    /// `samehost`: from one of the server's own addresses.
    SameHost,
    /// `samenet`: from a network that the server is in.
    SameNet,
    /// An address with a mask. The mask may have holes, and bits of the
    /// address that it does not cover do not count.
    Network {
        /// The address.
        ip: IpAddr,
        /// The mask.
        mask: IpAddr,
        /// What follows `%` in an address of a link; it does not count.
        scope: Option<Vec<u8>>,
    },
    /// A host name; one that begins with a dot means everything that ends so.
    Host(Vec<u8>),
}

impl Address {
    /// Reads the address field, and the mask field if there is one.
    ///
    /// Returns whether the mask field was used.
    pub(super) fn parse(word: &Word, mask: Option<&[Word]>) -> Result<(Self, bool), RuleError> {
        match () {
            () if word.is_keyword("all") => return Ok((Self::All, false)),
            () if word.is_keyword("samehost") => return Ok((Self::SameHost, false)),
            () if word.is_keyword("samenet") => return Ok((Self::SameNet, false)),
            () => {}
        }
        let shown = || String::from_utf8_lossy(&word.text).into_owned();
        let slash = word.text.iter().position(|it| *it == b'/');
        let (bare, bits) = match slash {
            Some(at) => (&word.text[..at], Some(&word.text[at + 1..])),
            None => (&word.text[..], None),
        };
        let Some((ip, scope)) = numeric(bare) else {
            return match bits {
                Some(_) => Err(RuleError::HostWithBits { address: shown() }),
                None => Ok((Self::Host(bare.to_vec()), false)),
            };
        };
        if let Some(bits) = bits {
            let mask = mask_of(bits, ip).ok_or_else(|| RuleError::BadBits { address: shown() })?;
            return Ok((Self::Network { ip, mask, scope }, false));
        }
        let field = "mask of the address";
        let mask = match mask {
            None => return Err(RuleError::Missing { field }),
            Some([mask]) => mask,
            Some(_) => return Err(RuleError::Several { field }),
        };
        let Some((mask, _)) = numeric(&mask.text) else {
            return Err(RuleError::BadMask {
                mask: String::from_utf8_lossy(&mask.text).into_owned(),
            });
        };
        if mask.is_ipv4() != ip.is_ipv4() {
            return Err(RuleError::FamiliesDiffer);
        }
        Ok((Self::Network { ip, mask, scope }, true))
    }

    /// Returns the network from an address and a number of bits.
    pub fn network(ip: IpAddr, bits: u32) -> Option<Self> {
        let mask = mask_of(bits.to_string().as_bytes(), ip)?;
        Some(Self::Network { ip, mask, scope: None })
    }

    /// Returns the fields to be written: one, or two for a mask with holes.
    pub(super) fn words(&self) -> Vec<Word> {
        let word = match self {
            Self::All => Word::plain("all"),
            Self::SameHost => Word::plain("samehost"),
            Self::SameNet => Word::plain("samenet"),
            Self::Host(name) => {
                let is_keyword = [&b"all"[..], b"samehost", b"samenet"].contains(&&name[..]);
                Word { text: name.clone(), quoted: is_keyword }
            }
            Self::Network { ip, mask, scope } => {
                let mut text = show(*ip).into_bytes();
                if let Some(scope) = scope {
                    text.push(b'%');
                    text.extend(scope);
                }
                let Some(bits) = prefix(*mask) else {
                    return vec![Word::plain(text), Word::plain(show(*mask))];
                };
                text.extend(format!("/{bits}").bytes());
                Word::plain(text)
            }
        };
        vec![word]
    }

    /// Tells whether a client's address is in here; nothing where that
    /// depends on more than the address. An IPv4 address is never in an IPv6
    /// network, nor the other way round.
    pub fn contains(&self, client: IpAddr) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Network { ip, mask, .. } => Some(match (ip, mask, client) {
                (IpAddr::V4(ip), IpAddr::V4(mask), IpAddr::V4(client)) => {
                    (ip.to_bits() ^ client.to_bits()) & mask.to_bits() == 0
                }
                (IpAddr::V6(ip), IpAddr::V6(mask), IpAddr::V6(client)) => {
                    (ip.to_bits() ^ client.to_bits()) & mask.to_bits() == 0
                }
                _ => false,
            }),
            Self::SameHost | Self::SameNet | Self::Host(_) => None,
        }
    }

    /// Tells whether two mean the same clients.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Network { ip: a, mask: m, .. }, Self::Network { mask: n, .. }) => {
                m == n && other.contains(*a) == Some(true)
            }
            (Self::Host(a), Self::Host(b)) => a.eq_ignore_ascii_case(b),
            _ => self == other,
        }
    }
}

/// Shows an address as the C library does.
pub(super) fn show(ip: IpAddr) -> String {
    if let IpAddr::V6(six) = ip {
        let segments = six.segments();
        // It shows the last four bytes of these in decimals.
        if segments[..6] == [0; 6] && segments[6] != 0 {
            let [.., a, b, c, d] = six.octets();
            return format!("::{}", Ipv4Addr::new(a, b, c, d));
        }
    }
    ip.to_string()
}

/// Returns the number of bits of a mask without holes.
pub(super) fn prefix(mask: IpAddr) -> Option<u32> {
    let (bits, ones, width) = match mask {
        IpAddr::V4(it) => (u128::from(it.to_bits()) << 96, it.to_bits().count_ones(), 32),
        IpAddr::V6(it) => (it.to_bits(), it.to_bits().count_ones(), 128),
    };
    (bits.leading_ones() == ones && ones <= width).then_some(ones)
}

/// What follows the slash, read as `strtol` reads decimals.
fn mask_of(bits: &[u8], ip: IpAddr) -> Option<IpAddr> {
    let blanks = bits.iter().take_while(|it| matches!(it, b' ' | 9..=13)).count();
    let text = str::from_utf8(&bits[blanks..]).ok()?;
    let digits = match text.strip_prefix('-') {
        // Nothing has fewer bits than none.
        Some(zeros) if zeros.bytes().all(|it| it == b'0') => zeros,
        Some(_) => return None,
        None => text.strip_prefix('+').unwrap_or(text),
    };
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = digits.parse().ok()?;
    match ip {
        IpAddr::V4(_) if bits <= 32 => {
            Some(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into())
        }
        IpAddr::V6(_) if bits <= 128 => {
            Some(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into())
        }
        _ => None,
    }
}

/// Reads what `getaddrinfo` takes for an address: IPv4 with one to four
/// numbers, octal and hexadecimal ones too, and IPv6 with a scope.
fn numeric(text: &[u8]) -> Option<(IpAddr, Option<Vec<u8>>)> {
    let text = str::from_utf8(text).ok()?;
    if let Some(four) = four(text) {
        return Some((four.into(), None));
    }
    let (bare, scope) = match text.split_once('%') {
        Some((bare, scope)) => (bare, Some(scope)),
        None => (text, None),
    };
    let six: Ipv6Addr = bare.parse().ok()?;
    if let Some(scope) = scope {
        // Names of interfaces go with addresses of links only.
        let is_number = !scope.is_empty() && scope.parse::<u32>().is_ok();
        let is_link = six.segments()[0] & 0xFFC0 == 0xFE80 || six.segments()[0] & 0xFF0F == 0xFF02;
        let is_known = is_number || is_link && interface_exists(scope);
        if !is_known {
            return None;
        }
    }
    Some((six.into(), scope.map(|it| it.as_bytes().to_vec())))
}

fn interface_exists(name: &str) -> bool {
    let is_name = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    is_name && std::path::Path::new("/sys/class/net").join(name).exists()
}

/// `inet_aton` without what follows.
fn four(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut address = 0u64;
    for part in first {
        let number = number(part).filter(|it| *it <= 255)?;
        address = (address << 8) | number;
    }
    let width = 32 - 8 * first.len();
    let last = number(last).filter(|it| *it < 1 << width)?;
    u32::try_from((address << width) | last).ok().map(Ipv4Addr::from_bits)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(rest) => (rest, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let good = !digits.is_empty() && digits.chars().all(|it| it.is_digit(radix));
    if good {
        u64::from_str_radix(digits, radix).ok().filter(|it| u32::try_from(*it).is_ok())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, mask: Option<&str>) -> Result<String, RuleError> {
        let mask = mask.map(|it| vec![Word::plain(it)]);
        let (address, _) = Address::parse(&Word::plain(text), mask.as_deref())?;
        Ok(match address {
            Address::Network { ip, mask, .. } => format!("{} {}", show(ip), show(mask)),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn addresses_are_read_as_the_system_reads_them() {
        let cases = [
            ("127.0.0.1/32", None, "127.0.0.1 255.255.255.255"),
            ("127.0.0.1", Some("255.255.255.255"), "127.0.0.1 255.255.255.255"),
            ("10.1/16", None, "10.0.0.1 255.255.0.0"),
            ("010.0.0.1/8", None, "8.0.0.1 255.0.0.0"),
            ("0x7f.1/+8", None, "127.0.0.1 255.0.0.0"),
            ("10.0.0.0", Some("0.255.0.255"), "10.0.0.0 0.255.0.255"),
            ("0/0", None, "0.0.0.0 0.0.0.0"),
            ("1.2.3.4/-00", None, "1.2.3.4 0.0.0.0"),
            ("::1/128", None, "::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fe80::1%lo/64", None, "fe80::1 ffff:ffff:ffff:ffff::"),
            ("::/0", None, ":: ::"),
            ("::ffff:1.2.3.4/128", None, "::ffff:1.2.3.4 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        for (text, mask, expected) in cases {
            assert_eq!(parsed(text, mask).unwrap(), expected, "{text}");
        }
        assert_eq!(
            parsed(".example.com", None).unwrap(),
            format!("{:?}", Address::Host(b".example.com".to_vec()))
        );
    }

    #[test]
    fn what_is_no_address_is_told_apart() {
        use RuleError::{BadBits, BadMask, FamiliesDiffer, HostWithBits, Missing};
        for text in ["127.0.0.1/33", "127.0.0.1/", "::1/129", "1.2.3.4/x", "1.2.3.4/-1"] {
            assert!(matches!(parsed(text, None), Err(BadBits { .. })), "{text}");
        }
        for text in
            ["[::1]/128", "300.1.1.1/32", "example.com/32", "1.2.3.4.5/8", "08.0.0.1/8", "::1%/64"]
        {
            assert!(matches!(parsed(text, None), Err(HostWithBits { .. })), "{text}");
        }
        assert!(matches!(parsed("127.0.0.1", None), Err(Missing { .. })));
        assert!(matches!(parsed("127.0.0.1", Some("md5")), Err(BadMask { .. })));
        assert!(matches!(parsed("10.0.0.0", Some("ffff::")), Err(FamiliesDiffer)));
    }

    #[test]
    fn masks_may_have_holes() {
        let (address, _) =
            Address::parse(&Word::plain("10.0.0.0"), Some(&[Word::plain("0.255.0.255")])).unwrap();
        assert_eq!(address.contains("7.0.9.0".parse().unwrap()), Some(true));
        assert_eq!(address.contains("7.1.9.0".parse().unwrap()), Some(false));
        assert_eq!(address.contains("::1".parse().unwrap()), Some(false));
        assert_eq!(address.words(), [Word::plain("10.0.0.0"), Word::plain("0.255.0.255")]);
    }
}
