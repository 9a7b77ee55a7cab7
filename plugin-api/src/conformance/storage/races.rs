//! Several at once: the host uses a storage from many threads.

use std::{
    io::Read,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{Place, told};
use crate::{
    ByteRange, Guarantee, PutOptions,
    conformance::{
        report::{Checks, Explain, Verdict, ensure},
        stream::{noise, same},
    },
    error::ErrorKind,
};

pub(super) fn check(checks: &mut Checks<'_>, it: &Place<'_>) {
    checks.check("eight threads, each with its own objects", || apart(it));
    checks.check("one of sixteen creates", || one_winner(it));
    checks.check("an object is replaced whole", || replaced(it));
    checks.check("a reader keeps what it began to read", || kept(it));
}

fn joined(thread: thread::ScopedJoinHandle<'_, Verdict>) -> Verdict {
    thread.join().unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
}

fn apart(it: &Place<'_>) -> Verdict {
    let work = |n: usize| {
        for round in 0..5 {
            let key = it.key(&format!("parallel/{n}/{round}"));
            let content = noise(10_000 * n + round);
            it.put(&key, &content)?;
            same(&it.get(&key)?, &content).map_err(|e| format!("{key:?}: {e}"))?;
            if round % 2 == 0 {
                it.storage.delete(&key).explain("deleting")?;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(joined)
    })?;
    let left = it.names(&it.key("parallel/"))?;
    ensure(left.len() == 16, || format!("{} objects are there, not 16", left.len()))
}

fn one_winner(it: &Place<'_>) -> Verdict {
    const THREADS: usize = 16;
    let options = PutOptions { create_only: true, size_hint: None };
    for round in 0..5 {
        let key = it.key(&format!("race/{round}"));
        let start = Barrier::new(THREADS);
        let results = thread::scope(|scope| {
            let (key, start) = (&key, &start);
            let create = move |n: usize| {
                start.wait();
                it.put_with(key, format!("thread {n}").as_bytes(), options).map(|_| n)
            };
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || create(n))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
        });
        let unsupported = |kind| kind == ErrorKind::UNSUPPORTED;
        if results.iter().all(|it| it.as_ref().is_err_and(|e| unsupported(e.kind()))) {
            return Ok(());
        }
        let winners: Vec<_> = results.iter().flatten().collect();
        let claimed = it.storage.capabilities().explain("asking what it can do")?.create;
        if claimed == Guarantee::Checked && !winners.is_empty() {
            // It says itself that two may succeed.
            continue;
        }
        ensure(winners.len() == 1, || format!("{} threads created {key:?}", winners.len()))?;
        for error in results.iter().filter_map(|it| it.as_ref().err()) {
            ensure(error.kind() == ErrorKind::ALREADY_EXISTS, || {
                format!("a loser gets {}, not ALREADY_EXISTS", told(error))
            })?;
        }
        same(&it.get(&key)?, format!("thread {}", winners[0]).as_bytes())?;
    }
    Ok(())
}

/// The content says how long it must be.
fn uniform(letter: u8) -> Vec<u8> {
    vec![letter; 1000 * usize::from(letter)]
}

fn replaced(it: &Place<'_>) -> Verdict {
    let key = it.key("replaced");
    it.put(&key, &uniform(b'a'))?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (key, stop) = (&key, &stop);
        let watch = move || {
            while !stop.load(Ordering::Relaxed) {
                let got = it.get(key)?;
                let letter = *got.first().ok_or("it was empty for a moment")?;
                same(&got, &uniform(letter)).map_err(|e| format!("a mixture was read: {e}"))?;
                ensure(it.stat(key)?.is_some(), || "it was gone for a moment".to_owned())?;
            }
            Ok(())
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(watch)).collect();
        let wrote = (b'a'..=b'z').try_for_each(|letter| it.put(key, &uniform(letter)).map(drop));
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().try_for_each(joined).and(wrote)
    })
}

fn kept(it: &Place<'_>) -> Verdict {
    let key = it.key("kept");
    let (old, new) = (vec![b'o'; 2 << 20], vec![b'n'; 3 << 20]);
    for delete in [false, true] {
        it.put(&key, &old)?;
        let mut reader = it.storage.get(&key, ByteRange::ALL).explain("getting")?;
        let mut begin = vec![0; 1000];
        reader.read_exact(&mut begin).explain("reading the beginning")?;
        if delete {
            it.storage.delete(&key).explain("deleting")?;
        } else {
            it.put(&key, &new)?;
        }
        let mut rest = Vec::new();
        // An error is honest; a mixture is not.
        if reader.read_to_end(&mut rest).is_ok() {
            same(&[begin, rest].concat(), &old)
                .map_err(|e| format!("replaced while it was read: {e}"))?;
        }
    }
    Ok(())
}
