//! Versions and names as Barman 3.19.1 maps them, for every vector in
//! `fixtures/barman-vectors.json` that is about them.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use hayloft_postgres::version::{NEWEST_NAMES, ServerVersion};
use serde_json::Value;

fn all() -> Value {
    serde_json::from_str(include_str!("fixtures/barman-vectors.json")).unwrap()
}

#[test]
fn numbers_of_versions_are_read() {
    for vector in all()["int_version"].as_array().unwrap() {
        let number = u32::try_from(vector["in"].as_u64().unwrap()).unwrap();
        let version = ServerVersion::from_number(number);
        assert_eq!(version.major_text(), vector["major"].as_str().unwrap(), "{vector}");
        // Barman takes two of the four digits of a minor version.
        if version.major() < 10 || number % 10_000 < 100 {
            assert_eq!(version.to_string(), vector["out"].as_str().unwrap(), "{vector}");
        }
    }
}

#[test]
fn names_are_those_of_the_version() {
    for (number, names) in all()["name_map"].as_object().unwrap() {
        let ours = match number.parse() {
            Ok(number) => ServerVersion::from_number(number).names(),
            Err(_) => NEWEST_NAMES,
        };
        for (today, name) in names.as_object().unwrap() {
            assert_eq!(ours.get(today), name.as_str(), "{today} of {number}");
        }
    }
}
