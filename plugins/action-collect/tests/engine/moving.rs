//! Files that change while they are read.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    sync::{Condvar, Mutex},
};

use hayloft_action_collect::{
    pack::{Source, pack},
    walk::{Base, Start},
};

use crate::sandbox::{Collecting, Made, Sandbox, listed, restore};

/// An archive that nobody takes before the files have changed.
struct Held<'a> {
    archive: Vec<u8>,
    changed: &'a (Mutex<bool>, Condvar),
}

impl Write for Held<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let (changed, told) = self.changed;
        drop(told.wait_while(changed.lock().unwrap(), |it| !*it).unwrap());
        self.archive.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_shrinks_or_grows_damages_nothing_else() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree();
    // Larger than all buffers: what follows is read only when this is taken.
    sandbox.write("a-large", vec![b'a'; 8 << 20]);
    let shrinks = sandbox.write("b-shrinks", vec![b'b'; 300_000]);
    let grows = sandbox.write("c-grows", vec![b'c'; 300_000]);
    sandbox.write("d-after", "after");
    sandbox.write("e-also-after", vec![b'e'; 300_000]);
    sandbox.write("z/last", "last");
    let changed = (Mutex::new(false), Condvar::new());
    // The walk asks about this one when it has opened all of the others.
    let exclude = |path: &[u8]| {
        if path.ends_with(b"/z/last") {
            File::options().write(true).open(&shrinks).unwrap().set_len(100_000).unwrap();
            let mut file = File::options().append(true).open(&grows).unwrap();
            file.write_all(b"more").unwrap();
            *changed.0.lock().unwrap() = true;
            changed.1.notify_all();
        }
        false
    };
    let mut rules = Collecting::default().rules;
    rules.exclude = &exclude;
    let facts = Made::foreign(Vec::new()).facts;
    let start = Start::new(tree.as_os_str().as_bytes(), true);
    let source = Source { start, rules, facts: &facts, base: Base::Nothing };
    let mut held = Held { archive: Vec::new(), changed: &changed };
    let packed = pack::<Vec<u8>>(source, &mut held, None, &mut |_| true).unwrap().unwrap();

    let counts = packed.report.counts;
    assert_eq!((counts.warnings, counts.grew), (1, 1));
    let warning = &packed.report.warnings[0];
    assert!(warning.contains("b-shrinks became 200000 bytes shorter"), "{warning}");
    assert_eq!(listed(&held.archive).len(), 8);
    let target = sandbox.empty("target");
    restore(&[&Made::foreign(held.archive)], &[&tree], &target, false).unwrap();
    let there = sandbox.inside(&target);
    let read = |name: &str| fs::read(there.join(name)).unwrap();
    assert_eq!(read("b-shrinks"), [vec![b'b'; 100_000], vec![0; 200_000]].concat());
    assert_eq!(read("c-grows"), vec![b'c'; 300_000]);
    assert_eq!(read("d-after"), b"after");
    assert_eq!(read("e-also-after"), vec![b'e'; 300_000]);
    assert_eq!(read("z/last"), b"last");
}

#[test]
fn a_file_that_is_gone_is_not_in_the_archive() {
    let sandbox = Sandbox::new();
    sandbox.write("a-gone", "x");
    sandbox.write("b-stays", "x");
    let gone = sandbox.tree().join("a-gone");
    // Asked about after the names have been read.
    let exclude = |path: &[u8]| {
        if path.ends_with(b"/b-stays") {
            fs::remove_file(&gone).unwrap();
        }
        false
    };
    let mut collecting = Collecting::default();
    collecting.rules.exclude = &exclude;
    let made = collecting.full(&sandbox.tree(), "1");
    assert_eq!(made.report.counts.vanished, 1);
    assert_eq!(made.report.warnings, [""; 0]);
    assert_eq!(listed(&made.archive).len(), 2);
}

/// A disk without room.
struct Full;
impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn whoever_stops_an_archive_gets_none() {
    let sandbox = Sandbox::new();
    for n in 0..300 {
        sandbox.write(&format!("{n}"), vec![0; 100_000]);
    }
    let tree = sandbox.tree();
    let facts = Made::foreign(Vec::new()).facts;
    let start = Start::new(tree.as_os_str().as_bytes(), true);
    let rules = Collecting::default().rules;
    let source = Source { start, rules, facts: &facts, base: Base::Nothing };
    let stopped = pack::<Vec<u8>>(source, &mut io::sink(), None, &mut |done| done < 5_000_000);
    assert_eq!(stopped.unwrap_err().to_string(), "interrupted");

    let source = Source { start, rules, facts: &facts, base: Base::Nothing };
    let full = pack::<Vec<u8>>(source, &mut Full, None, &mut |_| true);
    assert_eq!(full.unwrap_err().to_string(), "cannot write the archive");
}
