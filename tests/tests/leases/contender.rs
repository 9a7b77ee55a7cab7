//! What a process does that contends for a lease.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use hayloft_lease::{Lease, Terms, acquire};
use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, PutOptions, Result, StorageHandle,
    conformance::{Plugin, Section, Subject},
};
use hayloft_test_servers::{AZURE_ACCOUNT, AZURE_KEY, BUCKET, CONTAINER};
use hayloft_tests::{Program, Sandbox};
use serde::{Deserialize, Serialize};

const LEASE: &str = "main/lease";
/// What each holder replaces, with each step.
const LEDGER: &str = "main/ledger";
const VARIABLE: &str = "HAYLOFT_TEST_CONTENDER";

/// Where the lease is, and who asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    plugin: PathBuf,
    name: String,
    settings: Vec<(String, String)>,
    /// For what everybody writes down.
    directory: PathBuf,
    holder: String,
    ttl_ms: u64,
}

impl Place {
    fn new(sandbox: &Sandbox, plugin: &str, name: &str, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Self {
            plugin: Program::find().plugin(plugin),
            name: name.to_owned(),
            settings: settings.collect(),
            directory: sandbox.path(""),
            holder: String::new(),
            ttl_ms: 0,
        }
    }

    pub(crate) fn local(sandbox: &Sandbox, root: &Path) -> Self {
        let root = root.to_str().unwrap();
        Self::new(sandbox, "storage_local", "local", &[("root", root)])
    }

    pub(crate) fn s3(sandbox: &Sandbox, endpoint: &str, keys: (&str, &str)) -> Self {
        let settings = [
            ("endpoint", endpoint),
            ("bucket", BUCKET),
            ("access_key_id", keys.0),
            ("password", keys.1),
        ];
        Self::new(sandbox, "storage_object_store", "s3", &settings)
    }

    pub(crate) fn azure(sandbox: &Sandbox, endpoint: &str) -> Self {
        let settings = [
            ("endpoint", endpoint),
            ("account", AZURE_ACCOUNT),
            ("container", CONTAINER),
            ("password", AZURE_KEY),
        ];
        Self::new(sandbox, "storage_object_store", "azure", &settings)
    }

    /// The same place with one more setting.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same place for a holder.
    pub(crate) fn of(&self, holder: &str, ttl: Duration) -> Self {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap();
        Self { holder: holder.to_owned(), ttl_ms, ..self.clone() }
    }

    /// What this process was started with, if it is a contender.
    pub(crate) fn given() -> Option<Self> {
        let text = env::var(VARIABLE).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// What a process is started with to be one.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, serde_json::to_string(self).unwrap())
    }

    fn open(&self) -> StorageHandle {
        let plugins = Plugin::open(&self.plugin).unwrap();
        let section = self
            .settings
            .iter()
            .fold(Section::new("storage"), |section, (name, value)| section.set(name, value));
        StorageHandle::from_raw(plugins[0].storage(&self.name, section.node()).unwrap())
    }
}

/// Does what it is told, line by line.
pub(crate) fn contend(place: &Place) {
    let mut contender = Contender { storage: Arc::new(place.open()), place, lease: None };
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let answer = contender.obey(&line);
        let answer = answer.unwrap_or_else(|error| match error.kind() {
            ErrorKind::CHANGED => "lost".to_owned(),
            _ => format!("failed: {error}"),
        });
        let mut out = io::stdout().lock();
        // The test harness writes there too.
        writeln!(out, "\n>> {answer}").unwrap();
        out.flush().unwrap();
    }
}

struct Contender<'a> {
    storage: Arc<StorageHandle>,
    place: &'a Place,
    lease: Option<Lease>,
}

/// How far all steps are.
#[derive(Debug, Serialize, Deserialize)]
struct Ledger {
    number: u64,
    term: u64,
}

