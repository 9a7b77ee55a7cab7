//! A machine that is backed up day by day.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hayloft_action_collect::{Collect, List, Restore};
use hayloft_plugin_api::{
    Action, Arguments, Command, Configuration, Error, Outcome, Request, Weekday,
    conformance::{Section, TestHost},
};

/// Day 0 is Monday, 16 November 2026, the first of the backup week.
const FIRST: u8 = 16;
const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

pub(crate) struct Backup {
    pub(crate) test: TestHost,
    items: Section,
    today: u8,
    pub(crate) full: bool,
    pub(crate) failed: Vec<String>,
}

impl Backup {
    /// Creates a machine with an empty directory `source` that is collected in
    /// that mode.
    pub(crate) fn new(mode: &str) -> Self {
        let test = TestHost::new().unwrap();
        fs::create_dir(test.directory().join("source")).unwrap();
        let collect_dir = test.collect_dir();
        let items = Section::new("cb_config")
            .set("options.starting_day", "monday")
            .set("options.working_dir", test.directory().join("work").display())
            .set("options.backup_user", "nobody")
            .set("options.backup_group", "nogroup")
            .set("options.rcp_command", "scp")
            .set("collect.collect_dir", collect_dir.display())
            .set("collect.collect_mode", mode)
            .set("collect.archive_mode", "tar")
            .set("collect.ignore_file", ".ignore");
        let backup = Self { test, items, today: 0, full: false, failed: Vec::new() };
        let source = backup.source();
        backup.dir(&source)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.test.directory().join("source")
    }

    /// Adds a directory to what is collected.
    pub(crate) fn dir(self, path: &Path) -> Self {
        let items = self.items.clone().set("collect.dir", "");
        self.with(items.set("collect.dir.abs_path", path.display()))
    }

    fn with(self, items: Section) -> Self {
        let test = self.test.with_document(&items);
        Self { test, items, ..self }
    }

    /// Adds a setting, of the last item if it begins with `dir.` or `file.`.
    pub(crate) fn set(self, element: &str, value: &str) -> Self {
        let items = self.items.clone().set(&format!("collect.{element}"), value);
        self.with(items)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Lets files become old enough that their times can be trusted.
    pub(crate) fn settle() {
        std::thread::sleep(Duration::from_millis(2100));
    }

    /// Lets days pass.
    pub(crate) fn next_day(&mut self) {
        self.today += 1;
    }

    pub(crate) fn request(&self) -> Request {
        let mut request = self.test.request("collect");
        request.now.day = FIRST + self.today;
        request.now.weekday = WEEK[usize::from(self.today) % 7];
        request.now.unix_seconds += i64::from(self.today) * 86_400;
        request.start_of_week = request.now.weekday == Weekday::Monday;
        request.full = self.full;
        request.failed.clone_from(&self.failed);
        request
    }

    pub(crate) fn collect(&self) -> Result<Outcome, Error> {
        self.collect_with(&self.request())
    }

    pub(crate) fn collect_with(&self, request: &Request) -> Result<Outcome, Error> {
        let node = self.items.node().child("collect").unwrap();
        let config = <Collect as Action>::Config::decode(node);
        assert_eq!(config.diagnostics, []);
        Collect::new(config.value.unwrap()).unwrap().run(&self.test.host(), request)
    }

    /// Copies everything into the day's directory, as the action `stage` does.
    pub(crate) fn stage(&self) {
        let day = self.staged();
        fs::create_dir_all(&day).unwrap();
        for name in self.collected() {
            fs::copy(self.test.collect_dir().join(&name), day.join(&name)).unwrap();
        }
        let mark = File::create(self.test.collect_dir().join("cback.stage")).unwrap();
        let at = SystemTime::now() + Duration::from_secs(1);
        mark.set_modified(at).unwrap();
    }

    pub(crate) fn staged(&self) -> PathBuf {
        let day = format!("stage/2026/11/{}/box", FIRST + self.today);
        self.test.directory().join(day)
    }

    /// Collects and stages, both well, and goes on to the next day.
    pub(crate) fn day(&mut self) -> Outcome {
        let outcome = self.collect().unwrap();
        assert_eq!(outcome.warnings, [""; 0]);
        self.stage();
        self.next_day();
        outcome
    }

    /// Returns the archives in the collect directory.
    pub(crate) fn collected(&self) -> Vec<String> {
        let mut names = self.names();
        names.retain(|it| !it.starts_with("cback."));
        names
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.test.collect_dir()).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.test.collect_dir().join("cback.collect").exists()
    }

    /// Restores the source of a day below `to`, and returns where it is then.
    pub(crate) fn restore(&self, day: u8, more: &[&str]) -> Result<PathBuf, Error> {
        let to = self.test.directory().join(format!("restored{day}"));
        let source = self.source();
        let day = format!("2026-11-{}", FIRST + day);
        let arguments = arguments(
            &[("path", source.to_str().unwrap()), ("day", &day), ("to", to.to_str().unwrap())],
            more,
        );
        self.command::<Restore>(&arguments)?;
        Ok(to.join(self.source().strip_prefix("/").unwrap()))
    }

    pub(crate) fn list(&self, values: &[(&str, &str)], flags: &[&str]) -> Result<String, Error> {
        let before = self.test.printed().len();
        self.command::<List>(&arguments(values, flags))?;
        Ok(self.test.printed()[before..].to_owned())
    }

    pub(crate) fn command<C: Command>(&self, arguments: &Arguments) -> Result<u8, Error> {
        let config = C::Config::decode(self.items.node().child("collect").unwrap());
        C::new(config.value.unwrap())?.run(&self.test.host(), &self.request(), arguments)
    }
}

pub(crate) fn arguments(values: &[(&str, &str)], flags: &[&str]) -> Arguments {
    let mut arguments = Arguments::default();
    for (name, value) in values.iter().copied().chain(flags.iter().map(|it| (*it, ""))) {
        arguments.values.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    arguments.json = arguments.values.remove("json").is_some();
    arguments
}

/// Returns the names and contents of the files in a directory.
pub(crate) fn contents(directory: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
        } else {
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            all.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    all.sort();
    all
}
