//! Encoders of formats whose blocks can be compressed one by one, on all
//! cores.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel},
    },
    thread::{self, JoinHandle},
};

use super::{Codec, Op, Step};
use crate::error::{Error, ErrorKind, Result};

/// How [`from_blocks`] cuts a stream and spreads the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The size of a block in bytes; only the last one is smaller.
    pub size: usize,
    /// The most threads that compress at the same time. With 1, and for a
    /// stream of a single block, no thread is started at all.
    pub threads: usize,
}

/// A piece of the input, see [`from_blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it is the last one of the stream: exactly one is.
    pub last: bool,
}

/// Makes a [`Codec`] out of a function that compresses one block, for formats
/// in which several streams in a row are a stream.
///
/// `make` is called once for each thread; what it returns appends the
/// compressed form of a block to a vector. Blocks keep their order. A block is
/// empty only if it is the last one, after a flush or of a stream without
/// input. At most `threads` + 2 blocks, raw and compressed, are in memory.
///
/// ```
/// use hayloft_plugin_api::{Block, Blocks, Codec, Op, from_blocks};
///
/// let mut codec = from_blocks(Blocks { size: 2, threads: 2 }, || {
///     |block: Block<'_>, out: &mut Vec<u8>| {
///         out.extend_from_slice(block.bytes);
///         out.push(if block.last { b'.' } else { b'-' });
///         Ok(())
///     }
/// });
/// let (mut output, mut encoded) = ([0; 4], Vec::new());
/// let mut input: &[u8] = b"hayloft";
/// loop {
///     let step = codec.step(input, &mut output, Op::FINISH).unwrap();
///     encoded.extend_from_slice(&output[..step.produced]);
///     input = &input[step.consumed..];
///     if step.done {
///         break;
///     }
/// }
/// assert_eq!(encoded, b"ha-yl-of-t.");
/// ```
pub fn from_blocks<M, C>(blocks: Blocks, make: M) -> Box<dyn Codec>
where
    M: Fn() -> C + Send + 'static,
    C: FnMut(Block<'_>, &mut Vec<u8>) -> Result<()> + Send + 'static,
{
    Box::new(FromBlocks {
        size: blocks.size.max(1),
        pool: Pool {
            most: blocks.threads.max(1),
            make,
            own: None,
            queue: None,
            threads: Vec::new(),
        },
        current: Vec::new(),
        in_flight: VecDeque::new(),
        ready: Vec::new(),
        given: 0,
        spare: Vec::new(),
        ended: false,
    })
}

/// The two buffers of a block; they are used again and again.
#[derive(Default)]
struct Buffers {
    raw: Vec<u8>,
    compressed: Vec<u8>,
}

struct Job {
    buffers: Buffers,
    last: bool,
    answer: SyncSender<Result<Buffers>>,
}

enum InFlight {
    Working(Receiver<Result<Buffers>>),
    Done(Buffers),
}

struct FromBlocks<M, C> {
    size: usize,
    pool: Pool<M, C>,
    /// The block that is being filled.
    current: Vec<u8>,
    /// The blocks before it, in order.
    in_flight: VecDeque<InFlight>,
    /// Compressed bytes, of which `given` have been given out.
    ready: Vec<u8>,
    given: usize,
    spare: Vec<Buffers>,
    /// Whether the last block is on its way.
    ended: bool,
}

impl<M, C> fmt::Debug for FromBlocks<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromBlocks").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<M, C> FromBlocks<M, C>
where
    M: Fn() -> C,
    C: FnMut(Block<'_>, &mut Vec<u8>) -> Result<()> + Send + 'static,
{
    fn give(&mut self, output: &mut [u8]) -> usize {
        let n = output.len().min(self.ready.len() - self.given);
        output[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        n
    }

    /// Takes input while there is room for it. A full block goes off only
    /// when more comes, so that a stream of one block never needs a thread.
    fn take(&mut self, input: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while taken < input.len() {
            if self.current.len() == self.size {
                if self.is_full() {
                    break;
                }
                self.submit(false)?;
            }
            let n = (self.size - self.current.len()).min(input.len() - taken);
            self.current.extend_from_slice(&input[taken..taken + n]);
            taken += n;
        }
        Ok(taken)
    }

    fn is_full(&self) -> bool {
        self.in_flight.len() >= self.pool.most_in_flight()
    }

    fn submit(&mut self, last: bool) -> Result<()> {
        self.ended = last;
        let mut buffers = self.spare.pop().unwrap_or_default();
        mem::swap(&mut buffers.raw, &mut self.current);
        self.current.clear();
        let busy = self.in_flight.len();
        self.in_flight.push_back(self.pool.start(buffers, busy, last)?);
        Ok(())
    }

    /// Sends off what was gathered, even if it is not a full block. Does
    /// nothing, for now, if too much is in flight.
    fn close_block(&mut self, op: Op) -> Result<()> {
        let last = op == Op::FINISH;
        let wanted = !self.ended && (last || !self.current.is_empty());
        if wanted && !self.is_full() { self.submit(last) } else { Ok(()) }
    }

    /// Gets the next block's result. Returns false if there is none, or none
    /// yet and `wait` is not set.
    fn fetch(&mut self, wait: bool) -> Result<bool> {
        let mut buffers = match self.in_flight.pop_front() {
            None => return Ok(false),
            Some(InFlight::Done(buffers)) => buffers,
            Some(InFlight::Working(answer)) if wait => answer.recv().map_err(|_| lost())??,
            Some(InFlight::Working(answer)) => match answer.try_recv() {
                Ok(result) => result?,
                Err(TryRecvError::Disconnected) => return Err(lost()),
                Err(TryRecvError::Empty) => {
                    self.in_flight.push_front(InFlight::Working(answer));
                    return Ok(false);
                }
            },
        };
        mem::swap(&mut self.ready, &mut buffers.compressed);
        self.given = 0;
        buffers.raw.clear();
        buffers.compressed.clear();
        self.spare.push(buffers);
        Ok(true)
    }
}

impl<M, C> Codec for FromBlocks<M, C>
where
    M: Fn() -> C + Send,
    C: FnMut(Block<'_>, &mut Vec<u8>) -> Result<()> + Send + 'static,
{
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            step.produced += self.give(&mut output[step.produced..]);
            step.consumed += self.take(&input[step.consumed..])?;
            let all_taken = step.consumed == input.len();
            let ending = all_taken && op != Op::RUN;
            if ending {
                self.close_block(op)?;
            }
            if self.given < self.ready.len() {
                return Ok(step);
            }
            // Input that was not taken waits for the oldest block to be done.
            if !self.fetch(ending || !all_taken)? {
                step.done = ending;
                return Ok(step);
            }
        }
    }
}

impl<M, C> Drop for FromBlocks<M, C> {
    fn drop(&mut self) {
        self.pool.stop();
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::PANIC, "a thread that compresses has panicked")
}

/// Where jobs are put in, and where the threads take them.
type Queue = (Sender<Job>, Arc<Mutex<Receiver<Job>>>);

/// The threads, started when the first block needs them.
struct Pool<M, C> {
    most: usize,
    make: M,
    /// For blocks that are compressed without a thread.
    own: Option<C>,
    queue: Option<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl<M, C> Pool<M, C>
where
    M: Fn() -> C,
    C: FnMut(Block<'_>, &mut Vec<u8>) -> Result<()> + Send + 'static,
{
    fn most_in_flight(&self) -> usize {
        if self.most == 1 { 1 } else { self.most + 2 }
    }

    fn start(&mut self, mut buffers: Buffers, busy: usize, last: bool) -> Result<InFlight> {
        let alone = self.most == 1 || (self.threads.is_empty() && last);
        if !alone && busy >= self.threads.len() && self.threads.len() < self.most {
            self.add_thread();
        }
        if let Some((jobs, _)) = self.queue.as_ref().filter(|_| !self.threads.is_empty()) {
            let (answer, result) = sync_channel(1);
            jobs.send(Job { buffers, last, answer }).map_err(|_| lost())?;
            return Ok(InFlight::Working(result));
        }
        let compress = self.own.get_or_insert_with(&self.make);
        compress(Block { bytes: &buffers.raw, last }, &mut buffers.compressed)?;
        Ok(InFlight::Done(buffers))
    }

    /// Where the system allows no more threads, those that there are do it.
    fn add_thread(&mut self) {
        let (_, jobs) = self.queue.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            (sender, Arc::new(Mutex::new(receiver)))
        });
        let (jobs, compress) = (Arc::clone(jobs), (self.make)());
        let thread = thread::Builder::new().name("compress".to_owned());
        match thread.spawn(move || work(&jobs, compress)) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                tracing::debug!("no thread to compress with: {error}");
                self.most = self.threads.len().max(1);
            }
        }
    }
}