impl Contender<'_> {
    fn obey(&mut self, line: &str) -> Result<String> {
        let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
        match word {
            "get" => Ok(format!("got {}", self.get()?)),
            "check" => self.lease()?.check().map(|()| "ok".to_owned()),
            "step" => self.step().map(|()| "stepped".to_owned()),
            "release" => self.release().map(|()| "released".to_owned()),
            "alone" => {
                let rounds: u32 = number.parse().unwrap();
                (0..rounds).try_for_each(|_| self.alone()).map(|()| line.to_owned())
            }
            "work" => loop {
                self.work()?;
            },
            other => panic!("what is {other:?}?"),
        }
    }

    fn lease(&self) -> Result<&Lease> {
        self.lease.as_ref().ok_or_else(|| Error::msg("there is no lease"))
    }

    fn get(&mut self) -> Result<u64> {
        self.lease = None;
        let terms = Terms {
            ttl: Duration::from_millis(self.place.ttl_ms),
            patience: Duration::from_hours(1),
            holder: self.place.holder.clone(),
            heir: false,
        };
        let lease = acquire(Arc::clone(&self.storage), LEASE, &terms, &|| false)?;
        let term = lease.term();
        self.lease = Some(lease);
        // From now on whoever had it before us is too late.
        self.step()?;
        Ok(term)
    }

    fn release(&mut self) -> Result<()> {
        self.lease.take().ok_or_else(|| Error::msg("there is no lease"))?.release()
    }

    /// Replaces the ledger, unless somebody with a greater term has.
    fn step(&self) -> Result<()> {
        let lease = self.lease()?;
        lease.check()?;
        let next = loop {
            let Some(before) = self.storage.stat(LEDGER)? else {
                match self.write(None, &Ledger { number: 1, term: lease.term() }) {
                    Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => continue,
                    other => break other?,
                }
            };
            let ledger = self.read()?;
            if ledger.term > lease.term() {
                return Err(Error::new(ErrorKind::CHANGED, "somebody else has stepped"));
            }
            let next = Ledger { number: ledger.number + 1, term: lease.term() };
            match self.write(Some(&before.etag), &next) {
                // Who was before us has, or who comes after us.
                Err(error) if error.kind() == ErrorKind::CHANGED => {}
                other => break other?,
            }
        };
        let path = self.place.directory.join("steps");
        let mut log = OpenOptions::new().create(true).append(true).open(path)?;
        log.write_all(format!("{} {}\n", next.number, next.term).as_bytes())?;
        Ok(())
    }

    fn read(&self) -> Result<Ledger> {
        let mut content = Vec::new();
        self.storage.get(LEDGER, ByteRange::ALL)?.read_to_end(&mut content)?;
        Ok(serde_json::from_slice(&content)?)
    }

    fn write(&self, etag: Option<&str>, ledger: &Ledger) -> Result<Ledger> {
        let mut put = match etag {
            Some(etag) => self.storage.replace(LEDGER, etag, PutOptions::default())?,
            None => self.storage.put(LEDGER, PutOptions { create_only: true, size_hint: None })?,
        };
        put.write(&serde_json::to_vec(ledger)?)?;
        put.commit()?;
        Ok(Ledger { ..*ledger })
    }

    /// Works where nobody else may be.
    fn alone(&mut self) -> Result<()> {
        self.get()?;
        let path = self.place.directory.join("at-work");
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        assert!(made.is_ok(), "two are at work");
        self.step()?;
        self.lease()?.check()?;
        fs::remove_file(&path)?;
        self.release()
    }

    /// Works until it is no more allowed to, or somebody else's turn.
    fn work(&mut self) -> Result<()> {
        self.get().map(drop).or_else(unless_lost)?;
        for _ in 0..3 {
            match self.step() {
                Err(error) if error.kind() == ErrorKind::CHANGED => return Ok(()),
                other => other?,
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.release().or_else(unless_lost)
    }
}

fn unless_lost(error: Error) -> Result<()> {
    if error.kind() == ErrorKind::CHANGED { Ok(()) } else { Err(error) }
}
