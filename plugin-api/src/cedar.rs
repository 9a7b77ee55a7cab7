//! The sections that Cedar Backup defines, read as Cedar Backup reads them.
//!
//! The rules are Cedar Backup 3's, found by running it: the value of an
//! element is its first piece of text, not trimmed; an element without text
//! is absent; of several the first one with text counts; unknown elements and
//! CDATA are not seen. What Cedar Backup accepts is accepted here, and what
//! it refuses is refused for the same [`Cause`], but with *all* problems and
//! with the place of each. Settings of ours are additions that Cedar Backup
//! does not see.
//!
//! Every section is a [`Configuration`](crate::Configuration), so a plugin
//! may say `type Config = cedar::Collect`.
//!
//! [`effective_collect`] and [`order`] answer what follows from a
//! configuration: which archives, in which order of actions.

mod cause;
mod collect;
mod command;
mod document;
mod effective;
mod extension;
mod extensions;
mod names;
mod options;
mod order;
mod peers;
mod purge;
mod python;
mod quantity;
mod reader;
mod reference;
mod section;
mod stage;
mod store;

pub use self::{
    cause::Cause,
    collect::{Collect, CollectDir, CollectFile, Exclude},
    command::{command_for_shell, command_words, shell_quoted, shell_word},
    document::{Document, read},
    effective::{
        EffectiveItem, ItemKind, ManagedPeer, StagePeer, effective_collect, effective_peers,
        is_due, is_start_of_week, managed_peers, normalised,
    },
    extension::{
        AmazonS3, Capacity, Encrypt, Mbox, MboxDir, MboxFile, Mysql, Percentage, Postgresql,
        Repository, RepositoryDir, Split, Subversion,
    },
    extensions::{Depends, ExtendedAction, Extensions},
    names::{Names, archive_suffix, compressor_of},
    options::{ActionHook, Options, Override},
    order::{BUILTIN, Order, OrderError, OrderMode, order},
    peers::{LocalPeer, PeerList, Peers, RemotePeer, objection_to_peer_name},
    purge::{Purge, PurgeDir},
    python::{Pattern, PatternError},
    quantity::ByteQuantity,
    reader::{Located, Pass, Place, Problem, Text, text},
    reference::Reference,
    section::{Context, Section, read_section, required_section},
    stage::Stage,
    store::{BlankBehavior, Store},
};
