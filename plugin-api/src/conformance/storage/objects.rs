//! Single objects: what is put is there, whole, or not at all.

use std::{
    io::Read,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Place, told};
use crate::{
    ByteRange, Chunk, PutOptions, Sweep,
    conformance::{
        report::{Checks, Explain, Verdict, ensure},
        stream::{noise, same, text},
    },
    error::ErrorKind,
};

pub(super) fn check(checks: &mut Checks<'_>, it: &Place<'_>) {
    checks.check("objects of many sizes", || sizes(it));
    checks.check("what is known of an object", || metadata(it));
    checks.check("ranges", || ranges(it));
    checks.check("keys of all kinds", || keys(it));
    checks.check("what is not there", || missing(it));
    checks.check("nothing is seen before commit", || unseen(it));
    checks.check("abort and drop leave nothing", || given_up(it));
    checks.check("create only", || create_only(it));
    checks.check("another run sees it", || reopened(it));
    checks.check("many are deleted at once", || deleted_at_once(it));
    checks.check("what is unfinished is no object", || unfinished(it));
}

/// Larger than a part of a multi-part upload, and no multiple of anything.
const LARGE: usize = (9 << 20) + 17;

fn sizes(it: &Place<'_>) -> Verdict {
    for size in [0, 1, 4096, (256 << 10) + 1, LARGE] {
        let (key, content) = (it.key("sizes/object"), noise(size));
        let meta = it.put(&key, &content)?;
        ensure(meta.size == size as u64, || {
            format!("commit says {} bytes of an object of {size}", meta.size)
        })?;
        same(&it.get(&key)?, &content).map_err(|e| format!("{size} bytes: {e}"))?;
    }
    let key = it.key("sizes/pieces");
    let mut put = it.storage.put(&key, PutOptions::default()).explain("putting")?;
    for byte in text(1000) {
        put.write(&[byte]).explain("writing a byte")?;
    }
    put.write(&[]).explain("writing nothing")?;
    put.write_owned(Chunk::from(noise(100_000))).explain("writing an owned piece")?;
    put.commit().explain("committing")?;
    same(&it.get(&key)?, &[text(1000), noise(100_000)].concat())
}

fn metadata(it: &Place<'_>) -> Verdict {
    const DAY: Duration = Duration::from_hours(24);
    let key = it.key("metadata");
    let committed = it.put(&key, b"one")?;
    let meta = it.stat(&key)?.ok_or("stat does not find what was put")?;
    ensure(meta.key == key && committed.key == key, || {
        format!("{key:?} is called {:?} by stat and {:?} by commit", meta.key, committed.key)
    })?;
    ensure(meta.size == 3, || format!("stat says {} bytes of an object of 3", meta.size))?;
    if meta.modified_ns != 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = Duration::from_nanos(u64::try_from(meta.modified_ns).unwrap_or(0));
        ensure(now.abs_diff(then) < DAY, || {
            format!("the time of an object is {} ns after 1970", meta.modified_ns)
        })?;
    }
    let listed = it.storage.list(&key, "", 10).explain("listing")?;
    ensure(listed.iter().any(|other| other.key == key && other.size == 3), || {
        format!("list says {listed:?} of an object of 3 bytes")
    })?;
    it.put(&key, b"two")?;
    let replaced = it.stat(&key)?.ok_or("stat does not find what was replaced")?;
    ensure(meta.etag.is_empty() || meta.etag != replaced.etag, || {
        format!("the etag {:?} stays the same when the content changes", meta.etag)
    })
}

