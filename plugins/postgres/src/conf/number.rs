//! Numbers as the C library reads them.

fn skip_blanks(text: &[u8]) -> usize {
    text.iter().take_while(|it| matches!(it, b' ' | 9..=13)).count()
}

fn sign(text: &[u8], at: usize) -> (f64, usize) {
    match text.get(at) {
        Some(b'-') => (-1.0, at + 1),
        Some(b'+') => (1.0, at + 1),
        _ => (1.0, at),
    }
}

/// Reads a whole number as `strtol` with base 0 does: decimal, octal after
/// `0`, hexadecimal after `0x`. Returns the number, the bytes used, and
/// whether it is beyond 64 bits.
pub(super) fn strtol(text: &[u8]) -> Option<(f64, usize, bool)> {
    let (sign, start) = sign(text, skip_blanks(text));
    let rest = &text[start..];
    let is_hex = rest.first() == Some(&b'0')
        && matches!(rest.get(1), Some(b'x' | b'X'))
        && rest.get(2).is_some_and(u8::is_ascii_hexdigit);
    let (radix, skipped) = match rest.first() {
        _ if is_hex => (16, 2),
        Some(b'0') => (8, 0),
        _ => (10, 0),
    };
    let digits = rest[skipped..].iter().take_while(|it| char::from(**it).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    let text = str::from_utf8(&rest[skipped..skipped + digits]).ok()?;
    let used = start + skipped + digits;
    #[expect(clippy::cast_precision_loss, reason = "so does the server")]
    Some(match i64::from_str_radix(text, radix) {
        Ok(number) => (sign * number as f64, used, false),
        Err(_) => (0.0, used, true),
    })
}

/// Reads a number as `strtod` does, but for infinities and what is none.
/// Returns it and the bytes used; nothing if it is too large or too small.
pub(super) fn strtod(text: &[u8]) -> Option<(f64, usize)> {
    let (sign, start) = sign(text, skip_blanks(text));
    let rest = &text[start..];
    if rest.len() > 2
        && rest[0] == b'0'
        && matches!(rest[1], b'x' | b'X')
        && let Some((number, used)) = hexadecimal(&rest[2..])
    {
        return Some((sign * number, start + 2 + used));
    }
    let digits = |from: usize| {
        rest[from.min(rest.len())..].iter().take_while(|it| it.is_ascii_digit()).count()
    };
    let whole = digits(0);
    let mut end = whole;
    let mut fraction = 0;
    if rest.get(whole) == Some(&b'.') {
        fraction = digits(whole + 1);
        end = whole + 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    let is_zero = rest[..end].iter().all(|it| matches!(it, b'0' | b'.'));
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(signed);
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    let number: f64 = str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    let in_range = number.is_finite() && (number.is_normal() || is_zero);
    in_range.then_some((sign * number, start + end))
}

/// Hexadecimal digits with a point and a binary exponent, after `0x`.
fn hexadecimal(rest: &[u8]) -> Option<(f64, usize)> {
    let (mut number, mut scale, mut at, mut digits) = (0.0, 0i32, 0, 0);
    let mut point = false;
    while let Some(&byte) = rest.get(at) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                number = number * 16.0 + f64::from(digit);
                scale -= if point { 4 } else { 0 };
                digits += 1;
            }
            None if byte == b'.' && !point => point = true,
            None => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if matches!(rest.get(at), Some(b'p' | b'P')) {
        let (sign, start) = sign(rest, at + 1);
        let count = rest[start..].iter().take_while(|it| it.is_ascii_digit()).count();
        if let Ok(exponent) =
            str::from_utf8(&rest[start..start + count]).unwrap_or("").parse::<i16>()
        {
            scale += i32::from(exponent) * if sign < 0.0 { -1 } else { 1 };
            at = start + count;
        }
    }
    Some((number * 2f64.powi(scale), at))
}

/// Rounds as `rint` does: halves go to the even neighbour.
pub(super) fn round_half_even(number: f64) -> f64 {
    number.round_ties_even()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-+ ]?[0-9a-fxXpP.eE]{0,8}") {
            let _ = (strtol(text.as_bytes()), strtod(text.as_bytes()));
        }
    }

    #[test]
    fn numbers_are_read_as_by_the_c_library() {
        let cases: [(&str, Option<(f64, usize)>); 10] = [
            ("12abc", Some((12.0, 2))),
            (" -1.5e2x", Some((-150.0, 7))),
            ("1e", Some((1.0, 1))),
            (".5", Some((0.5, 2))),
            ("0x1.8", Some((1.5, 5))),
            ("0x10p1", Some((32.0, 6))),
            (".", None),
            ("e5", None),
            ("1e-400", None),
            ("0e-400", Some((0.0, 6))),
        ];
        for (text, expected) in cases {
            assert_eq!(strtod(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(strtol(b"089"), Some((0.0, 1, false)));
        assert_eq!(strtol(b"0x"), Some((0.0, 1, false)));
        assert_eq!(strtol(b"99999999999999999999").map(|it| it.2), Some(true));
    }
}
