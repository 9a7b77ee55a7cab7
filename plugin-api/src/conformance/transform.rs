//! What compressors and encryptors must do.

mod damage;

use std::{io::Read, thread};

use super::{
    report::{Checks, Explain, Verdict, ensure},
    stream::{Broken, Cut, USUAL, noise, run, runs, same, text},
};
use crate::{Codec, DecodeReader, Op, StreamOptions, Transform, error::Error, meta::Provided};

/// What is checked, with a short way to use it.
pub(super) struct Streams<'a> {
    pub(super) transform: &'a Transform,
    pub(super) provided: &'a Provided,
}

impl Streams<'_> {
    fn is_compressor(&self) -> bool {
        self.provided.kind == "compressor"
    }

    fn encode_with(&self, input: &[u8], options: StreamOptions, cut: Cut) -> Verdict<Vec<u8>> {
        let codec = self.transform.encoder(options).explain("beginning to encode")?;
        let drained = run(codec, input, cut).map_err(|e| format!("encoding: {e}"))?;
        ensure(drained.consumed == input.len(), || {
            format!("the encoder took {} of {} bytes", drained.consumed, input.len())
        })?;
        Ok(drained.output)
    }

    fn encode(&self, input: &[u8]) -> Verdict<Vec<u8>> {
        self.encode_with(input, StreamOptions::default(), Cut::USUAL)
    }

    /// Decodes with all that can go wrong kept.
    fn try_decode(&self, encoded: &[u8], cut: Cut) -> Result<Vec<u8>, Broken> {
        let codec = self.transform.decoder().map_err(Broken::Error)?;
        run(codec, encoded, cut).map(|it| it.output)
    }

    fn decode(&self, encoded: &[u8], cut: Cut) -> Verdict<Vec<u8>> {
        self.try_decode(encoded, cut).map_err(|e| format!("decoding: {e}"))
    }

    fn round_trip(&self, input: &[u8], options: StreamOptions, cut: Cut) -> Verdict {
        let encoded = self.encode_with(input, options, cut)?;
        same(&self.decode(&encoded, cut)?, input)
    }
}

/// Makes the checks of one compressor or encryptor.
pub(super) fn check(checks: &mut Checks<'_>, it: &Streams<'_>) {
    checks.check("round trips of many sizes", || sizes(it));
    checks.check("buffers of one byte", || tiny_buffers(it));
    checks.check("pieces of any size", || pieces(it));
    checks.check("flush", || flushes(it));
    checks.check("options are wishes", || wishes(it));
    checks.check("steps that give nothing to do", || idle_steps(it));
    checks.check("eight streams at once", || at_once(it));
    checks.check("dropped in mid-stream", || dropped(it));
    checks.check("suffix and magic", || facts(it));
    if it.is_compressor() {
        checks.check("streams in a row", || in_a_row(it));
    } else {
        checks.check("nothing is readable", || unreadable(it));
    }
    damage::check(checks, it);
}

const SIZES: [usize; 7] = [0, 1, 255, USUAL - 1, USUAL, USUAL + 1, 5 << 20];

fn sizes(it: &Streams<'_>) -> Verdict {
    for size in SIZES {
        for (what, sample) in [("text", text(size)), ("noise", noise(size))] {
            it.round_trip(&sample, StreamOptions::default(), Cut::USUAL)
                .map_err(|e| format!("{size} bytes of {what}: {e}"))?;
        }
    }
    let sample = runs(3 << 20);
    it.round_trip(&sample, StreamOptions::default(), Cut::USUAL).map_err(|e| format!("runs: {e}"))
}

fn tiny_buffers(it: &Streams<'_>) -> Verdict {
    for size in [0, 1, 5, 3000] {
        it.round_trip(&text(size), StreamOptions::default(), Cut::of(1, 1))
            .map_err(|e| format!("{size} bytes: {e}"))?;
    }
    Ok(())
}

fn pieces(it: &Streams<'_>) -> Verdict {
    let sample = [text(100_000), noise(50_000), runs(60_000)].concat();
    let whole = it.encode(&sample)?;
    for cut in [Cut::of(7, 13), Cut::of(100_000, 1000), Cut::of(1, USUAL), Cut::of(4096, 70_000)] {
        let told = |e| format!("{} in, {} out: {e}", cut.input, cut.output);
        it.round_trip(&sample, StreamOptions::default(), cut).map_err(told)?;
        same(&it.decode(&whole, cut).map_err(told)?, &sample).map_err(told)?;
    }
    Ok(())
}

fn flushes(it: &Streams<'_>) -> Verdict {
    let sample = text(200_000);
    for input in [4000, 65_536] {
        let cut = Cut { flush: true, ..Cut::of(input, 10_000) };
        let encoded = it.encode_with(&sample, StreamOptions::default(), cut)?;
        let decoded = it.decode(&encoded, Cut::USUAL)?;
        same(&decoded, &sample).map_err(|e| format!("flushed every {input} bytes: {e}"))?;
    }
    Ok(())
}

