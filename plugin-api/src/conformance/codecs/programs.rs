//! Other programs for the same format.

use std::{
    io::{ErrorKind, Write},
    process::{Command, Stdio},
    thread,
};

use super::{Codecs, assert_good, text, threads};
use crate::{
    conformance::{report::Verdict, stream::same},
    sdk::StreamOptions,
};

/// Pipes `input` through a program, and returns what it printed.
///
/// # Panics
///
/// If the program is not there or does not end well: what cannot be tested has
/// not passed.
#[track_caller]
pub fn pipe(command: &[&str], input: &[u8]) -> Vec<u8> {
    let output = through(command, input);
    let failure = output.as_ref().err();
    assert!(failure.is_none(), "{}", failure.map_or("", |it| it));
    output.unwrap_or_default()
}

fn through(command: &[&str], input: &[u8]) -> Verdict<Vec<u8>> {
    let failed = |what: &dyn std::fmt::Display| format!("{}: {what}", command.join(" "));
    let (program, arguments) = command.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(&e))?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        let written = scope.spawn(move || stdin.map_or(Ok(()), |mut it| it.write_all(input)));
        let output = child.wait_with_output().map_err(|e| failed(&e))?;
        match written.join() {
            // Its status and its messages say more.
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(failed(&error)),
            Ok(Err(error)) if output.status.success() => Err(failed(&error)),
            Ok(_) => Ok(output),
            Err(_) => Err(failed(&"a thread of the test panicked")),
        }
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(&format!("{}: {}", output.status, said.trim_end())))
}

impl Codecs {
    /// Demands that each of those commands decodes what is encoded here, of
    /// each of those lengths and with each of those options; without options,
    /// with one thread and with two.
    ///
    /// # Panics
    ///
    /// If that is not so, or a program is missing.
    #[track_caller]
    pub fn assert_read_by(
        &self,
        commands: &[&[&str]],
        lengths: &[usize],
        options: &[StreamOptions],
    ) {
        let usual = [threads(1), threads(2)];
        let options = if options.is_empty() { &usual } else { options };
        for length in lengths {
            let sample = text(*length);
            for options in options {
                let what = format!("{length} bytes, {options:?}");
                assert_good(&what, self.read_by(commands, &sample, *options));
            }
        }
    }

    /// Demands that what each of those commands encodes is decoded here; of a
    /// compressor also that two such streams in a row are.
    ///
    /// # Panics
    ///
    /// If that is not so, or a program is missing.
    #[track_caller]
    pub fn assert_reads(&self, commands: &[&[&str]], length: usize) {
        let sample = text(length);
        for command in commands {
            assert_good(&command.join(" "), self.reads(command, &sample));
        }
    }

    fn read_by(&self, commands: &[&[&str]], sample: &[u8], options: StreamOptions) -> Verdict {
        let encoded = self.try_encode(sample, options)?;
        for command in commands {
            same(&through(command, &encoded)?, sample)
                .map_err(|e| format!("{}: {e}", command.join(" ")))?;
        }
        Ok(())
    }

    fn reads(&self, command: &[&str], sample: &[u8]) -> Verdict {
        let encoded = through(command, sample)?;
        let decode = |encoded: &[u8]| self.decode(encoded).map_err(|e| format!("decoding: {e}"));
        same(&decode(&encoded)?, sample)?;
        if self.is_compressor {
            same(&decode(&[encoded.as_slice(), &encoded].concat())?, &[sample, sample].concat())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_with_a_program_is_told() {
        let input = text(300_000);
        assert!(pipe(&["cat"], &input) == input);
        let cases: [(&[&str], &str); 4] = [
            (&["/nonexistent/program", "-d"], "/nonexistent/program -d: No such file"),
            (&["sh", "-c", "echo alas >&2; exit 3"], "exit status: 3: alas"),
            (&["true"], "true: Broken pipe"),
            (&[], "no program is named"),
        ];
        for (command, expected) in cases {
            let error = through(command, &input).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
