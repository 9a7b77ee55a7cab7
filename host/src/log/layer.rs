//! Turns `tracing` events into records.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use crate::worker::protocol::{LogRecord, OUTPUT};

/// Takes records, for example to send them to another process.
pub type Forward = Box<dyn Fn(LogRecord) + Send + Sync>;

/// Gives each event as a [`LogRecord`] to a function.
#[derive(Debug)]
pub struct RecordLayer<F> {
    take: F,
}

impl<F: Fn(LogRecord) + Send + Sync + 'static> RecordLayer<F> {
    /// Creates a layer that gives records to `take`.
    pub fn new(take: F) -> Self {
        Self { take }
    }
}

/// Returns the name of a level, as Cedar Backup writes it.
pub fn level_name(level: u8) -> &'static str {
    match level {
        1 => "ERROR",
        2 => "WARNING",
        3 => "INFO",
        _ => "DEBUG",
    }
}

/// The text of an event or span: the message, then the other fields.
#[derive(Debug, Default)]
struct Text {
    message: String,
    fields: String,
    program: String,
}

impl Text {
    fn field(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        match field.name() {
            "message" => self.message.push_str(&value.to_string()),
            "program" => self.program = value.to_string(),
            name => self.fields.extend([" ", name, "=", &value.to_string()]),
        }
    }
}

impl Text {
    fn all_fields(&self) -> String {
        match self.program.as_str() {
            "" => self.fields.clone(),
            program => format!(" program={program}{}", self.fields),
        }
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format_args!("{value:?}"));
    }
}

impl<F, S> Layer<S> for RecordLayer<F>
where
    F: Fn(LogRecord) + Send + Sync + 'static,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let mut text = Text::default();
        attributes.record(&mut text);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(text);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = hayloft_plugin_api::log::level_to_wire(*event.metadata().level());
        let target = event.metadata().target().to_owned();
        if target == OUTPUT {
            // Another program's words stay as they are.
            let (text, program) = (text.message, text.program);
            return (self.take)(LogRecord { level, target, text, program });
        }
        let mut line = String::new();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<Text>().map_or(String::new(), Text::all_fields);
            line.extend([span.name(), "{", fields.trim_start(), "}: "]);
        }
        line.push_str(&text.message);
        line.push_str(&text.all_fields());
        (self.take)(LogRecord { level, target, text: line, program: String::new() });
    }
}
