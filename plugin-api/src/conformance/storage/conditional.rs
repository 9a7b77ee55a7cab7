//! What a storage claims of its conditions, and whether that is so.

use std::{sync::Barrier, thread};

use super::{Place, told};
use crate::{
    Guarantee, ObjectMeta, PutOptions,
    conformance::{
        report::{Checks, Explain, Verdict, ensure},
        stream::same,
    },
    error::{Error, ErrorKind, Result},
};

/// How many ask at the same time.
const THREADS: usize = 16;

pub(super) fn check(checks: &mut Checks<'_>, it: &Place<'_>) {
    checks.check("it says what it can do", || claims(it));
    checks.check("an etag stands for one content", || etags(it));
    if claimed(it) == Guarantee::Missing {
        checks.check("replace is refused", || refused(it));
        return;
    }
    if unsupported(it) {
        // One of an earlier release; it claims nothing.
        checks.check("replace is not claimed", || not_claimed(it));
        return;
    }
    checks.check("replaced only if it is as it was", || as_it_was(it));
    checks.check("a change between begin and commit", || between(it));
    checks.check("nothing is seen before a replace is committed", || unseen(it));
    checks.check("sixteen count together", || counting(it));
}

fn claimed(it: &Place<'_>) -> Guarantee {
    it.storage.capabilities().map(|it| it.replace).unwrap_or_default()
}

fn claims(it: &Place<'_>) -> Verdict {
    let first = it.storage.capabilities().explain("asking what it can do")?;
    let second = it.storage.capabilities().explain("asking once more")?;
    ensure(first == second, || format!("it says {first:?}, and then {second:?}"))?;
    let left = it.names(&it.prefix)?;
    let strange: Vec<_> = left.iter().filter(|key| key.contains("probe")).collect();
    ensure(strange.is_empty(), || format!("{strange:?} are left of asking"))
}

/// Objects of the same size, one after the other as fast as can be: times and
/// sizes do not tell them apart.
fn etags(it: &Place<'_>) -> Verdict {
    let key = it.key("etags");
    let mut seen: Vec<String> = Vec::new();
    for content in 0..40_u32 {
        let committed = it.put(&key, &content.to_be_bytes())?;
        let meta = it.stat(&key)?.ok_or("stat does not find what was put")?;
        ensure(committed.etag == meta.etag, || {
            format!("commit says the etag is {:?}, stat says {:?}", committed.etag, meta.etag)
        })?;
        let listed = it.storage.list(&key, "", 10).explain("listing")?;
        ensure(listed.iter().any(|other| other.etag == meta.etag), || {
            format!("stat says the etag is {:?}, list says {listed:?}", meta.etag)
        })?;
        if meta.etag.is_empty() {
            return ensure(claimed(it) != Guarantee::Atomic, || {
                "it replaces what is as it was, but has no etags".to_owned()
            });
        }
        ensure(!seen.contains(&meta.etag), || {
            format!("two contents of one object had the etag {:?}", meta.etag)
        })?;
        seen.push(meta.etag);
    }
    Ok(())
}

fn replace(it: &Place<'_>, key: &str, etag: &str, content: &[u8]) -> Result<ObjectMeta> {
    let mut put = it.storage.replace(key, etag, PutOptions::default())?;
    put.write(content)?;
    put.commit()
}

fn unsupported(it: &Place<'_>) -> bool {
    let answer = it.put(&it.key("replace/any"), b"1").map(|meta| {
        let etag = if meta.etag.is_empty() { "none" } else { &meta.etag };
        replace(it, &meta.key, etag, b"2")
    });
    answer.is_ok_and(|it| it.is_err_and(|e| e.kind() == ErrorKind::UNSUPPORTED))
}

fn refused(it: &Place<'_>) -> Verdict {
    let key = it.key("replace/refused");
    let meta = it.put(&key, b"old")?;
    let etag = if meta.etag.is_empty() { "none" } else { &meta.etag };
    match replace(it, &key, etag, b"new") {
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => same(&it.get(&key)?, b"old"),
        Err(error) => Err(told(&error)),
        Ok(_) => Err("it says that it has no replace, and replaces".to_owned()),
    }
}

fn not_claimed(it: &Place<'_>) -> Verdict {
    let claimed = claimed(it);
    ensure(claimed == Guarantee::Unknown, || {
        format!("it says that a replace is {}, and does not know it", claimed.name())
    })
}

/// The error of what lost.
fn changed<T>(what: &str, answer: Result<T>) -> Verdict {
    match answer {
        Err(error) if error.kind() == ErrorKind::CHANGED => Ok(()),
        Err(error) => Err(format!("{what}: {}, not CHANGED", told(&error))),
        Ok(_) => Err(format!("{what}: it is replaced")),
    }
}

