//! Full backup and increments together have every message in them that was
//! there at any of the runs, whatever happened in between.
#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

use hayloft_action_mbox::Mbox;
use hayloft_plugin_api::{
    Action, Configuration, Request, cedar,
    conformance::{Section, TestHost},
};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

/// What happens to a mailbox.
#[derive(Debug, Clone)]
enum Event {
    /// A message comes; its dates are whatever they are.
    Arrive { dates: usize, kind: usize },
    /// A message goes.
    Expunge(prop::sample::Index),
    /// A message comes once more.
    Copy(prop::sample::Index),
    /// A message is read, which changes its head.
    Read(prop::sample::Index),
    /// The empty line at the end of the mailbox goes, or comes back.
    Trim(bool),
    /// A new day begins.
    Day,
    /// The mailbox is backed up.
    Run { full: bool },
    /// What was backed up so far is staged and purged.
    Purge,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..SEPARATORS.len(), 0..4_usize)
            .prop_map(|(dates, kind)| Event::Arrive { dates, kind }),
        2 => any::<prop::sample::Index>().prop_map(Event::Expunge),
        1 => any::<prop::sample::Index>().prop_map(Event::Copy),
        1 => any::<prop::sample::Index>().prop_map(Event::Read),
        1 => any::<bool>().prop_map(Event::Trim),
        2 => Just(Event::Day),
        4 => prop::bool::weighted(0.1).prop_map(|full| Event::Run { full }),
        1 => Just(Event::Purge),
    ];
    prop::collection::vec(event, 1..40)
}

const SEPARATORS: [&str; 6] = [
    "From ann@example.com Sat Nov 21 03:00:00 2026",
    "From ann@example.com Thu Jan  1 00:00:00 1970",
    "From ann@example.com Sat Nov 21 03:00:00 2099",
    "From - Fri Nov 20 23:59:59 1998",
    "From MAILER-DAEMON Xxx Xxx 99 12:00:00 2026",
    "From \u{fffd} Sat Nov 21 03:00:00 2026",
];

#[derive(Debug, Clone)]
struct Message {
    id: usize,
    text: String,
    read: bool,
}

impl Message {
    fn new(id: usize, dates: usize, kind: usize) -> Self {
        let body = match kind {
            0 => "text\n".to_owned(),
            1 => ">From ann Sat Nov 21 03:00:00 2026\n\n\n".to_owned(),
            2 => "From here on\n\nno separator\n".to_owned(),
            _ => "x".repeat(5000) + "\n",
        };
        let text = format!("Subject: {id}\nX-Id: <{id}>\n\n{body}");
        Self { id, text: format!("{}\n{text}", SEPARATORS[dates]), read: false }
    }

    fn written(&self) -> String {
        let status = if self.read { "\nStatus: RO\nX-Id:" } else { "\nX-Id:" };
        format!("{}\n", self.text.replacen("\nX-Id:", status, 1))
    }
}

/// How often each message is in a text.
fn ids(text: &str) -> BTreeMap<usize, usize> {
    let mut ids = BTreeMap::new();
    for line in text.lines().filter_map(|it| it.strip_prefix("X-Id: <")) {
        *ids.entry(line.trim_end_matches('>').parse().unwrap()).or_default() += 1;
    }
    ids
}

struct World {
    test: TestHost,
    directory: bool,
    mailbox: Vec<Message>,
    trimmed: bool,
    day: u8,
    came: usize,
    /// The files that were staged and purged: those of a day replace each other.
    staged: BTreeMap<String, String>,
    /// Whether there was a full backup, and its day.
    full: Option<u8>,
    /// What was there at any run since then, and how often.
    present: BTreeMap<usize, usize>,
}

