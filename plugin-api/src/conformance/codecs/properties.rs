//! What holds for every input, every cut and every damage.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::{Codecs, Pieces, assert_good, is_corrupt, text, threads};
use crate::{
    conformance::{
        report::{Verdict, ensure},
        stream::same,
    },
    error::{ErrorKind, Result},
    sdk::StreamOptions,
};

/// How much is tried by [`Codecs::assert_properties`].
#[derive(Debug, Clone, Copy)]
pub struct Properties {
    /// How many random streams are tried.
    pub cases: u32,
    /// The length of the longest of them, in bytes.
    pub longest: usize,
    /// How a stream begins, so that random bytes come further than to that.
    pub header: &'static [u8],
    /// What follows random bytes behind the header.
    pub trailer: &'static [u8],
    /// The lengths of the inputs whose streams are cut off.
    pub cut_off: &'static [usize],
    /// The length of the input in whose stream each bit is flipped.
    pub flipped: usize,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            cases: 48,
            longest: 300_000,
            header: b"",
            trailer: b"",
            cut_off: &[100_000],
            flipped: 400,
        }
    }
}

impl Codecs {
    /// Demands that
    /// * what was encoded is decoded in pieces of any size, with any number of
    ///   threads, flushed or not, in buffers of one byte too;
    /// * random bytes, alone or behind a header, are nothing worse than
    ///   [`ErrorKind::CORRUPT`];
    /// * a stream that is cut off is [`ErrorKind::CORRUPT`];
    /// * no flipped bit makes a stream decode to something else. In encrypted
    ///   streams each must be an error, [`ErrorKind::NOT_FOUND`] if the bit
    ///   belongs to what says which key opens it.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn assert_properties(&self, properties: &Properties) {
        assert_good("pieces of any size", self.any_pieces(properties));
        assert_good("buffers of one byte", self.tiny_buffers());
        assert_good("random bytes", self.any_bytes(properties));
        for length in properties.cut_off {
            assert_good("cut off", self.cut_off(&text(*length)));
        }
        assert_good("flipped bits", self.flipped(&text(properties.flipped)));
    }

    /// Demands that an encoded stream that ends at one of those places is
    /// [`ErrorKind::CORRUPT`]. It is for the places that only the format
    /// knows; [`Codecs::assert_properties`] tries many.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn assert_cut_off(&self, encoded: &[u8], places: impl IntoIterator<Item = usize>) {
        for end in places {
            assert_good("cut off", self.cut_off_at(encoded, end));
        }
    }

    /// Demands of the stream of `hay`, with something behind it, that it is
    /// decoded to what is given, or is [`ErrorKind::CORRUPT`] if that is
    /// `None`.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn assert_followed_by(&self, cases: &[(&[u8], Option<&[u8]>)]) {
        for (after, expected) in cases {
            let head = &after[..after.len().min(16)];
            assert_good(&format!("followed by {head:02x?}"), self.followed_by(after, *expected));
        }
    }

    /// Demands that each of those levels, which ascend from the lowest to the
    /// highest, can be wished for, that the highest compresses better than the
    /// lowest, and that a wish beyond them counts as the nearest.
    ///
    /// # Panics
    ///
    /// If that is not so.
    #[track_caller]
    pub fn assert_levels(&self, levels: &[i32], length: usize, options: StreamOptions) {
        // What comes again far away is where the sizes of windows and blocks show.
        let sample = text(length / 2).repeat(2);
        assert_good("levels", self.levels(levels, &sample, options));
    }

    fn any_pieces(&self, properties: &Properties) -> Verdict {
        // Many formats have blocks of 64 KiB: nothing may get lost at their ends.
        let lengths = prop_oneof![
            4 => 0..properties.longest,
            1 => prop_oneof![Just(0_usize), Just(65_536), Just(131_072)],
        ];
        let noise = prop_oneof![1 => Just(Vec::new()), 3 => vec(any::<u8>(), 0..3000)];
        let sizes = (1_usize..140_000, 1_usize..140_000);
        let strategy = (lengths, noise, sizes, 1_u32..4, any::<bool>());
        random(properties.cases, &strategy, |(length, noise, sizes, count, flush)| {
            let sample = [text(length), noise].concat();
            // A flush costs many bytes and some time, so not after each byte.
            let input = if flush { sizes.0.max(5000) } else { sizes.0 };
            let pieces = Pieces { flush, ..Pieces::of(input, sizes.1) };
            self.round_trip(&sample, threads(count), pieces)
        })
    }

    fn any_bytes(&self, properties: &Properties) -> Verdict {
        random(properties.cases, &vec(any::<u8>(), 0..500), |bytes| {
            let headed = [properties.header, &bytes, properties.trailer].concat();
            for input in [bytes, headed] {
                let decoded = self.decode(&input);
                // A compressor's stream may be made of few bytes by chance.
                if !(self.is_compressor && decoded.is_ok()) {
                    is_corrupt(decoded)?;
                }
            }
            Ok(())
        })
    }

    fn tiny_buffers(&self) -> Verdict {
        for length in [0, 1, 5, 70_000] {
            self.round_trip(&text(length), threads(2), Pieces::of(1, 1))
                .map_err(|e| format!("{length} bytes: {e}"))?;
        }
        Ok(())
    }

    fn cut_off(&self, sample: &[u8]) -> Verdict {
        let encoded = self.try_encode(sample, threads(1))?;
        let length = encoded.len();
        let mut ends = (0..length.min(250)).chain((250..length).step_by(997)).chain([length - 1]);
        ends.try_for_each(|end| self.cut_off_at(&encoded, end))
    }

    fn cut_off_at(&self, encoded: &[u8], end: usize) -> Verdict {
        is_corrupt(self.decode(&encoded[..end]))
            .map_err(|e| format!("at {end} of {}: {e}", encoded.len()))
    }

    fn flipped(&self, sample: &[u8]) -> Verdict {
        let mut encoded = self.try_encode(sample, threads(1))?;
        for bit in 0..encoded.len() * 8 {
            let mask = 1 << (bit % 8);
            encoded[bit / 8] ^= mask;
            let decoded = self.decode(&encoded);
            self.noticed(decoded, sample).map_err(|e| format!("bit {bit}: {e}"))?;
            encoded[bit / 8] ^= mask;
        }
        Ok(())
    }

    fn noticed(&self, decoded: Result<Vec<u8>>, sample: &[u8]) -> Verdict {
        match decoded {
            // Of some bits of a header nothing depends.
            Ok(decoded) if self.is_compressor => same(&decoded, sample),
            Err(error) if !self.is_compressor && error.kind() == ErrorKind::NOT_FOUND => Ok(()),
            other => is_corrupt(other),
        }
    }

    fn followed_by(&self, after: &[u8], expected: Option<&[u8]>) -> Verdict {
        let stream = self.try_encode(b"hay", threads(1))?;
        let decoded = self.decode(&[&stream, after].concat());
        let Some(expected) = expected else { return is_corrupt(decoded) };
        same(&decoded.map_err(|e| e.to_string())?, expected)
    }

    fn levels(&self, levels: &[i32], sample: &[u8], options: StreamOptions) -> Verdict {
        let size = |level: i32| -> Verdict<usize> {
            let options = StreamOptions { level: Some(level), ..options };
            let encoded = self.try_encode(sample, options)?;
            let decoded = self.decode(&encoded).map_err(|e| format!("level {level}: {e}"))?;
            same(&decoded, sample).map_err(|e| format!("level {level}: {e}"))?;
            Ok(encoded.len())
        };
        let sizes = levels.iter().map(|level| size(*level)).collect::<Verdict<Vec<_>>>()?;
        let bounds = levels.first().zip(levels.last()).zip(sizes.first().zip(sizes.last()));
        let ((lowest, highest), (most, least)) = bounds.ok_or("there are no levels")?;
        ensure(most > least, || format!("{highest} makes {least} bytes, {lowest} makes {most}"))?;
        let beyond =
            [(i32::MIN + 1, most), (lowest - 1, most), (highest + 1, least), (i32::MAX, least)];
        for (level, expected) in beyond {
            let found = size(level)?;
            ensure(found == *expected, || {
                format!("level {level} makes {found} bytes, and the nearest one {expected}")
            })?;
        }
        Ok(())
    }
}

/// Tries random cases; of a failure the smallest case is told.
fn random<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value) -> Verdict) -> Verdict {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(strategy, |case| check(case).map_err(TestCaseError::fail))
        .map_err(|e| e.to_string())
}