impl<M, C> Pool<M, C> {
    fn stop(&mut self) {
        if let Some((jobs, queue)) = self.queue.take() {
            drop(jobs);
            // What nobody waits for need not be compressed.
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            while queue.try_recv().is_ok() {}
        }
        for thread in self.threads.drain(..) {
            // A panic in it was reported as the error of its block.
            drop(thread.join());
        }
    }
}

fn work<C>(jobs: &Mutex<Receiver<Job>>, mut compress: C)
where
    C: FnMut(Block<'_>, &mut Vec<u8>) -> Result<()>,
{
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut buffers, last, answer }) = job else { return };
        let block = Block { bytes: &buffers.raw, last };
        let result = compress(block, &mut buffers.compressed);
        // The codec may have been dropped meanwhile.
        drop(answer.send(result.map(|()| buffers)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block is `T` for a thread or `.`, its bytes, and `|` if it is the last.
    fn tagged(blocks: Blocks) -> Box<dyn Codec> {
        from_blocks(blocks, || {
            |block: Block<'_>, out: &mut Vec<u8>| {
                let in_thread = thread::current().name() == Some("compress");
                out.push(if in_thread { b'T' } else { b'.' });
                out.extend_from_slice(block.bytes);
                if block.last {
                    out.push(b'|');
                }
                if block.bytes.first() == Some(&b'!') {
                    return Err(Error::msg("this block cannot be compressed"));
                }
                assert_ne!(block.bytes.first(), Some(&b'?'), "this block panics");
                Ok(())
            }
        })
    }

    fn encode(codec: &mut dyn Codec, mut input: &[u8], room: usize) -> Result<String> {
        let (mut output, mut all) = (vec![0; room], Vec::new());
        loop {
            let step = codec.step(input, &mut output, Op::FINISH)?;
            all.extend_from_slice(&output[..step.produced]);
            input = &input[step.consumed..];
            if step.done {
                return Ok(String::from_utf8(all).unwrap());
            }
            assert!(step.consumed + step.produced > 0, "no progress");
        }
    }

    #[test]
    fn threads_are_started_only_for_a_second_block() {
        let cases = [
            (4, "", ".|"),
            (4, "abc", ".abc|"),
            (4, "abcd", ".abcd|"),
            (4, "abcde", "TabcdTe|"),
            (1, "abcdefghi", ".abcd.efgh.i|"),
        ];
        for (threads, input, expected) in cases {
            for room in [1, 3, 64] {
                let mut codec = tagged(Blocks { size: 4, threads });
                assert_eq!(encode(&mut *codec, input.as_bytes(), room).unwrap(), expected);
            }
        }
    }

    #[test]
    fn many_blocks_keep_their_order() {
        let input: String = (0..5000).flat_map(|i| [i.to_string(), " ".to_owned()]).collect();
        let mut codec = tagged(Blocks { size: 7, threads: 3 });
        let encoded = encode(&mut *codec, input.as_bytes(), 11).unwrap();
        assert_eq!(encoded.replace(['T', '|'], ""), input);
    }

    #[test]
    fn a_flush_gives_everything_out_and_the_stream_goes_on() {
        let mut codec = tagged(Blocks { size: 4, threads: 2 });
        let mut output = [0; 64];
        let step = codec.step(b"abcdef", &mut output, Op::FLUSH).unwrap();
        assert_eq!((step.consumed, step.done), (6, true));
        assert_eq!(&output[..step.produced], b"TabcdTef");
        let step = codec.step(b"gh", &mut output, Op::FLUSH).unwrap();
        assert_eq!(&output[..step.produced], b"Tgh");
        assert_eq!(encode(&mut *codec, b"", 64).unwrap(), "T|");
    }

    #[test]
    fn errors_and_panics_of_a_block_are_errors_of_the_stream() {
        for (input, kind) in
            [("abcd!bcdefgh", ErrorKind::OTHER), ("abcd?bcdefgh", ErrorKind::PANIC)]
        {
            let mut codec = tagged(Blocks { size: 4, threads: 2 });
            assert_eq!(encode(&mut *codec, input.as_bytes(), 64).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn a_stream_can_be_dropped_at_any_point() {
        for taken in [0, 1, 5, 50, 500] {
            let mut codec = tagged(Blocks { size: 4, threads: 2 });
            codec.step(&[b'a'; 500][..taken], &mut [0; 3], Op::RUN).unwrap();
        }
    }
}
