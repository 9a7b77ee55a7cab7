//! What every plugin must say about its section.

use super::{
    library::Subject,
    report::{Checks, Verdict, ensure},
    section::Section,
};
use crate::{
    config::{Diagnostic, Node, Position},
    error::{Error, ErrorKind},
    meta::Provided,
};

/// An element that no section has.
const NONSENSE: &str = "no-such-element-anywhere";

pub(super) fn check(
    checks: &mut Checks<'_>,
    subject: &dyn Subject,
    provided: &Provided,
    section: &Section,
) {
    let (kind, name) = (provided.kind.as_str(), provided.name.as_str());
    let found = |section: &Section| subject.check(kind, name, section.node());
    checks.check("a good section is good", || {
        let errors: Vec<_> = found(section).into_iter().filter(Diagnostic::is_error).collect();
        ensure(errors.is_empty(), || format!("it says {}", joined(&errors)))
    });
    // The C header has no positions, and leaves unknown settings to the plugin.
    if subject.metadata().abi != "c" {
        checks.check("an unknown element is found where it is", || {
            let last = section.node().children.len();
            unknown_at(&found, section, 0)?;
            unknown_at(&found, section, last)
        });
    }
    checks.check("a name that is not offered", || match create(subject, kind, NONSENSE, section) {
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => Ok(()),
        Err(error) => Err(format!("{error} [{}], not NOT_FOUND", error.kind().name())),
        Ok(()) => Err("it was created".to_owned()),
    });
    checks.check("hostile sections", || hostile(&found, section));
}

/// Creates one, and drops it at once.
fn create(subject: &dyn Subject, kind: &str, name: &str, section: &Section) -> Result<(), Error> {
    let node = section.node();
    match kind {
        "compressor" | "encryptor" => subject.transform(kind, name, node).map(drop),
        "storage" => subject.storage(name, node).map(drop),
        "hook" => subject.hook(name, node).map(drop),
        "action" => subject.action(name, node).map(drop),
        _ => subject.command(name, node).map(drop),
    }
}

fn unknown_at(
    found: &dyn Fn(&Section) -> Vec<Diagnostic>,
    section: &Section,
    at: usize,
) -> Verdict {
    let wrong = section.clone().with_child(at, NONSENSE);
    let expected = wrong.node().children.get(at).map_or_else(Position::default, |it| it.position);
    let diagnostics = found(&wrong);
    ensure(diagnostics.iter().any(|it| it.position == expected), || {
        let Position { line, column } = expected;
        let told = joined(&diagnostics);
        format!("<{NONSENSE}> is at {line}:{column}, but it says {told}")
    })
}

fn joined(diagnostics: &[Diagnostic]) -> String {
    let all: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
}

/// Nothing may crash, and whatever is found must lie in the section.
fn hostile(found: &dyn Fn(&Section) -> Vec<Diagnostic>, section: &Section) -> Verdict {
    let mut variants = vec![
        Section::new("x"),
        Section::new("x").set("", "text where elements are expected"),
        Section::new("x").set("@attribute", "\u{202e}\u{0}\n"),
    ];
    for child in &section.node().children {
        for value in ["", "\u{feff}", "-1", "1e400", "\u{0}", &"9".repeat(5000)] {
            variants.push(section.clone().set(&child.name, value));
            variants.push(Section::new("x").set(&child.name, value));
        }
        variants.push(section.clone().set(&format!("{}.{NONSENSE}", child.name), "x"));
    }
    for variant in &variants {
        let last = last_line(variant.node());
        for diagnostic in found(variant) {
            let inside = diagnostic.position.line <= last;
            ensure(inside, || format!("{diagnostic} is not in the section"))?;
            let panicked = diagnostic.message.contains("the plugin panicked");
            ensure(!panicked, || diagnostic.message.clone())?;
        }
    }
    Ok(())
}

fn last_line(node: &Node) -> u32 {
    node.children.iter().map(last_line).max().unwrap_or(0).max(node.position.line)
}
