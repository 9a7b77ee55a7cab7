//! The host's end of the way that a plugin's spans and events take into the
//! log.
//!
//! For each callsite of a plugin there is a real one here, which lives as long
//! as the process. So filters such as `hayloft_compressor_zstd=debug`, spans
//! around calls of plugins, and every layer of the log work for plugins as
//! they work for this program. The other end is in `hayloft_plugin_api::log`.

use std::{
    fmt::{self, Debug},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock, PoisonError, RwLock,
        atomic::{AtomicU8, Ordering},
    },
};

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    std_types::{ROption, RSlice},
};
use hayloft_plugin_api::abi::{CallsiteDescription, HostLog, HostLog_Ref, RField, Registered};
use tracing_core::{
    Callsite, Dispatch, Event, Interest, Kind, Level, LevelFilter, Metadata, callsite, dispatcher,
    field::{DebugValue, FieldSet, Value, ValueSet, debug},
    identify_callsite,
    span::{Attributes, Id, Record},
};

/// Returns the functions by which plugins log.
pub(super) fn host_log() -> HostLog_Ref {
    static LOG: OnceLock<HostLog_Ref> = OnceLock::new();
    *LOG.get_or_init(|| {
        HostLog {
            max_level,
            register,
            enabled,
            event,
            new_span,
            record,
            enter,
            exit,
            clone_span,
            try_close,
        }
        .leak_into_prefix()
    })
}

const NEVER: u8 = 0;
const SOMETIMES: u8 = 1;
const ALWAYS: u8 = 2;

/// A span that there is not, for a callsite that there is not.
const NO_SPAN: u64 = u64::MAX;

struct PluginCallsite {
    metadata: OnceLock<Metadata<'static>>,
    interest: AtomicU8,
}

impl Callsite for PluginCallsite {
    fn set_interest(&self, interest: Interest) {
        let interest = if interest.is_never() {
            NEVER
        } else if interest.is_always() {
            ALWAYS
        } else {
            SOMETIMES
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get_or_init(|| nameless(&NAMELESS))
    }
}

/// Stands in for metadata that was not set, which cannot be: a callsite is
/// announced to nobody before its metadata is there.
static NAMELESS: PluginCallsite =
    PluginCallsite { metadata: OnceLock::new(), interest: AtomicU8::new(NEVER) };

fn nameless(callsite: &'static PluginCallsite) -> Metadata<'static> {
    let fields = FieldSet::new(&[], identify_callsite!(callsite));
    Metadata::new("", "", Level::TRACE, None, None, None, fields, Kind::EVENT)
}

static CALLSITES: RwLock<Vec<&'static PluginCallsite>> = RwLock::new(Vec::new());

fn find(handle: u64) -> Option<&'static PluginCallsite> {
    let callsites = CALLSITES.read().unwrap_or_else(PoisonError::into_inner);
    callsites.get(usize::try_from(handle).ok()?).copied()
}

fn metadata_of(handle: u64) -> Option<&'static Metadata<'static>> {
    find(handle)?.metadata.get()
}

/// A layer that panics must not take the process along, which unwinding into
/// the plugin would do.
fn contained<T>(otherwise: T, code: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or(otherwise)
}

extern "C" fn max_level() -> u8 {
    match LevelFilter::current().into_level() {
        None => 0,
        Some(Level::ERROR) => 1,
        Some(Level::WARN) => 2,
        Some(Level::INFO) => 3,
        Some(Level::DEBUG) => 4,
        Some(Level::TRACE) => 5,
    }
}

/// Announces a callsite; also for plugins in C, see `c_abi`.
pub(super) extern "C" fn register(it: &CallsiteDescription<'_>) -> Registered {
    contained(Registered { handle: NO_SPAN, interest: NEVER }, || {
        let callsite = leak_callsite(it);
        callsite::register(callsite);
        let mut callsites = CALLSITES.write().unwrap_or_else(PoisonError::into_inner);
        callsites.push(callsite);
        let handle = callsites.len() as u64 - 1;
        Registered { handle, interest: callsite.interest.load(Ordering::Relaxed) }
    })
}

fn leak_callsite(it: &CallsiteDescription<'_>) -> &'static PluginCallsite {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let names: Vec<&'static str> = it.fields.iter().map(|name| leak(name.as_str())).collect();
    let callsite: &'static PluginCallsite = Box::leak(Box::new(PluginCallsite {
        metadata: OnceLock::new(),
        interest: AtomicU8::new(SOMETIMES),
    }));
    let level = match it.level {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let fields = FieldSet::new(Box::leak(names.into_boxed_slice()), identify_callsite!(callsite));
    let kind = if it.is_span { Kind::SPAN } else { Kind::EVENT };
    let present = |text: &str| (!text.is_empty()).then(|| leak(text));
    callsite.metadata.get_or_init(|| {
        Metadata::new(
            leak(it.name.as_str()),
            leak(it.target.as_str()),
            level,
            present(it.file.as_str()),
            (it.line != 0).then_some(it.line),
            present(it.module.as_str()),
            fields,
            kind,
        )
    });
    callsite
}