fn ranges(it: &Place<'_>) -> Verdict {
    let (key, content) = (it.key("ranges"), noise(100_000));
    it.put(&key, &content)?;
    let all = content.len() as u64;
    let cases = [
        (0, Some(0)),
        (0, Some(1)),
        (1, Some(9999)),
        (50_000, None),
        (all - 1, Some(1)),
        (all - 1, Some(1000)),
        (all, None),
        (all + 10, Some(10)),
        (0, Some(u64::MAX)),
        (10, Some(u64::MAX)),
        (u64::MAX, None),
    ];
    for (offset, length) in cases {
        let range = ByteRange { offset, length };
        let begin = usize::try_from(offset.min(all)).unwrap_or(0);
        let end = offset.saturating_add(length.unwrap_or(all)).min(all);
        let expected = &content[begin..usize::try_from(end).unwrap_or(0).max(begin)];
        let got = it.read(&key, range).explain(&format!("getting {range:?} of {all}"))?;
        same(&got, expected).map_err(|e| format!("{range:?} of {all}: {e}"))?;
    }
    let mut reader = it.storage.get(&key, ByteRange::ALL).explain("getting")?;
    let (mut slowly, mut byte) = (Vec::new(), [0; 7]);
    loop {
        match reader.read(&mut byte).explain("reading 7 bytes")? {
            0 => break,
            n => slowly.extend_from_slice(&byte[..n]),
        }
    }
    same(&slowly, &content)
}

const KEYS: [&str; 17] = [
    "plain.txt",
    "with space",
    " leading and trailing ",
    "ünïcode/日本語/🗄",
    "%20%2F%00",
    "a+b=c&d?e#f",
    "quote'\"`",
    "back\\slash",
    "star*?[x]{y}",
    "$HOME ~ !1",
    ".hidden/..dots../...",
    "-dash",
    "UPPER/lower",
    "upper/LOWER",
    "trailing.tmp",
    "deep/1/2/3/4/5/6/7/8/9",
    "colon:semicolon;comma,",
];

fn keys(it: &Place<'_>) -> Verdict {
    let long = "l".repeat(200);
    let mut all: Vec<&str> = KEYS.into_iter().chain([long.as_str()]).collect();
    // To some servers it is a slash. They may say so, but not keep another key.
    let odd = all.extract_if(.., |key| key.contains('\\')).collect::<Vec<_>>();
    for key in odd {
        let name = it.key(&format!("keys/{key}"));
        match it.put_with(&name, key.as_bytes(), PutOptions::default()) {
            Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
                it.ensure_absent(&name, "a key that was refused")?;
            }
            done => {
                done.explain("putting")?;
                all.push(key);
            }
        }
    }
    for key in all.iter().filter(|key| !key.contains('\\')) {
        it.put(&it.key(&format!("keys/{key}")), key.as_bytes())?;
    }
    for key in &all {
        let content = it.get(&it.key(&format!("keys/{key}")))?;
        same(&content, key.as_bytes()).map_err(|e| format!("{key:?}: {e}"))?;
    }
    let mut expected: Vec<_> = all.iter().map(|key| it.key(&format!("keys/{key}"))).collect();
    expected.sort();
    let listed = it.names(&it.key("keys/"))?;
    ensure(listed == expected, || format!("list says {listed:?}, not {expected:?}"))
}

fn missing(it: &Place<'_>) -> Verdict {
    for key in ["missing", "missing/in/a/directory", "ranges-and-more"] {
        let key = it.key(key);
        it.ensure_absent(&key, "an object that never was")?;
        it.storage.delete(&key).explain("deleting what is not there")?;
    }
    let key = it.key("missing/soon");
    it.put(&key, b"x")?;
    it.storage.delete(&key).explain("deleting")?;
    it.ensure_absent(&key, "after it was deleted")?;
    it.storage.delete(&key).explain("deleting a second time")
}

fn unseen(it: &Place<'_>) -> Verdict {
    let key = it.key("unseen/object");
    let mut put = it.storage.put(&key, PutOptions::default()).explain("putting")?;
    it.ensure_absent(&key, "before anything was written")?;
    put.write(&noise(LARGE)).explain("writing")?;
    it.ensure_absent(&key, "before commit")?;
    let listed = it.names(&it.key("unseen"))?;
    ensure(listed.is_empty(), || format!("list has {listed:?} before commit"))?;
    put.commit().explain("committing")?;
    drop(put);
    same(&it.get(&key)?, &noise(LARGE))
}

