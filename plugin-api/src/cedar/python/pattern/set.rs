//! Character sets and escaped characters.

use super::parser::{Flags, Parsed, Parser, push_code};

/// Returns a class such as `\d`, written for our engine.
pub(super) fn class(c: char, ascii: bool) -> Option<String> {
    if !matches!(c, 'd' | 'D' | 's' | 'S' | 'w' | 'W') {
        return None;
    }
    if !ascii {
        return Some(format!("\\{c}"));
    }
    let members = match c.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\x{9}-\\x{d}\\x{20}",
        _ => "0-9A-Z_a-z",
    };
    let negated = if c.is_ascii_uppercase() { "^" } else { "" };
    Some(format!("[{negated}{members}]"))
}

/// Reads an escaped character after the backslash and `c`; `None` for a
/// surrogate.
pub(super) fn character(parser: &mut Parser, c: char) -> Parsed<Option<char>> {
    let simple = match c {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hexadecimal(parser, 2),
        'u' => return hexadecimal(parser, 4),
        'U' => return hexadecimal(parser, 8),
        '0'..='7' => return octal(parser, c),
        c if c.is_ascii_alphanumeric() => {
            return Err(parser.error(&format!("bad escape \\{c}")));
        }
        c => c,
    };
    Ok(Some(simple))
}

fn hexadecimal(parser: &mut Parser, length: usize) -> Parsed<Option<char>> {
    let mut number = 0u32;
    for _ in 0..length {
        let digit = parser.peek().and_then(|c| c.to_digit(16));
        let digit = digit.ok_or_else(|| parser.error("incomplete escape"))?;
        parser.position += 1;
        number = number << 4 | digit;
    }
    if number > u32::from(char::MAX) {
        return Err(parser.error("bad escape"));
    }
    Ok(char::from_u32(number))
}

/// Up to three digits in all.
fn octal(parser: &mut Parser, first: char) -> Parsed<Option<char>> {
    let mut number = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = parser.peek().and_then(|c| c.to_digit(8)) else { break };
        parser.position += 1;
        number = number << 3 | digit;
    }
    if number > 0o377 {
        return Err(parser.error("octal escape value outside of range 0-0o377"));
    }
    Ok(char::from_u32(number))
}

enum Member {
    Character(Option<char>),
    Class(String),
}

/// Reads a set after its opening bracket.
pub(super) fn read(parser: &mut Parser, flags: Flags) -> Parsed<String> {
    let unterminated = |parser: &Parser| parser.error("unterminated character set");
    let negated = parser.take('^');
    let mut written = String::new();
    let mut empty = true;
    loop {
        let c = parser.next().ok_or_else(|| unterminated(parser))?;
        if c == ']' && !empty {
            break;
        }
        empty = false;
        let first = member(parser, c, flags)?;
        if !parser.take('-') {
            push(&mut written, &first);
            continue;
        }
        let c = parser.next().ok_or_else(|| unterminated(parser))?;
        if c == ']' {
            push(&mut written, &first);
            push(&mut written, &Member::Character(Some('-')));
            break;
        }
        match (first, member(parser, c, flags)?) {
            (Member::Character(from), Member::Character(to)) => {
                let (Some(from), Some(to)) = (from, to) else { continue };
                if from > to {
                    return Err(parser.error("bad character range"));
                }
                push_code(&mut written, from);
                written.push('-');
                push_code(&mut written, to);
            }
            _ => return Err(parser.error("bad character range")),
        }
    }
    Ok(match (written.is_empty(), negated) {
        (false, false) => format!("[{written}]"),
        (false, true) => format!("[^{written}]"),
        // Nothing but surrogates.
        (true, false) => "[^\\s\\S]".to_owned(),
        (true, true) => "[\\s\\S]".to_owned(),
    })
}

fn member(parser: &mut Parser, c: char, flags: Flags) -> Parsed<Member> {
    if c != '\\' {
        return Ok(Member::Character(Some(c)));
    }
    let c = parser.next().ok_or_else(|| parser.error("bad escape (end of pattern)"))?;
    if let Some(class) = class(c, flags.ascii) {
        return Ok(Member::Class(class));
    }
    if c == 'b' {
        return Ok(Member::Character(Some('\u{8}')));
    }
    character(parser, c).map(Member::Character)
}

fn push(written: &mut String, member: &Member) {
    match member {
        Member::Character(Some(c)) => push_code(written, *c),
        Member::Character(None) => {}
        Member::Class(class) => written.push_str(class),
    }
}
