//! One frame.

use std::{fmt, num::NonZero, thread};

use hayloft_plugin_api::{Codec, ErrorKind, Op, Result, Step, StreamOptions};
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective as Directive,
};

use crate::{
    Config, failure,
    pool::{Lent, Pool},
};

/// More threads than this only wait for whoever reads and writes.
const MOST_THREADS: u32 = 8;
/// Below this many bytes the library makes one job anyway.
const WORTH_THREADS: u64 = 4 << 20;
/// The highest level that is fast enough for a smaller job to keep all cores
/// busy; the library's own choice takes up to half a gibibyte above it.
const SMALL_JOBS_UP_TO: i32 = 12;
/// The size of a job for such levels, in bytes. The library would take 8 MiB
/// at level 3: twice the memory for 0.1 % of size.
const JOB_SIZE: u32 = 4 << 20;
/// The smallest job, in bytes: each begins with a bit of the one before.
const SMALLEST_JOB: u32 = 1 << 20;
/// So many jobs each thread is to have at least, where the size of the whole
/// is known: with fewer, some wait for the last one.
const JOBS_A_THREAD: u64 = 4;

/// Encodes straight from the input buffer into the output buffer.
pub(crate) struct ZstdEncoder {
    context: Lent<CCtx<'static>>,
    ended: bool,
}

impl fmt::Debug for ZstdEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdEncoder").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl ZstdEncoder {
    /// Begins a stream. What the options wish goes before what is configured.
    pub(crate) fn new(
        config: &Config,
        options: StreamOptions,
        pool: &Pool<CCtx<'static>>,
    ) -> Result<Self> {
        let mut context = pool.take()?;
        for parameter in parameters(config, options) {
            context
                .get()?
                .set_parameter(parameter)
                .map_err(|code| failure(ErrorKind::OTHER, code))?;
        }
        Ok(Self { context, ended: false })
    }
}

fn parameters(config: &Config, options: StreamOptions) -> Vec<CParameter> {
    let level = options.level.unwrap_or(config.level).clamp(-100, 22);
    let mut all = vec![CParameter::CompressionLevel(level), CParameter::ChecksumFlag(true)];
    if let Some(log) = config.long {
        all.push(CParameter::EnableLongDistanceMatching(true));
        all.push(CParameter::WindowLog(log));
    }
    let small = options.size_hint.is_some_and(|size| size < WORTH_THREADS);
    let threads = options.threads.or(config.threads).unwrap_or_else(cores);
    // A single worker would only add a copy: the caller's thread does it.
    if threads > 1 && !small {
        all.push(CParameter::NbWorkers(threads));
        if config.long.is_none() && level <= SMALL_JOBS_UP_TO {
            all.push(CParameter::JobSize(job_size(options.size_hint, threads)));
        }
    }
    all
}

fn job_size(size_hint: Option<u64>, threads: u32) -> u32 {
    let jobs = JOBS_A_THREAD * u64::from(threads);
    let share = size_hint.and_then(|size| u32::try_from(size / jobs).ok());
    share.unwrap_or(JOB_SIZE).clamp(SMALLEST_JOB, JOB_SIZE)
}

fn cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(MOST_THREADS).min(MOST_THREADS)
}

impl Codec for ZstdEncoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        if self.ended {
            return Ok(Step { consumed: 0, produced: 0, done: input.is_empty() });
        }
        let directive = match op {
            Op::FINISH => Directive::ZSTD_e_end,
            Op::FLUSH => Directive::ZSTD_e_flush,
            _ => Directive::ZSTD_e_continue,
        };
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
        let left = self
            .context
            .get()?
            .compress_stream2(&mut to, &mut from, directive)
            .map_err(|code| failure(ErrorKind::OTHER, code))?;
        let done = op != Op::RUN && left == 0;
        self.ended = done && op == Op::FINISH;
        Ok(Step { consumed: from.pos(), produced: to.pos(), done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_small_enough_to_keep_all_threads_busy_to_the_end() {
        let cases = [
            (None, 2, 4 << 20),
            (Some(16 << 20), 2, 2 << 20),
            (Some(5 << 20), 8, 1 << 20),
            (Some(1 << 40), 2, 4 << 20),
        ];
        for (size, threads, expected) in cases {
            assert_eq!(job_size(size, threads), expected, "{size:?} {threads}");
        }
    }

    #[test]
    fn threads_are_used_only_where_they_are_of_use() {
        let config = Config { threads: Some(3), ..Config::default() };
        let cases = [
            (None, None, true),
            (Some(10 << 20), None, true),
            (Some(1 << 20), None, false),
            (None, Some(1), false),
            (None, Some(2), true),
        ];
        for (size_hint, threads, expected) in cases {
            let options = StreamOptions { size_hint, threads, level: None };
            let used = parameters(&config, options)
                .iter()
                .any(|it| matches!(it, CParameter::NbWorkers(n) if *n == threads.unwrap_or(3)));
            assert_eq!(used, expected, "{options:?}");
        }
    }
}
