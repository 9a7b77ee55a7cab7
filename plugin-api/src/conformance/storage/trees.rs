//! Storages that take whole directory trees.

use super::{Place, told};
use crate::{
    ByteRange, PutOptions, Request, Tree,
    conformance::{
        host::TestHost,
        report::{Checks, Explain, Verdict, ensure},
    },
    error::{ErrorKind, Result},
};

/// Tells whether the storage takes trees and no objects.
pub(super) fn takes_trees(place: &Place<'_>) -> bool {
    let test = TestHost::new();
    test.is_ok_and(|it| {
        place.storage.takes_trees(&it.host(), &it.request("store")).unwrap_or(false)
    })
}

pub(super) fn check(checks: &mut Checks<'_>, place: &Place<'_>) {
    checks.check("who takes trees takes no objects", || no_objects(place));
    checks.check("trees are not written in a dry run", || dry_run(place));
    checks.check("names of trees are keys", || names_are_keys(place));
}

fn no_objects(place: &Place<'_>) -> Verdict {
    let key = &place.key("object");
    unsupported("put", place.storage.put(key, PutOptions::default()).map(drop))?;
    unsupported("get", place.storage.get(key, ByteRange::ALL).map(drop))?;
    unsupported("stat", place.storage.stat(key).map(drop))?;
    unsupported("list", place.storage.list("", "", 1).map(drop))?;
    unsupported("delete", place.storage.delete(key))
}

fn unsupported(what: &str, answer: Result<()>) -> Verdict {
    match answer {
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => Ok(()),
        Err(error) => Err(format!("{what}: {}", told(&error))),
        Ok(()) => Err(format!("{what} works")),
    }
}

/// The medium may not be there; what counts is that nothing is written.
fn dry_run(place: &Place<'_>) -> Verdict {
    let test = TestHost::new().explain("making a directory")?;
    let request = Request { dry_run: true, ..test.request("store") };
    let before = (place.files(), test.files());
    let tree = Tree { name: "2026/11/21".to_owned(), path: test.collect_dir() };
    match place.storage.put_trees(&test.host(), &request, &[tree]) {
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => return Err(told(&error)),
        _ => {}
    }
    let after = (place.files(), test.files());
    ensure(before == after, || format!("there are files now: {after:?}"))
}

fn names_are_keys(place: &Place<'_>) -> Verdict {
    let test = TestHost::new().explain("making a directory")?;
    for name in ["", "/etc", "a/../b", "a\nb"] {
        let tree = Tree { name: name.to_owned(), path: test.collect_dir() };
        let answer = place.storage.put_trees(&test.host(), &test.request("store"), &[tree]);
        ensure(answer.is_err(), || format!("a tree named {name:?} is written"))?;
    }
    Ok(())
}
