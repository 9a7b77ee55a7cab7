//! Carries a plugin's `tracing` spans and events to the host.
//!
//! Each `.so` has its own copy of `tracing-core` and so its own dispatcher.
//! [`install`] makes a subscriber that forwards to the host the only one
//! there; the host keeps a real callsite for each of the plugin's, so filters
//! such as `hayloft_action_collect=debug` work for plugins too.

use std::{
    collections::HashMap,
    fmt::{self, Debug},
    sync::{PoisonError, RwLock},
};

use abi_stable::std_types::{ROption, RSlice, RStr};
use tracing_core::{
    Dispatch, Event, Interest, Level, LevelFilter, Metadata,
    callsite::Identifier,
    dispatcher,
    field::{Field, Visit},
    span,
    subscriber::Subscriber,
};

use crate::abi::{CallsiteDescription, HostLog_Ref, RField, Registered};

/// Makes the host's log this library's log. Does nothing if the library has a
/// subscriber already, as a plugin has that is linked into the host.
pub fn install(host: HostLog_Ref) {
    let bridge = Bridge { host, callsites: RwLock::default(), spans: RwLock::default() };
    // An error means that there is one: exactly what is wanted then.
    drop(dispatcher::set_global_default(Dispatch::new(bridge)));
}

/// Asks the host anew which callsites are wanted.
pub fn reconfigure() {
    tracing_core::callsite::rebuild_interest_cache();
}

/// Returns a level as it crosses the boundary.
pub fn level_to_wire(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Returns the filter for a level that crossed the boundary.
pub fn filter_from_wire(level: u8) -> LevelFilter {
    match level {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

struct Bridge {
    host: HostLog_Ref,
    callsites: RwLock<HashMap<Identifier, u64>>,
    /// The callsite of each open span.
    spans: RwLock<HashMap<u64, u64>>,
}

impl Bridge {
    fn known(&self, metadata: &Metadata<'_>) -> Option<u64> {
        let callsites = self.callsites.read().unwrap_or_else(PoisonError::into_inner);
        callsites.get(&metadata.callsite()).copied()
    }

    fn handle(&self, metadata: &Metadata<'_>) -> u64 {
        self.known(metadata).unwrap_or_else(|| self.register(metadata).handle)
    }

    fn register(&self, metadata: &Metadata<'_>) -> Registered {
        // The host keeps a callsite for ever; after a change of its filter
        // only the interest is asked for again.
        if let Some(handle) = self.known(metadata) {
            return Registered { handle, interest: u8::from((self.host.enabled())(handle)) };
        }
        let names: Vec<RStr<'_>> = metadata.fields().iter().map(|f| f.name().into()).collect();
        let registered = (self.host.register())(&CallsiteDescription {
            level: level_to_wire(*metadata.level()),
            is_span: metadata.is_span(),
            line: metadata.line().unwrap_or(0),
            name: metadata.name().into(),
            target: metadata.target().into(),
            file: metadata.file().unwrap_or("").into(),
            module: metadata.module_path().unwrap_or("").into(),
            fields: RSlice::from_slice(&names),
        });
        let mut callsites = self.callsites.write().unwrap_or_else(PoisonError::into_inner);
        callsites.insert(metadata.callsite(), registered.handle);
        registered
    }
}

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.register(metadata).interest {
            0 => Interest::never(),
            2 => Interest::always(),
            _ => Interest::sometimes(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(filter_from_wire((self.host.max_level())()))
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.known(metadata).is_some_and(|handle| (self.host.enabled())(handle))
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let callsite = self.handle(attributes.metadata());
        let mut fields = Fields::new(attributes.metadata().fields().len());
        attributes.record(&mut fields);
        let parent = parent(attributes.is_root(), attributes.parent());
        let id = fields.with(|fields| (self.host.new_span())(callsite, parent, fields));
        self.spans.write().unwrap_or_else(PoisonError::into_inner).insert(id, callsite);
        // 0 is no span; a host that gives it has none to enter.
        span::Id::from_u64(id.max(1))
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let spans = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        let Some(callsite) = spans.get(&span.into_u64()).copied() else { return };
        drop(spans);
        let mut fields = Fields::new(MOST_FIELDS);
        values.record(&mut fields);
        fields.with(|fields| (self.host.record())(span.into_u64(), callsite, fields));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let callsite = self.handle(event.metadata());
        let mut fields = Fields::new(event.metadata().fields().len());
        event.record(&mut fields);
        let parent = parent(event.is_root(), event.parent());
        fields.with(|fields| (self.host.event())(callsite, parent, fields));
    }

    fn enter(&self, span: &span::Id) {
        (self.host.enter())(span.into_u64());
    }

    fn exit(&self, span: &span::Id) {
        (self.host.exit())(span.into_u64());
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        span::Id::from_u64((self.host.clone_span())(span.into_u64()).max(1))
    }

    fn try_close(&self, span: span::Id) -> bool {
        let closed = (self.host.try_close())(span.into_u64());
        if closed {
            let mut spans = self.spans.write().unwrap_or_else(PoisonError::into_inner);
            spans.remove(&span.into_u64());
        }
        closed
    }
}

/// The most fields that `tracing` allows.
const MOST_FIELDS: usize = 32;

fn parent(is_root: bool, parent: Option<&span::Id>) -> ROption<u64> {
    if is_root { ROption::RSome(0) } else { parent.map(span::Id::into_u64).into() }
}

/// One recorded value, before its text has a place in memory that stays.
#[derive(Clone, Copy)]
struct Recorded {
    tag: u32,
    bits: u64,
    text: Option<usize>,
}

struct Fields {
    recorded: Vec<Recorded>,
    texts: Vec<String>,
}

impl Fields {
    fn new(count: usize) -> Self {
        let absent = Recorded { tag: 0, bits: 0, text: None };
        Self { recorded: vec![absent; count], texts: Vec::new() }
    }

    fn put(&mut self, field: &Field, tag: u32, bits: u64) {
        if let Some(slot) = self.recorded.get_mut(field.index()) {
            *slot = Recorded { tag, bits, text: None };
        }
    }

    fn put_text(&mut self, field: &Field, tag: u32, text: String) {
        if let Some(slot) = self.recorded.get_mut(field.index()) {
            *slot = Recorded { tag, bits: 0, text: Some(self.texts.len()) };
            self.texts.push(text);
        }
    }

    fn with<T>(&self, give: impl FnOnce(RSlice<'_, RField<'_>>) -> T) -> T {
        let text = |at: Option<usize>| at.and_then(|at| self.texts.get(at)).map_or("", |it| it);
        let fields: Vec<RField<'_>> = self
            .recorded
            .iter()
            .map(|it| RField { tag: it.tag, bits: it.bits, text: text(it.text).into() })
            .collect();
        give(RSlice::from_slice(&fields))
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, 1, value.cast_unsigned());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, 2, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, 3, value.to_bits());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, 4, u64::from(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, 5, value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, 6, format!("{value:?}"));
    }
}

impl Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}
