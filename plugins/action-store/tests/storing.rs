//! Stores real directories in a storage that can be made to fail.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hayloft_action_store::{
    days::Day,
    manifest::Manifest,
    source,
    storing::{self, Stored, Target, World},
    upload::{Encoding, Fault, Objects},
};
use hayloft_plugin_api::{
    Codec, Error, ErrorKind, ObjectMeta, Op, PutOptions, PutStream, Result, Step, StreamOptions,
};
use proptest::prelude::*;
use tempfile::TempDir;

type Map = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A storage in memory that counts its calls and fails when told to.
#[derive(Default)]
struct Memory {
    objects: Map,
    /// The keys that were committed, in order.
    committed: Arc<Mutex<Vec<String>>>,
    calls: AtomicU64,
    /// The number of the call that fails, and how.
    fails: Option<(u64, ErrorKind)>,
    /// Whether every call after that fails too: the machine is gone.
    gone: bool,
}

impl Memory {
    fn call(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fails {
            Some((n, kind)) if call == n || self.gone && call > n => {
                Err(Error::new(kind, "the storage is gone"))
            }
            _ => Ok(()),
        }
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8(self.objects.lock().unwrap()[key].clone()).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    fn manifest(&self) -> Option<Manifest> {
        let objects = self.objects.lock().unwrap();
        Some(Manifest::from_json(objects.get("2026/11/17/manifest.json")?).unwrap())
    }

    /// Returns whether what the manifest says, if there is one, is there.
    fn is_true_to_its_manifest(&self) -> bool {
        let objects = self.objects.lock().unwrap();
        let Some(text) = objects.get("2026/11/17/manifest.json") else { return true };
        Manifest::from_json(text)
            .unwrap()
            .files
            .iter()
            .all(|entry| objects.get(&entry.key).is_some_and(|it| sha256(it) == entry.sha256))
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

struct Put {
    key: String,
    bytes: Vec<u8>,
    objects: Map,
    committed: Arc<Mutex<Vec<String>>>,
    fails: Option<ErrorKind>,
}

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(data);
        Ok(())
    }
    fn commit(&mut self) -> Result<ObjectMeta> {
        if let Some(kind) = self.fails {
            return Err(Error::new(kind, "the commit failed"));
        }
        let (key, bytes) = (self.key.clone(), std::mem::take(&mut self.bytes));
        let size = bytes.len() as u64;
        self.objects.lock().unwrap().insert(key.clone(), bytes);
        self.committed.lock().unwrap().push(key.clone());
        Ok(ObjectMeta { key, size, modified_ns: 0, etag: String::new() })
    }
    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Objects for Memory {
    fn put(&self, key: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        self.call()?;
        let fails = self.call().err().map(|it| it.kind());
        let (objects, committed) = (self.objects.clone(), self.committed.clone());
        Ok(Box::new(Put { key: key.to_owned(), bytes: Vec::new(), objects, committed, fails }))
    }
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.call()?;
        Ok(self.objects.lock().unwrap().get(key).cloned())
    }
    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.call()?;
        let size = self.objects.lock().unwrap().get(key).map(|it| it.len() as u64);
        let meta =
            |size| ObjectMeta { key: key.to_owned(), size, modified_ns: 0, etag: String::new() };
        Ok(size.map(meta))
    }
    fn delete(&self, key: &str) -> Result<()> {
        self.call()?;
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }
}

/// Turns every byte around, and appends `!` at the end.
struct Upside;

struct UpsideCodec;

impl Codec for UpsideCodec {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let n = input.len().min(output.len());
        output.iter_mut().zip(&input[..n]).for_each(|(to, from)| *to = !from);
        if op == Op::FINISH && n == input.len() && n < output.len() {
            output[n] = b'!';
            return Ok(Step { consumed: n, produced: n + 1, done: true });
        }
        Ok(Step { consumed: n, produced: n, done: op == Op::FLUSH && n == input.len() })
    }
}

impl Encoding for Upside {
    fn name(&self) -> &'static str {
        "upside"
    }
    fn suffix(&self) -> &'static str {
        ".up"
    }
    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(UpsideCodec))
    }
}

#[derive(Default)]
struct Quiet {
    cancelled: AtomicBool,
}