fn as_it_was(it: &Place<'_>) -> Verdict {
    let key = it.key("replace/as-it-was");
    let first = it.put(&key, b"first")?;
    let second = replace(it, &key, &first.etag, b"second").explain("replacing")?;
    ensure(second.size == 6 && second.key == key && second.etag != first.etag, || {
        format!("the commit says {second:?}, before it was {first:?}")
    })?;
    same(&it.get(&key)?, b"second")?;
    changed("with the etag of before", replace(it, &key, &first.etag, b"third"))?;
    changed("with an etag that never was", replace(it, &key, "0123-never", b"third"))?;
    same(&it.get(&key)?, b"second")?;
    let again = replace(it, &key, &second.etag, b"").explain("replacing with nothing")?;
    it.storage.delete(&key).explain("deleting")?;
    changed("after it was deleted", replace(it, &key, &again.etag, b"third"))?;
    it.ensure_absent(&key, "after it was not replaced")?;
    let never = it.key("replace/nowhere/never");
    changed("an object that never was", replace(it, &never, &again.etag, b"x"))?;
    it.ensure_absent(&never, "after it was not replaced")
}

fn between(it: &Place<'_>) -> Verdict {
    let key = it.key("replace/between");
    for delete in [false, true] {
        let meta = it.put(&key, b"first")?;
        let begun = it.storage.replace(&key, &meta.etag, PutOptions::default());
        let mut put = begun.explain("beginning to replace")?;
        put.write(b"mine").explain("writing")?;
        if delete {
            it.storage.delete(&key).explain("deleting")?;
        } else {
            it.put(&key, b"theirs")?;
        }
        changed("changed meanwhile", put.commit())?;
        drop(put);
        if delete {
            it.ensure_absent(&key, "after it was deleted meanwhile")?;
        } else {
            same(&it.get(&key)?, b"theirs")?;
        }
    }
    Ok(())
}

fn unseen(it: &Place<'_>) -> Verdict {
    let key = it.key("replace/unseen");
    let meta = it.put(&key, b"old")?;
    for abort in [true, false] {
        let begun = it.storage.replace(&key, &meta.etag, PutOptions::default());
        let mut put = begun.explain("beginning to replace")?;
        put.write(b"new").explain("writing")?;
        same(&it.get(&key)?, b"old").map_err(|e| format!("before commit: {e}"))?;
        if abort {
            put.abort().explain("aborting")?;
        }
        drop(put);
        same(&it.get(&key)?, b"old").map_err(|e| format!("after it was given up: {e}"))?;
    }
    replace(it, &key, &meta.etag, b"new").explain("replacing after giving up").map(drop)
}

/// Each adds one to a number, again and again: what is lost shows in the sum.
fn counting(it: &Place<'_>) -> Verdict {
    const ROUNDS: u64 = 6;
    let key = it.key("replace/counter");
    it.put(&key, b"0")?;
    let start = Barrier::new(THREADS);
    let added = thread::scope(|scope| {
        let (key, start) = (&key, &start);
        let work = move || {
            start.wait();
            (0..ROUNDS).map(|_| add_one(it, key)).sum::<Verdict<u64>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
        });
        joined.sum::<Verdict<u64>>()
    })?;
    let count = String::from_utf8_lossy(&it.get(&key)?).into_owned();
    // A storage that only looks first says so, and may lose some.
    let honest = claimed(it) != Guarantee::Atomic && claimed(it) != Guarantee::Unknown;
    ensure(honest || count == added.to_string(), || {
        format!("{added} replaces succeeded, but only {count} of them count")
    })
}

/// Tries until nobody else was quicker; every time somebody is, somebody has
/// made progress.
fn add_one(it: &Place<'_>, key: &str) -> Verdict<u64> {
    loop {
        let before = it.stat(key)?.ok_or("the counter is gone")?;
        let number = it.get(key)?;
        let number: u64 = String::from_utf8_lossy(&number)
            .parse()
            .map_err(|_| format!("the counter is {number:?}"))?;
        // If it was replaced in between, the etag is old, and that is noticed.
        let next = (number + 1).to_string();
        match replace(it, key, &before.etag, next.as_bytes()) {
            Ok(_) => return Ok(1),
            Err(error) if error.kind() == ErrorKind::CHANGED => {}
            Err(error) => return Err(of_loser(&error)),
        }
    }
}

fn of_loser(error: &Error) -> String {
    format!("a loser gets {}, not CHANGED", told(error))
}
