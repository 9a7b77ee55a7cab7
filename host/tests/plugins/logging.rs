//! What plugins log arrives in the log of the host, as if it were the host's.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    containment,
    lab::{Shelf, compile, good, section},
};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The only test here: a process has one log.
#[test]
fn events_spans_fields_and_filters_work_across_the_boundary() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn,fixture_good=info,fixture_c=info,plugins=info"))
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .try_init()
        .unwrap();

    let shelf = Shelf::new();
    shelf.add("good.so", &good());
    compile("cc", "complete.c", &shelf.path().join("c.so"), &[]);
    let registry = shelf.registry();
    let action = registry.action("greet", &section(&[])).unwrap();
    tracing::info_span!("run", id = 7).in_scope(|| containment::run(&action)).unwrap();
    registry.hook("c-guard", &section(&[])).unwrap();

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of_plugins: Vec<&str> = text.lines().filter(|line| line.contains("fixture_")).collect();
    assert_eq!(
        of_plugins,
        [
            r#" INFO run{id=7}:greet{whom=world}: fixture_good: hello count=3 ratio=0.5 text="a \"b\"" yes=true"#,
            " INFO fixture_c: started",
        ],
        "{text}"
    );
}
