//! Recognises encrypted `OpenPGP` messages.

/// Tells whether these are encrypted session keys and then encrypted data,
/// packets as RFC 9580 has them (section 10.3). Other packets may be for
/// anybody: a signed or compressed message is not encrypted.
pub(super) fn is_message(mut head: &[u8]) -> bool {
    let mut keys = 0;
    loop {
        let Some((packet, length, body)) = header(head) else { return false };
        let version = body.first().copied().unwrap_or_default();
        match packet {
            // Public-key and symmetric-key encrypted session keys.
            1 if matches!(version, 2 | 3 | 6) => keys += 1,
            3 if matches!(version, 4..=6) => keys += 1,
            // The marker, which is to be ignored.
            10 => {}
            // Encrypted data: protected, as GnuPG's own, or of old.
            18 | 20 => return keys > 0 && matches!(version, 1 | 2),
            9 => return keys > 0,
            _ => return false,
        }
        let Some(length) = length else { return false };
        match body.get(length..) {
            Some(rest) if !rest.is_empty() => head = rest,
            // So many recipients that the rest is not in the head.
            _ => return keys > 8,
        }
    }
}

/// Reads the header of a packet: its type, its length unless it is made of
/// pieces or has no end, and what follows.
fn header(head: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    let (&first, rest) = head.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |n: usize| {
        let bytes = rest.get(..n)?;
        let value = bytes.iter().fold(0usize, |all, byte| all << 8 | usize::from(*byte));
        Some((value, &rest[n..]))
    };
    if first & 0x40 == 0 {
        let packet = first >> 2 & 0x0f;
        let (length, body) = match first & 3 {
            3 => return Some((packet, None, rest)),
            kind => number(1 << kind)?,
        };
        return Some((packet, Some(length), body));
    }
    let packet = first & 0x3f;
    let (length, body) = match *rest.first()? {
        one @ 0..=191 => (Some(usize::from(one)), &rest[1..]),
        one @ 192..=223 => {
            let two = usize::from(*rest.get(1)?);
            (Some(((usize::from(one) - 192) << 8) + two + 192), &rest[2..])
        }
        224..=254 => (None, &rest[1..]),
        255 => {
            let (length, body) = (rest.get(1..5)?, &rest[5..]);
            let length = length.iter().fold(0usize, |all, byte| all << 8 | usize::from(*byte));
            (Some(length), body)
        }
    };
    Some((packet, length, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet in the old and in the new format.
    fn packets(packet: u8, body: &[u8]) -> [Vec<u8>; 2] {
        let length = u8::try_from(body.len()).unwrap();
        let with = |first: u8| [&[first, length], body].concat();
        [with(0x80 | packet << 2), with(0xc0 | packet)]
    }

    #[test]
    fn only_encrypted_messages_are_encrypted() {
        type Packets = &'static [(u8, &'static [u8])];
        let cases: [(Packets, bool); 9] = [
            (&[(1, &[3, 0, 0]), (9, &[1])], true),
            (&[(1, &[3, 0]), (1, &[3, 0]), (9, &[0])], true),
            (&[(3, &[4, 9]), (9, &[1])], true),
            (&[(10, b"PGP"), (1, &[6]), (9, &[1])], true),
            (&[(1, &[3, 0, 0])], false),
            (&[(1, &[9]), (9, &[1])], false),
            (&[(9, &[1])], false),
            (&[(8, &[1, 2])], false),
            (&[(2, &[4, 0]), (9, &[1])], false),
        ];
        for (message, expected) in cases {
            for format in 0..2 {
                let text: Vec<u8> = message
                    .iter()
                    .flat_map(|(it, body)| packets(*it, body)[format].clone())
                    .collect();
                assert_eq!(is_message(&text), expected, "{text:?}");
            }
        }
        // Protected data of pieces, as gpg writes it.
        let protected = [&[0x84, 2, 3, 0][..], &[0xd2, 0xed, 1, 0, 0]].concat();
        assert!(is_message(&protected));
    }
}
