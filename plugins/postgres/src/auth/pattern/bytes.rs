//! Sets of bytes: what one place of a pattern can stand for.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) fn none() -> Self {
        Self([0; 4])
    }

    pub(super) fn all() -> Self {
        Self([u64::MAX; 4])
    }

    pub(super) fn of(byte: u8) -> Self {
        Self::none().with(byte)
    }

    pub(super) fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    #[must_use]
    pub(super) fn with(mut self, byte: u8) -> Self {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        self
    }

    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        Self(words)
    }

    #[must_use]
    pub(super) fn inverted(self, really: bool) -> Self {
        if really { Self(self.0.map(|it| !it)) } else { self }
    }

    /// Adds the other case of each letter.
    #[must_use]
    pub(super) fn folded(self, really: bool) -> Self {
        if !really {
            return self;
        }
        let letters = (b'a'..=b'z').chain(b'A'..=b'Z');
        letters.filter(|it| self.has(*it)).fold(self, |all, it| all.with(it ^ 0x20))
    }

    fn matching(is_in: impl Fn(&u8) -> bool) -> Self {
        (0..=u8::MAX).filter(|it| is_in(it)).fold(Self::none(), Self::with)
    }
}

/// A class of characters. Only ASCII has any: the patterns of these files are
/// not in a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Alnum,
    Alpha,
    Ascii,
    Blank,
    Cntrl,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    Xdigit,
    Word,
}

impl Class {
    /// Finds a class by its name in `[[:name:]]`.
    pub(super) fn named(name: &[u8], major: u32) -> Option<Self> {
        Some(match name {
            b"alnum" => Self::Alnum,
            b"alpha" => Self::Alpha,
            b"ascii" => Self::Ascii,
            b"blank" => Self::Blank,
            b"cntrl" => Self::Cntrl,
            b"digit" => Self::Digit,
            b"graph" => Self::Graph,
            b"lower" => Self::Lower,
            b"print" => Self::Print,
            b"punct" => Self::Punct,
            b"space" => Self::Space,
            b"upper" => Self::Upper,
            b"xdigit" => Self::Xdigit,
            b"word" if major >= 14 => Self::Word,
            _ => return None,
        })
    }

    pub(super) fn bytes(self) -> Bytes {
        Bytes::matching(|it| match self {
            Self::Alnum => it.is_ascii_alphanumeric(),
            Self::Alpha => it.is_ascii_alphabetic(),
            Self::Ascii => it.is_ascii(),
            Self::Blank => matches!(it, b' ' | b'\t'),
            Self::Cntrl => it.is_ascii_control(),
            Self::Digit => it.is_ascii_digit(),
            Self::Graph => it.is_ascii_graphic(),
            Self::Lower => it.is_ascii_lowercase(),
            Self::Print => it.is_ascii_graphic() || *it == b' ',
            Self::Punct => it.is_ascii_punctuation(),
            Self::Space => matches!(it, b' ' | 9..=13),
            Self::Upper => it.is_ascii_uppercase(),
            Self::Xdigit => it.is_ascii_hexdigit(),
            Self::Word => it.is_ascii_alphanumeric() || *it == b'_',
        })
    }
}
