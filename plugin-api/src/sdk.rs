//! Ordinary safe Rust: what plugin authors implement, and what they are given.

mod action;
mod blocks;
mod capabilities;
mod codec;
mod command;
mod event;
mod host;
mod process;
mod storage;
mod stream;

pub use self::{
    action::{Action, LocalTime, Outcome, Request, Weekday},
    blocks::{Block, Blocks, from_blocks},
    capabilities::{Capabilities, Guarantee, Leftover, Protection, Retention, Sweep, Undeleted},
    codec::{Codec, Compressor, Encryptor, FromWriter, Op, Step, StreamOptions, from_writer},
    command::{Argument, Arguments, Command, CommandSpec},
    event::{Event, Hook, Verdict},
    host::{Host, Note, Output, OutputOptions, Progress, Settings, State, Transform},
    process::{Finished, Process, ProcessBuilder, SpawnRequest},
    storage::{ByteRange, Chunk, ObjectMeta, PutOptions, PutStream, Storage, StorageHandle, Tree},
    stream::{DecodeReader, EncodeWriter, StepStream},
};

pub(crate) use self::storage::PutProxy;