impl World {
    fn new(directory: bool) -> Self {
        let test = TestHost::new().unwrap();
        fs::create_dir(test.directory().join("mail")).unwrap();
        Self {
            test,
            directory,
            mailbox: Vec::new(),
            trimmed: false,
            day: 1,
            came: 0,
            staged: BTreeMap::new(),
            full: None,
            present: BTreeMap::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        let at = |it: &prop::sample::Index| it.index(self.mailbox.len().max(1));
        match event {
            Event::Arrive { dates, kind } => {
                self.came += 1;
                self.mailbox.push(Message::new(self.came, *dates, *kind));
            }
            Event::Expunge(it) if !self.mailbox.is_empty() => drop(self.mailbox.remove(at(it))),
            Event::Copy(it) if !self.mailbox.is_empty() => {
                self.mailbox.push(self.mailbox[at(it)].clone());
            }
            Event::Read(it) if !self.mailbox.is_empty() => {
                let at = at(it);
                self.mailbox[at].read = true;
            }
            Event::Trim(trimmed) => self.trimmed = *trimmed,
            Event::Day => self.day += 1,
            Event::Run { full } => self.run(*full),
            Event::Purge => self.purge(),
            Event::Expunge(_) | Event::Copy(_) | Event::Read(_) => {}
        }
    }

    fn content(&self) -> String {
        let text: String = self.mailbox.iter().map(Message::written).collect();
        if self.trimmed { text.trim_end().to_owned() } else { text }
    }

    fn run(&mut self, full: bool) {
        let path = self.test.directory().join("mail/ann");
        fs::write(&path, self.content()).unwrap();
        let item = if self.directory {
            ("dir.abs_path", path.parent().unwrap())
        } else {
            ("file.abs_path", path.as_path())
        };
        let section = Section::new("mbox")
            .set("collect_mode", "incr")
            .set("compress_mode", "none")
            .set(item.0, item.1.display());
        let config = cedar::Mbox::decode(section.node()).value.unwrap();
        let mut request: Request = self.test.request("mbox");
        request.full = full;
        (request.now.day, request.now.month) = (self.day % 28 + 1, self.day / 28 + 1);
        let outcome = Mbox::new(config).unwrap().run(&self.test.host(), &request).unwrap();
        assert!(outcome.warnings.is_empty(), "{outcome:?}");
        if full || self.full.is_none() {
            self.full = Some(self.day);
            self.present.clear();
        }
        for message in &self.mailbox {
            let now = self.mailbox.iter().filter(|it| it.id == message.id).count();
            let most = self.present.entry(message.id).or_default();
            *most = now.max(*most);
        }
    }

    fn purge(&mut self) {
        let files = backups(&self.test.collect_dir());
        for name in files.keys() {
            fs::remove_file(self.test.collect_dir().join(name)).unwrap();
        }
        self.staged.extend(files);
    }

    /// Everything that was backed up since the last full backup.
    fn backed_up(&self) -> BTreeMap<usize, usize> {
        let mut files = self.staged.clone();
        files.extend(backups(&self.test.collect_dir()));
        let Some(full) = self.full else { return BTreeMap::new() };
        let since = format!("mbox-2026{:02}{:02}", full / 28 + 1, full % 28 + 1);
        let text: String = files.range(since..).map(|(_, text)| text.as_str()).collect();
        ids(&text)
    }
}

fn backups(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|it| {
            let it = it.unwrap();
            let bytes = fs::read(it.path()).unwrap();
            (it.file_name().into_string().unwrap(), String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn no_message_is_ever_lost(events in events(), directory in any::<bool>()) {
        let mut world = World::new(directory);
        for event in &events {
            world.happen(event);
            let backed_up = world.backed_up();
            for (id, most) in &world.present {
                let found = backed_up.get(id).copied().unwrap_or_default();
                prop_assert!(found >= *most, "{found} of {most} copies of {id} after {event:?}");
            }
        }
    }

    #[test]
    fn what_is_backed_up_is_not_backed_up_again(events in events()) {
        let mut world = World::new(false);
        for event in &events {
            world.happen(event);
        }
        world.run(true);
        for _ in 0..2 {
            world.day += 1;
            world.run(false);
            let name = format!("2026{:02}{:02}", world.day / 28 + 1, world.day % 28 + 1);
            let files = backups(&world.test.collect_dir());
            let increment = files.iter().find(|(it, _)| it.contains(&name)).unwrap().1;
            prop_assert_eq!(increment, "");
        }
    }
}