/// A host may wish for anything; what cannot be followed is ignored.
fn wishes(it: &Streams<'_>) -> Verdict {
    let sample = text(300_000);
    let all = StreamOptions::default();
    let wishes = [
        StreamOptions { level: Some(1), ..all },
        StreamOptions { level: Some(9), ..all },
        StreamOptions { level: Some(i32::MIN + 1), ..all },
        StreamOptions { level: Some(i32::MAX), ..all },
        StreamOptions { threads: Some(1), ..all },
        StreamOptions { threads: Some(4), ..all },
        StreamOptions { size_hint: Some(300_000), ..all },
        StreamOptions { size_hint: Some(100), ..all },
        StreamOptions { size_hint: Some(1 << 40), ..all },
    ];
    for options in wishes {
        it.round_trip(&sample, options, Cut::USUAL).map_err(|e| format!("{options:?}: {e}"))?;
    }
    Ok(())
}

fn idle_steps(it: &Streams<'_>) -> Verdict {
    let idle = |codec: &mut Box<dyn Codec>, what: &str| {
        let mut output = [0; 64];
        let step = codec.step(&[], &mut output, Op::RUN).explain(what)?;
        let full = codec.step(&[], &mut [], Op::RUN).explain(what)?;
        ensure(!step.done && !full.done, || format!("{what} is done before its stream began"))?;
        Ok::<_, String>(output[..step.produced].to_vec())
    };
    let mut codec =
        it.transform.encoder(StreamOptions::default()).explain("beginning to encode")?;
    let mut packed = idle(&mut codec, "an encoder without input")?;
    let rest = run(codec, b"hay", Cut::USUAL).map_err(|e| format!("encoding: {e}"))?;
    packed.extend(rest.output);
    let mut codec = it.transform.decoder().explain("beginning to decode")?;
    idle(&mut codec, "a decoder without input")?;
    let unpacked = run(codec, &packed, Cut::USUAL).map_err(|e| format!("decoding: {e}"))?;
    same(&unpacked.output, b"hay")
}

fn at_once(it: &Streams<'_>) -> Verdict {
    thread::scope(|scope| {
        let work = |n: usize| {
            let sample = [text(100_000 + n), noise(20_000 * n)].concat();
            it.round_trip(&sample, StreamOptions::default(), Cut::of(30_000, 10_000))
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
        })
    })
}

fn dropped(it: &Streams<'_>) -> Verdict {
    let sample = [text(600_000), noise(600_000)].concat();
    let packed = it.encode(&sample)?;
    for part in [0, 1, 3000, 1_000_000] {
        let mut output = vec![0; 1000];
        let mut encoder =
            it.transform.encoder(StreamOptions::default()).explain("beginning to encode")?;
        encoder.step(&sample[..part], &mut output, Op::RUN).explain("encoding a part")?;
        let mut decoder = it.transform.decoder().explain("beginning to decode")?;
        let part = part.min(packed.len() / 2);
        decoder.step(&packed[..part], &mut output, Op::RUN).explain("decoding a part")?;
    }
    it.round_trip(&sample, StreamOptions::default(), Cut::USUAL)
}

fn facts(it: &Streams<'_>) -> Verdict {
    let suffix = it.provided.fact("suffix").unwrap_or("");
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    ensure(suffix.len() > 1 && suffix.starts_with('.') && suffix.chars().all(good), || {
        format!("{suffix:?} is no suffix of a file's name such as `.gz`")
    })?;
    let magic = it.provided.fact("magic").unwrap_or("");
    let bytes = from_hexadecimal(magic).ok_or_else(|| format!("{magic:?} is not hexadecimal"))?;
    for sample in [text(0), text(1), noise(100_000)] {
        let encoded = it.encode(&sample)?;
        ensure(encoded.starts_with(&bytes), || {
            let head = encoded.get(..bytes.len().min(encoded.len())).unwrap_or_default();
            format!("a stream begins with {head:02x?}, not with the magic {magic}")
        })?;
    }
    Ok(())
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Reads as the host reads files: through a reader, to the end.
fn read_all(it: &Streams<'_>, encoded: &[u8]) -> Result<Vec<u8>, Error> {
    let mut output = Vec::new();
    DecodeReader::new(it.transform.decoder()?, encoded).read_to_end(&mut output)?;
    Ok(output)
}

fn in_a_row(it: &Streams<'_>) -> Verdict {
    let (first, second) = (text(70_000), noise(10));
    let encoded = [it.encode(&first)?, it.encode(b"")?, it.encode(&second)?].concat();
    let expected = [first, second].concat();
    let read = read_all(it, &encoded).explain("reading three streams in a row")?;
    same(&read, &expected)?;
    for cut in [Cut::of(1, 1000), Cut::of(1000, 1)] {
        same(&it.decode(&encoded, cut)?, &expected)?;
    }
    Ok(())
}

fn unreadable(it: &Streams<'_>) -> Verdict {
    const WINDOW: usize = 16;
    let sample = text(20_000);
    let (first, second) = (it.encode(&sample)?, it.encode(&sample)?);
    let content: std::collections::HashSet<&[u8]> = sample.windows(WINDOW).collect();
    ensure(!first.windows(WINDOW).any(|window| content.contains(window)), || {
        "parts of the content can be read in what is encrypted".to_owned()
    })?;
    ensure(first != second, || {
        "the same content is encrypted to the same bytes twice: a nonce is used again".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_and_anything_else_refused() {
        assert_eq!(from_hexadecimal("1f8B"), Some(vec![0x1f, 0x8b]));
        assert_eq!(from_hexadecimal(""), Some(vec![]));
        for bad in ["1", "1g", "ä"] {
            assert_eq!(from_hexadecimal(bad), None, "{bad}");
        }
    }
}
