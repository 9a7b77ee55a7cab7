//! zstd through the plugin boundary against the same library called directly,
//! both with one thread and buffers of 256 KiB.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::{Duration, Instant};

use hayloft::plugins::{Registry, SearchRules};
use hayloft_benches::tree::{Numbers, block};
use hayloft_plugin_api::{Node, Op, Position, StreamOptions, Transform};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

const BUFFER: usize = 256 << 10;
const SIZE: usize = 256 << 20;
const ROUNDS: usize = 7;

fn main() {
    let mut registry = Registry::new();
    registry.discover(&SearchRules::standard(Vec::new(), Vec::new()));
    let node = Node::empty("compressor", Position::default());
    let plugin = registry.compressor("zstd", &node).unwrap();
    let plugin = Transform::from_raw("zstd", ".zst", plugin);
    let mut numbers = Numbers::new(7);
    let blocks: Vec<Vec<u8>> = (0..32).map(|_| block(&mut numbers, BUFFER)).collect();

    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(through_the_boundary(&plugin, &blocks));
        best[1] = best[1].min(direct(&blocks));
    }
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    for (name, took) in [("through the plugin boundary", best[0]), ("called directly", best[1])] {
        let rate = f64::from(u32::try_from(SIZE >> 20).unwrap()) / took.as_secs_f64();
        println!("zstd level 3, {name:<28} {rate:>8.1} MiB/s");
    }
    println!("through the boundary it is {ratio:.4} as fast (the aim is 0.99)");
}

fn through_the_boundary(plugin: &Transform, blocks: &[Vec<u8>]) -> Duration {
    let options = StreamOptions { threads: Some(1), level: Some(3), size_hint: None };
    let mut codec = plugin.encoder(options).unwrap();
    let mut output = vec![0; BUFFER];
    let started = Instant::now();
    for number in 0..SIZE / BUFFER {
        let mut input = blocks[number % blocks.len()].as_slice();
        while !input.is_empty() {
            let step = codec.step(input, &mut output, Op::RUN).unwrap();
            input = &input[step.consumed..];
        }
    }
    while !codec.step(&[], &mut output, Op::FINISH).unwrap().done {}
    started.elapsed()
}

fn direct(blocks: &[Vec<u8>]) -> Duration {
    let mut encoder = Encoder::new(3).unwrap();
    encoder.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
    let mut output = vec![0; BUFFER];
    let started = Instant::now();
    for number in 0..SIZE / BUFFER {
        let mut input = InBuffer::around(&blocks[number % blocks.len()]);
        while input.pos() < input.src.len() {
            encoder.run(&mut input, &mut OutBuffer::around(&mut output)).unwrap();
        }
    }
    while encoder.finish(&mut OutBuffer::around(&mut output), true).unwrap() > 0 {}
    started.elapsed()
}
