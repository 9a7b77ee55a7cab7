//! Two plugins, one name.

use hayloft::plugins::{Pinned, SearchRules};

use crate::lab::{Shelf, good, section};

/// The same plugin under another id.
const TWIN: (&str, &str) = ("\nid=fixture-good\n", "\nid=fixture-twin\n");

#[test]
fn a_name_that_two_plugins_offer_can_be_had_from_neither() {
    let shelf = Shelf::new();
    shelf.add("a.so", &good());
    shelf.add_patched("b.so", &good(), &[TWIN]);
    let registry = shelf.registry();
    let error = registry.find("compressor", "shifted").unwrap_err().to_string();
    let dir = shelf.path().display();
    assert_eq!(
        error,
        format!(
            "the compressor `shifted` is offered by several plugins ({dir}/a.so, {dir}/b.so); \
             remove all but one, or name the one to use in <plugins><plugin><file>"
        )
    );
    assert!(registry.compressor("shifted", &section(&[])).is_err());
    for entry in registry.entries().iter().filter(|it| it.path().is_some()) {
        assert_eq!(entry.notes().len(), 6, "{:?}", entry.notes());
        assert_eq!(entry.problems(), []);
    }
    assert_eq!(registry.by_suffix("x.shifted"), None);
    assert!(registry.find("compressor", "none").is_ok());
}

#[test]
fn the_one_that_the_configuration_names_is_meant() {
    let shelf = Shelf::new();
    shelf.add("a.so", &good());
    let twin = shelf.add_patched("b.so", &good(), &[TWIN]);
    let mut registry = hayloft::plugins::Registry::new();
    let files = vec![Pinned { path: twin.clone(), sha256: None }];
    registry.discover(&SearchRules { files, ..shelf.rules() });
    assert_eq!(registry.find("compressor", "shifted").unwrap().path(), Some(twin.as_path()));
    let other = registry.find_id("fixture-good").unwrap();
    assert_eq!(
        other.notes()[0].to_string(),
        format!("its action `greet` is not used, but that of {}, as configured", twin.display())
    );
}

#[test]
fn two_files_with_one_id_in_one_directory_are_a_conflict_too() {
    let shelf = Shelf::new();
    shelf.add("a.so", &good());
    shelf.add("b.so", &good());
    assert!(shelf.registry().find("hook", "guard").is_err());
}

#[test]
fn of_one_id_in_two_directories_the_first_is_taken_and_the_other_noted() {
    let (first, second) = (Shelf::new(), Shelf::new());
    let taken = first.add("a.so", &good());
    second.add("b.so", &good());
    let mut registry = hayloft::plugins::Registry::new();
    let dirs = vec![first.path().to_owned(), second.path().to_owned()];
    registry.discover(&SearchRules { dirs, ..SearchRules::default() });
    assert_eq!(registry.find("hook", "guard").unwrap().path(), Some(taken.as_path()));
    let hidden = registry.entries().last().unwrap();
    assert_eq!(
        hidden.notes()[0].to_string(),
        format!("it is not used, because {} has the same id", taken.display())
    );
}

#[test]
fn the_same_file_found_twice_is_one() {
    let shelf = Shelf::new();
    let file = shelf.add("a.so", &good());
    std::os::unix::fs::symlink(&file, shelf.path().join("b.so")).unwrap();
    std::fs::hard_link(&file, shelf.path().join("c.so")).unwrap();
    let registry = shelf.registry();
    assert_eq!(registry.entries().iter().filter(|it| it.path().is_some()).count(), 1);
    assert!(registry.find("compressor", "shifted").is_ok());
}

#[test]
fn what_cannot_be_used_does_not_stand_in_the_way() {
    let shelf = Shelf::new();
    let usable = shelf.add("b.so", &good());
    shelf.add_patched("a.so", &good(), &[("\napi=1.0\n", "\napi=2.0\n")]);
    let registry = shelf.registry();
    assert_eq!(registry.find("compressor", "shifted").unwrap().path(), Some(usable.as_path()));

    // Unless the configuration names it: then it is meant, and it is said why
    // it cannot be had.
    let alone = Shelf::new();
    let broken = alone.add_patched("a.so", &good(), &[("\napi=1.0\n", "\napi=2.0\n")]);
    let mut registry = hayloft::plugins::Registry::new();
    let files = vec![Pinned { path: broken, sha256: None }];
    registry.discover(&SearchRules { files, ..shelf.rules() });
    let error = registry.find("compressor", "shifted").unwrap_err().to_string();
    assert!(error.contains("it is built for plugin API 2.0"), "{error}");
}