pub(super) extern "C" fn enabled(handle: u64) -> bool {
    let Some(callsite) = find(handle) else { return false };
    match callsite.interest.load(Ordering::Relaxed) {
        NEVER => false,
        ALWAYS => true,
        _ => contained(false, || {
            let metadata = callsite.metadata.get();
            metadata.is_some_and(|it| dispatcher::get_default(|log| log.enabled(it)))
        }),
    }
}

enum Recorded {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Truth(bool),
    Text(String),
    Debug(DebugValue<AsIs>),
}

/// Text that was made by `Debug` in the plugin.
struct AsIs(String);

impl Debug for AsIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Recorded {
    fn new(field: &RField<'_>) -> Option<Self> {
        Some(match field.tag {
            1 => Self::Signed(field.bits.cast_signed()),
            2 => Self::Unsigned(field.bits),
            3 => Self::Float(f64::from_bits(field.bits)),
            4 => Self::Truth(field.bits != 0),
            5 => Self::Text(field.text.to_string()),
            6 => Self::Debug(debug(AsIs(field.text.to_string()))),
            _ => return None,
        })
    }

    fn value(&self) -> &dyn Value {
        match self {
            Self::Signed(it) => it,
            Self::Unsigned(it) => it,
            Self::Float(it) => it,
            Self::Truth(it) => it,
            Self::Text(it) => it,
            Self::Debug(it) => it,
        }
    }
}

fn with_values<T>(
    metadata: &'static Metadata<'static>,
    fields: RSlice<'_, RField<'_>>,
    give: impl FnOnce(&ValueSet<'_>) -> T,
) -> T {
    let count = metadata.fields().len();
    let recorded: Vec<Option<Recorded>> = fields.iter().take(count).map(Recorded::new).collect();
    let mut values: Vec<Option<&dyn Value>> =
        recorded.iter().map(|it| it.as_ref().map(Recorded::value)).collect();
    values.resize(count, None);
    give(&metadata.fields().value_set_all(&values))
}

pub(super) extern "C" fn event(handle: u64, parent: ROption<u64>, fields: RSlice<'_, RField<'_>>) {
    let Some(metadata) = metadata_of(handle) else { return };
    contained((), || {
        with_values(metadata, fields, |values| match parent {
            ROption::RNone => Event::dispatch(metadata, values),
            ROption::RSome(0) => Event::child_of(None, metadata, values),
            ROption::RSome(parent) => Event::child_of(Id::from_u64(parent), metadata, values),
        });
    });
}

extern "C" fn new_span(handle: u64, parent: ROption<u64>, fields: RSlice<'_, RField<'_>>) -> u64 {
    let Some(metadata) = metadata_of(handle) else { return NO_SPAN };
    contained(NO_SPAN, || {
        with_values(metadata, fields, |values| {
            let attributes = match parent {
                ROption::RNone => Attributes::new(metadata, values),
                ROption::RSome(0) => Attributes::new_root(metadata, values),
                ROption::RSome(parent) => {
                    Attributes::child_of(Id::from_u64(parent), metadata, values)
                }
            };
            dispatcher::get_default(|log| log.new_span(&attributes).into_u64())
        })
    })
}

extern "C" fn record(span: u64, handle: u64, fields: RSlice<'_, RField<'_>>) {
    let Some(metadata) = metadata_of(handle) else { return };
    with_span((), span, |log, span| {
        with_values(metadata, fields, |values| log.record(span, &Record::new(values)));
    });
}

extern "C" fn enter(span: u64) {
    with_span((), span, Dispatch::enter);
}

extern "C" fn exit(span: u64) {
    with_span((), span, Dispatch::exit);
}

extern "C" fn clone_span(span: u64) -> u64 {
    with_span(NO_SPAN, span, |log, span| log.clone_span(span).into_u64())
}

extern "C" fn try_close(span: u64) -> bool {
    with_span(false, span, |log, span| log.try_close(span.clone()))
}

fn with_span<T: Copy>(otherwise: T, span: u64, code: impl FnOnce(&Dispatch, &Id) -> T) -> T {
    if span == 0 || span == NO_SPAN {
        return otherwise;
    }
    contained(otherwise, || {
        let mut code = Some(code);
        dispatcher::get_default(|log| {
            code.take().map_or(otherwise, |code| code(log, &Id::from_u64(span)))
        })
    })
}