impl World for Quiet {
    fn check_cancelled(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
        }
        Ok(())
    }
    fn advanced(&self, _: &str, _: u64) {}
}

/// A staged day.
struct Staged {
    directory: TempDir,
}

impl Staged {
    fn new(files: &[(&str, &str)]) -> Self {
        let staged = Self { directory: tempfile::tempdir().unwrap() };
        for (path, content) in files {
            staged.write(path, content);
        }
        staged
    }

    fn day(&self) -> Day {
        Day { name: "2026/11/17".to_owned(), path: self.directory.path().to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn store_with(
        &self,
        memory: &Memory,
        encodings: &[&dyn Encoding],
        world: &Quiet,
    ) -> Result<Stored, Fault> {
        let target = Target {
            objects: memory,
            encodings,
            created: "2026-11-17T02:00:00Z",
            pause: Duration::from_millis(1),
            world,
        };
        storing::store(&self.day(), &source::list(self.directory.path()).unwrap(), target)
    }

    fn store(&self, memory: &Memory) -> Result<Stored, Fault> {
        self.store_with(memory, &[], &Quiet::default())
    }
}

const FILES: &[(&str, &str)] =
    &[("cback.stage", ""), ("box/a.tar", "aaa"), ("box/cback.collect", ""), ("other/b.tar", "bb")];

#[test]
fn a_day_is_stored_under_its_keys_and_the_manifest_comes_last() {
    let memory = Memory::default();
    let stored = Staged::new(FILES).store(&memory).unwrap();
    assert_eq!(stored, Stored { files: 2, bytes: 5, unchanged: 0 });
    assert_eq!(
        memory.keys(),
        ["2026/11/17/box/a.tar", "2026/11/17/manifest.json", "2026/11/17/other/b.tar"]
    );
    assert_eq!(memory.text("2026/11/17/box/a.tar"), "aaa");
    assert_eq!(memory.committed.lock().unwrap().last().unwrap(), "2026/11/17/manifest.json");
    let manifest = memory.manifest().unwrap();
    assert_eq!(manifest.files[0].sha256, sha256(b"aaa"));
    assert_eq!(
        (manifest.files[1].peer.as_str(), manifest.files[1].name.as_str()),
        ("other", "b.tar")
    );
}

#[test]
fn what_is_there_already_is_not_sent_again() {
    let (memory, staged) = (Memory::default(), Staged::new(FILES));
    staged.store(&memory).unwrap();
    staged.write("box/a.tar", "AAA");
    staged.write("box/new.tar", "n");
    let stored = staged.store(&memory).unwrap();
    assert_eq!(stored, Stored { files: 2, bytes: 4, unchanged: 1 });
    assert_eq!(memory.text("2026/11/17/box/a.tar"), "AAA");
    assert!(memory.is_true_to_its_manifest());
}

#[test]
fn an_object_that_is_missing_or_of_another_size_is_sent_again() {
    let (memory, staged) = (Memory::default(), Staged::new(FILES));
    staged.store(&memory).unwrap();
    memory.objects.lock().unwrap().remove("2026/11/17/box/a.tar");
    memory.objects.lock().unwrap().insert("2026/11/17/other/b.tar".to_owned(), b"b".to_vec());
    assert_eq!(staged.store(&memory).unwrap().files, 2);
    assert!(memory.is_true_to_its_manifest());
}

#[test]
fn a_manifest_that_cannot_be_understood_is_replaced() {
    let (memory, staged) = (Memory::default(), Staged::new(FILES));
    let rubbish = b"{\"version\":9}".to_vec();
    memory.objects.lock().unwrap().insert("2026/11/17/manifest.json".to_owned(), rubbish);
    assert_eq!(staged.store(&memory).unwrap().files, 2);
    assert_eq!(memory.manifest().unwrap().files.len(), 2);
}

#[test]
fn encoded_objects_have_the_suffix_and_both_checksums() {
    let (memory, staged) = (Memory::default(), Staged::new(FILES));
    let world = Quiet::default();
    staged.store_with(&memory, &[&Upside, &Upside], &world).unwrap();
    let object = memory.objects.lock().unwrap()["2026/11/17/box/a.tar.up.up"].clone();
    assert_eq!(object, [b'a', b'a', b'a', !b'!', b'!']);
    let manifest = memory.manifest().unwrap();
    let entry = &manifest.files[0];
    let encoded = entry.encoded.as_ref().unwrap();
    assert_eq!((entry.size, entry.sha256.clone()), (3, sha256(b"aaa")));
    assert_eq!(encoded.with, ["upside", "upside"]);
    assert_eq!((encoded.size, encoded.sha256.clone()), (5, sha256(&object)));
    let again = staged.store_with(&memory, &[&Upside, &Upside], &world).unwrap();
    assert_eq!(again, Stored { files: 0, bytes: 0, unchanged: 2 });
    let otherwise = staged.store_with(&memory, &[&Upside], &world).unwrap();
    assert_eq!(otherwise.files, 2, "another encoding is another object");
}

#[test]
fn a_transient_failure_is_tried_again_and_a_lasting_one_is_not_survived() {
    let staged = Staged::new(FILES);
    for call in 1..6 {
        let memory = Memory { fails: Some((call, ErrorKind::TRANSIENT)), ..Memory::default() };
        let outcome = staged.store(&memory);
        // The listing of what is there, call 0, and a verification are not repeated.
        if let Err(fault) = outcome {
            assert!(fault.into_error().to_string().contains("verify"), "call {call}");
        }
    }
    let memory = Memory { fails: Some((1, ErrorKind::TRANSIENT)), gone: true, ..Memory::default() };
    let error = staged.store(&memory).unwrap_err().into_error();
    assert!(error.to_string().contains("gave up after 3 tries"), "{error}");
    assert!(memory.manifest().is_none());
}

#[test]
fn a_source_that_cannot_be_read_is_told_apart_from_a_storage_that_fails() {
    let staged = Staged::new(FILES);
    let listing = source::list(staged.directory.path()).unwrap();
    fs::remove_file(staged.path("box/a.tar")).unwrap();
    let memory = Memory::default();
    let world = Quiet::default();
    let target = Target {
        objects: &memory,
        encodings: &[],
        created: "",
        pause: Duration::ZERO,
        world: &world,
    };
    let fault = storing::store(&staged.day(), &listing, target).unwrap_err();
    assert!(matches!(fault, Fault::Source(_)));
    assert!(memory.manifest().is_none());
}

#[test]
fn a_file_that_has_the_name_of_the_manifest_is_refused() {
    let staged = Staged::new(&[("manifest.json", "x")]);
    let error = staged.store(&Memory::default()).unwrap_err().into_error();
    assert!(error.message().ends_with("manifest.json has the name of the manifest"));
}

#[test]
fn an_interruption_leaves_no_manifest() {
    let (memory, world) = (Memory::default(), Quiet::default());
    world.cancelled.store(true, Ordering::Relaxed);
    let fault = Staged::new(FILES).store_with(&memory, &[], &world).unwrap_err();
    assert_eq!(fault.into_error().kind(), ErrorKind::CANCELLED);
    assert!(memory.manifest().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Whatever call fails, and for good, no manifest speaks of what is not
    /// there; and a run without failures afterwards stores everything.
    #[test]
    fn a_storage_that_breaks_off_never_has_a_manifest_that_is_wrong(
        first in prop::collection::btree_map("[a-c]", "[x-z]{1,3}", 0..4),
        second in prop::collection::btree_map("[a-c]", "[x-z]{1,3}", 0..4),
        call in 0..20u64,
    ) {
        let day = |files: &BTreeMap<String, String>| {
            let staged = Staged::new(&[("cback.stage", "")]);
            for (name, text) in files {
                staged.write(&format!("box/{name}"), text);
            }
            staged
        };
        let mut memory = Memory::default();
        day(&first).store(&memory).unwrap();
        memory.calls = AtomicU64::new(0);
        memory.fails = Some((call, ErrorKind::OTHER));
        memory.gone = true;
        let staged = day(&second);
        let outcome = staged.store(&memory);
        prop_assert!(memory.is_true_to_its_manifest());
        if outcome.is_ok() {
            prop_assert_eq!(memory.manifest().unwrap().files.len(), second.len());
        }
        memory.fails = None;
        staged.store(&memory).unwrap();
        prop_assert!(memory.is_true_to_its_manifest());
        prop_assert_eq!(memory.manifest().unwrap().files.len(), second.len());
    }
}
