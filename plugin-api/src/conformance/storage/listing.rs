//! Lists: in order, complete, in pages of any size.

use super::Place;
use crate::conformance::report::{Checks, Explain, Verdict, ensure};

pub(super) fn check(checks: &mut Checks<'_>, it: &Place<'_>) {
    checks.check("lists are in the order of bytes", || order(it));
    checks.check("pages of any size", || pages(it));
    checks.check("many objects", || many(it));
}

/// In the order of their bytes. A walk through directories gets it wrong: `/`
/// comes between `.` and `0`, and upper case before lower case.
const ORDERED: [&str; 11] =
    ["A", "B/x", "a-b", "a.b", "a/b", "a/b.c", "a/c/d", "a0", "b c", "ba", "é"];

fn order(it: &Place<'_>) -> Verdict {
    // Put in another order than they are to be listed in.
    for name in ORDERED.iter().rev() {
        it.put(&it.key(&format!("order/{name}")), b"x")?;
    }
    let root = it.key("order/");
    let cases: [(&str, &[&str]); 7] = [
        ("", &ORDERED),
        ("a", &["a-b", "a.b", "a/b", "a/b.c", "a/c/d", "a0"]),
        ("a/", &["a/b", "a/b.c", "a/c/d"]),
        ("a/b", &["a/b", "a/b.c"]),
        ("a/c/d", &["a/c/d"]),
        ("b", &["b c", "ba"]),
        ("nothing", &[]),
    ];
    for (prefix, expected) in cases {
        let listed = it.names(&format!("{root}{prefix}"))?;
        let names: Vec<_> = listed.iter().map(|key| key.replacen(&root, "", 1)).collect();
        ensure(names == expected, || {
            format!("with prefix {prefix:?}: {names:?}, not {expected:?}")
        })?;
    }
    Ok(())
}

fn pages(it: &Place<'_>) -> Verdict {
    let root = it.key("order/");
    for limit in [1, 2, 3, 10, 11, 12, 1000] {
        let (mut after, mut names) = (String::new(), Vec::new());
        loop {
            let doing = format!("listing {limit} after {after:?}");
            let page = it.storage.list(&root, &after, limit).explain(&doing)?;
            let length = u32::try_from(page.len()).unwrap_or(u32::MAX);
            ensure(length <= limit, || format!("{doing}: {length} objects came"))?;
            names.extend(page.into_iter().map(|object| object.key));
            if length < limit {
                break;
            }
            ensure(names.last() > Some(&after), || format!("{doing}: it goes round in circles"))?;
            after = names.last().cloned().unwrap_or_default();
        }
        let expected: Vec<_> = ORDERED.iter().map(|name| format!("{root}{name}")).collect();
        ensure(names == expected, || format!("in pages of {limit}: {names:?}"))?;
    }
    // A place that no object is at.
    for (after, expected) in [("a.", 8), ("a/b.", 6), ("zzz", 1), ("~~~~", 1), ("\u{10ffff}", 0)] {
        let after = format!("{root}{after}");
        let page = it.storage.list(&root, &after, 100).explain("listing")?;
        ensure(page.len() == expected, || {
            let names: Vec<_> = page.iter().map(|object| &object.key).collect();
            format!("after {after:?}: {names:?}")
        })?;
    }
    Ok(())
}

fn many(it: &Place<'_>) -> Verdict {
    const COUNT: usize = 300;
    let expected: Vec<_> =
        (0..COUNT).map(|i| it.key(&format!("many/{}/{i:05}", i / 100))).collect();
    for key in &expected {
        it.put(key, key.as_bytes())?;
    }
    let listed = it.names(&it.key("many/"))?;
    ensure(listed == expected, || format!("{} of {COUNT} objects are listed", listed.len()))?;
    for key in &expected {
        it.storage.delete(key).explain("deleting")?;
    }
    let left = it.names(&it.key("many/"))?;
    ensure(left.is_empty(), || format!("{} objects are left after deleting all", left.len()))
}