fn given_up(it: &Place<'_>) -> Verdict {
    let (fresh, old) = (it.key("given-up/fresh"), it.key("given-up/old"));
    it.put(&old, b"old")?;
    let before = it.files();
    for abort in [true, false] {
        for key in [&fresh, &old] {
            let mut put = it.storage.put(key, PutOptions::default()).explain("putting")?;
            put.write(&noise(300_000)).explain("writing")?;
            if abort {
                put.abort().explain("aborting")?;
            }
        }
        let when = if abort { "after abort" } else { "after a drop without commit" };
        it.ensure_absent(&fresh, when)?;
        same(&it.get(&old)?, b"old").map_err(|e| format!("{when}, what was there: {e}"))?;
        let left: Vec<_> = it.files().into_iter().filter(|it| !before.contains(it)).collect();
        ensure(left.is_empty(), || format!("{when}: files are left: {left:?}"))?;
    }
    Ok(())
}

fn create_only(it: &Place<'_>) -> Verdict {
    let options = PutOptions { create_only: true, size_hint: Some(5) };
    let key = it.key("create-only");
    match it.put_with(&key, b"first", options) {
        // A store without conditional puts says so instead of overwriting.
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => return Ok(()),
        other => other.explain("creating an object")?,
    };
    match it.put_with(&key, b"second", options) {
        Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => {}
        Err(error) => return Err(format!("{}, not ALREADY_EXISTS", told(&error))),
        Ok(_) => return Err("an object that was there was created".to_owned()),
    }
    same(&it.get(&key)?, b"first")?;
    it.put(&key, b"third")?;
    same(&it.get(&key)?, b"third").map_err(|e| format!("replaced: {e}"))
}

fn reopened(it: &Place<'_>) -> Verdict {
    let (key, content) = (it.key("reopened/object"), noise(70_000));
    it.put(&key, &content)?;
    let again = it.reopened()?;
    let mut read = Vec::new();
    again
        .get(&key, ByteRange::ALL)
        .explain("getting from the storage opened again")?
        .read_to_end(&mut read)
        .explain("reading")?;
    same(&read, &content)?;
    again.delete(&key).explain("deleting through the other one")?;
    it.ensure_absent(&key, "after another run deleted it")
}

/// More than one request takes of the stores that are known.
const MANY: usize = 1100;

fn deleted_at_once(it: &Place<'_>) -> Verdict {
    let kept = it.key("at-once/kept");
    it.put(&kept, b"x")?;
    let all: Vec<_> = (0..MANY).map(|i| it.key(&format!("at-once/{}/{i:04}", i % 7))).collect();
    for key in all.iter().step_by(3) {
        it.put(key, b"x")?;
    }
    let keys: Vec<_> = all.iter().map(String::as_str).collect();
    for keys in [&keys[..], &keys[..1], &[]] {
        let undeleted = it.storage.delete_many(keys).explain("deleting many")?;
        ensure(undeleted.is_empty(), || format!("not deleted: {undeleted:?}"))?;
    }
    let left = it.names(&it.key("at-once/"))?;
    ensure(left == [kept], || format!("{} are left, {:?} and on", left.len(), left.first()))
}

fn unfinished(it: &Place<'_>) -> Verdict {
    let (key, whole) = (it.key("unfinished/object"), it.key("unfinished/whole"));
    it.put(&whole, b"x")?;
    let mut put = it.storage.put(&key, PutOptions::default()).explain("putting")?;
    put.write(&noise(LARGE)).explain("writing")?;
    for dry_run in [true, false] {
        let request = Sweep { older_than_s: 3600, dry_run };
        it.storage.sweep(&request).explain("sweeping")?;
    }
    put.commit().explain("committing what was not to be swept")?;
    same(&it.get(&key)?, &noise(LARGE))?;
    same(&it.get(&whole)?, b"x")?;
    ensure(it.storage.protection(&whole).explain("asking what protects it")?.is_none(), || {
        "an object is protected that the suite is to delete".to_owned()
    })
}
