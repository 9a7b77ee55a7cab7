//! What the sections of dumps of databases share.

use crate::{
    cedar::{
        Cause, Located, Place,
        reader::{Findings, Reader},
    },
    config::Duration,
};

pub(super) struct Given<'a> {
    pub(super) compress_mode: bool,
    pub(super) all: bool,
    pub(super) databases: &'a [Located<String>],
}

impl Given<'_> {
    pub(super) fn validate(&self, findings: &Findings<'_>, place: &Place) {
        if !self.compress_mode {
            findings.missing(Cause::CompressModeMissing, place);
        }
        match (self.all, self.databases) {
            (true, [first, ..]) => {
                let path = format!("{}/database", place.path);
                findings.invalid(Cause::AllWithDatabases, first, first.position, &path);
            }
            (false, []) => findings.missing(Cause::NoDatabases, place),
            _ => {}
        }
    }
}

pub(super) fn port(reader: &Reader<'_>) -> Option<Located<i64>> {
    let port = reader.integer("port", Some((1, Cause::OutOfRange)))?;
    if port.value > 65_535 {
        let text = Located { value: port.value.to_string(), position: port.position };
        reader.fail(Cause::OutOfRange, "port", &text);
    }
    Some(port)
}

pub(super) fn timeout(reader: &Reader<'_>) -> Option<Located<Duration>> {
    duration(reader, "timeout")
}

pub(super) fn duration(reader: &Reader<'_>, name: &str) -> Option<Located<Duration>> {
    let text = reader.text(name)?;
    let parsed = text.parse::<Duration>();
    if parsed.is_err() {
        reader.fail(Cause::BadSpan, name, &text);
    }
    Some(Located { value: parsed.unwrap_or_default(), position: text.position })
}
