//! Storages whose place is not there: a disk that is not mounted, a bucket
//! that nobody has created.

use super::Place;
use crate::{
    ByteRange, PutOptions,
    conformance::report::{Checks, Verdict, ensure},
    error::{Error, ErrorKind, Result},
};

/// Makes sure that a place that is not there never looks like one without
/// objects, whatever is asked of it.
pub(in crate::conformance) fn check(checks: &mut Checks<'_>, place: &Place<'_>) {
    checks.check("a place that is not there is no empty one", || refused(place));
}

/// Something that is asked.
type Question<'a> = &'a dyn Fn(&Place<'_>) -> Result<()>;

fn refused(place: &Place<'_>) -> Verdict {
    let key = &place.key("object");
    let options = |create_only| PutOptions { create_only, size_hint: Some(1) };
    // Each is the first question once, so that none profits from another's answer.
    let questions: [(&str, Question<'_>); 7] = [
        ("get", &|it| it.storage.get(key, ByteRange::ALL).map(drop)),
        ("a part", &|it| it.storage.get(key, ByteRange { offset: 7, length: Some(3) }).map(drop)),
        ("stat", &|it| it.storage.stat(key).map(drop)),
        ("list", &|it| it.storage.list("", "", 10).map(drop)),
        ("delete", &|it| it.storage.delete(key)),
        ("put", &|it| it.put_with(key, b"x", options(false)).map(drop)),
        ("create", &|it| it.put_with(key, b"x", options(true)).map(drop)),
    ];
    let mut kind = None;
    for first in 0..questions.len() {
        let raw = place.subject.storage(place.name, place.section.node());
        let Ok(raw) = raw else { continue };
        let storage = crate::StorageHandle::from_raw(raw);
        let it = &Place { storage, prefix: place.prefix.clone(), ..*place };
        for (what, ask) in questions.iter().cycle().skip(first).take(questions.len()) {
            let found = told(what, ask(it))?;
            let expected = *kind.get_or_insert(found);
            ensure(found == expected, || {
                let (one, other) = (expected.name(), found.name());
                format!("{what}: it is {other}, and was {one} when something else was asked")
            })?;
        }
    }
    Ok(())
}

/// Returns of what kind the error is that must come.
fn told(what: &str, answer: Result<()>) -> Verdict<ErrorKind> {
    let Err(error) = answer else {
        return Err(format!("{what}: all seems well"));
    };
    let shown = |error: &Error| super::told(error);
    ensure(error.kind() != ErrorKind::NOT_FOUND, || {
        format!("{what}: {}, as if an object were missing", shown(&error))
    })?;
    ensure(error.remedy().is_some(), || format!("{what}: {}: what to do?", shown(&error)))?;
    Ok(error.kind())
}
