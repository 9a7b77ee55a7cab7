//! How Python reads numbers, names and regular expressions, which is how
//! Cedar Backup reads them.

mod digits;
mod pattern;
#[cfg(test)]
mod tests;

pub use self::pattern::{Pattern, PatternError};

/// Why a text is not a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntError {
    Malformed,
    TooLong,
}

/// Python refuses longer ones, to bound the work.
const MOST_DIGITS: usize = 4300;

/// Reads a whole number as `int()` does: blanks around, a sign, digits of any
/// script, single underscores between digits. Beyond 64 bits it saturates:
/// nothing in a configuration differs at that size.
pub(super) fn int(text: &str) -> Result<i64, IntError> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = plain_digits(digits).filter(|it| is_number(it)).ok_or(IntError::Malformed)?;
    if digits.len() > MOST_DIGITS {
        return Err(IntError::TooLong);
    }
    let number: i64 = digits
        .bytes()
        .fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if negative { -number } else { number })
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

/// Reads a number as `float()` does: also `1e3`, `inf`, `nan`, `.5`, `5.`.
pub(super) fn float(text: &str) -> Option<f64> {
    let plain = plain_digits(text.trim())?;
    // Rust reads the same as Python, but for the words: those of Python are
    // the only ones with letters other than `e`.
    plain.parse().ok()
}

/// Replaces digits of other scripts by ASCII and leaves out underscores
/// between digits; `None` if an underscore is anywhere else.
fn plain_digits(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut after_digit = false;
    while let Some(c) = characters.next() {
        if c == '_' {
            let before_digit = characters.peek().is_some_and(|&c| digits::value(c).is_some());
            if !(after_digit && before_digit) {
                return None;
            }
            after_digit = false;
        } else if let Some(digit) = digits::value(c) {
            plain.push(char::from(b'0' + digit));
            after_digit = true;
        } else {
            plain.push(c);
            after_digit = false;
        }
    }
    Some(plain)
}

/// `^…$` of Python lets a newline at the end slip through.
fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// Tells whether it is an identifier, of ASCII letters.
pub(super) fn is_identifier(text: &str) -> bool {
    is_word(without_newline(text))
}

/// Tells whether it is a dotted identifier.
pub(super) fn is_module(text: &str) -> bool {
    without_newline(text).split('.').all(is_word)
}

fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
        && bytes.all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// Tells whether it is the name of an action: lower-case letters and digits.
pub(super) fn is_action_name(text: &str) -> bool {
    let name = without_newline(text);
    !text.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}
