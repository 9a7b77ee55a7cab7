//! Streams that are cut off, changed, or were never of this kind: nothing of
//! that may pass unnoticed.

use std::time::{Duration, Instant};

use super::{Streams, read_all};
use crate::{
    conformance::{
        report::{Checks, Verdict, ensure},
        stream::{Broken, Cut, noise, text},
    },
    error::ErrorKind,
};

pub(super) fn check(checks: &mut Checks<'_>, it: &Streams<'_>) {
    checks.check("truncated streams", || truncated(it));
    checks.check("flipped bits", || flipped(it));
    checks.check("garbage", || garbage(it));
    checks.check("bytes after the end", || after_the_end(it));
}

/// Ends sampling when it takes long: some decoders start a program each time.
struct Budget {
    begun: Instant,
    samples: u32,
}

impl Budget {
    const LEAST: u32 = 16;
    const TIME: Duration = Duration::from_secs(3);

    fn new() -> Self {
        Self { begun: Instant::now(), samples: 0 }
    }

    fn goes_on(&mut self) -> bool {
        self.samples += 1;
        self.samples <= Self::LEAST || self.begun.elapsed() < Self::TIME
    }
}

/// Up to `count` numbers below `below`, spread so that any beginning of the
/// list is spread too.
fn spread(count: usize, below: usize) -> impl Iterator<Item = usize> {
    const GOLDEN: usize = 0x9e37_79b1;
    (1..=count.min(below)).map(move |i| i.wrapping_mul(GOLDEN) % below)
}

fn truncated(it: &Streams<'_>) -> Verdict {
    // The last one has several blocks in most formats.
    let samples = [(text(3000), 200), (noise(40_000), 60), (noise(700_000), 8)];
    let mut budget = Budget::new();
    for (sample, count) in samples {
        let encoded = it.encode(&sample)?;
        let length = encoded.len();
        let points = [0, 1, 2, length - 1, length.saturating_sub(8)].into_iter();
        for end in points.chain(spread(count, length)) {
            if !budget.goes_on() {
                break;
            }
            cut_off(it, &encoded[..end], length)?;
        }
    }
    Ok(())
}

fn cut_off(it: &Streams<'_>, encoded: &[u8], length: usize) -> Verdict {
    let end = encoded.len();
    match it.try_decode(encoded, Cut::USUAL) {
        Err(Broken::Error(error)) if error.kind() == ErrorKind::CORRUPT => Ok(()),
        Err(other) => Err(format!("cut off at {end} of {length}: {other}; it must be CORRUPT")),
        Ok(decoded) => Err(format!(
            "cut off at {end} of {length}: decoded to {} bytes as if it were whole",
            decoded.len()
        )),
    }
}

fn flipped(it: &Streams<'_>) -> Verdict {
    let mut budget = Budget::new();
    for (sample, count) in [(text(2000), 300), (noise(30_000), 100)] {
        let encoded = it.encode(&sample)?;
        let bits = encoded.len() * 8;
        let header = 0..bits.min(160);
        for bit in spread(count, bits).chain(header) {
            if !budget.goes_on() {
                break;
            }
            let mut damaged = encoded.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let decoded = it.try_decode(&damaged, Cut::USUAL);
            noticed(it, decoded, &sample)
                .map_err(|e| format!("bit {} of byte {}: {e}", bit % 8, bit / 8))?;
        }
    }
    Ok(())
}

/// Damage may be of no consequence, or must be an error of a fitting kind.
fn noticed(it: &Streams<'_>, decoded: Result<Vec<u8>, Broken>, expected: &[u8]) -> Verdict {
    let error = match decoded {
        Ok(decoded) => {
            return ensure(decoded == expected, || {
                format!("{} wrong bytes were decoded without an error", decoded.len())
            });
        }
        Err(Broken::Endless) => return Ok(()),
        Err(error) => error,
    };
    let fitting = match error.kind() {
        Some(ErrorKind::CORRUPT | ErrorKind::UNSUPPORTED) => true,
        // What says which key opens it was changed.
        Some(ErrorKind::NOT_FOUND) => !it.is_compressor(),
        _ => false,
    };
    ensure(fitting, || format!("{error}; it must be CORRUPT"))
}

fn garbage(it: &Streams<'_>) -> Verdict {
    let samples = [noise(1), noise(20), noise(100_000), text(5000), vec![0; 5000], vec![255; 5000]];
    for sample in samples {
        let head: Vec<u8> = sample.iter().copied().take(4).collect();
        let decoded = it.try_decode(&sample, Cut::USUAL);
        ensure(decoded.is_err(), || format!("{head:02x?}… was decoded without an error"))?;
        noticed(it, decoded, b"").map_err(|e| format!("{head:02x?}…: {e}"))?;
    }
    // Behind a good beginning.
    let encoded = it.encode(&noise(10_000))?;
    let half = encoded.len() / 2;
    for rest in [noise(5000), vec![0; 20_000], text(100_000)] {
        let damaged = [&encoded[..half], &rest].concat();
        noticed(it, it.try_decode(&damaged, Cut::USUAL), b"")?;
    }
    Ok(())
}

/// A decoder may be done before them, but then the host sees what is left.
fn after_the_end(it: &Streams<'_>) -> Verdict {
    let encoded = it.encode(b"hay")?;
    let read = read_all(it, &[encoded.as_slice(), b"garbage"].concat());
    match read {
        Err(error) if error.kind() == ErrorKind::CORRUPT => Ok(()),
        Err(error) => Err(format!("{error} [{}]; it must be CORRUPT", error.kind().name())),
        Ok(_) => Err("garbage after the end of a stream is not noticed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_and_in_range() {
        let all: Vec<_> = spread(200, 1000).collect();
        assert_eq!(all.len(), 200);
        assert!(all.iter().all(|n| *n < 1000));
        let low = all[..50].iter().filter(|n| **n < 500).count();
        assert!((15..35).contains(&low), "{low}");
        assert_eq!(spread(200, 3).count(), 3);
    }
}
