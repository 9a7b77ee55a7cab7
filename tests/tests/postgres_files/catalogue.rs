//! The built-in list of parameters against the servers' own.

use hayloft_postgres::conf::{Catalogue, Context, Type};
use hayloft_tests::postgres::installed_versions;

use crate::lines::server;

#[test]
fn the_built_in_parameters_are_those_of_the_servers() {
    for programs in installed_versions() {
        let server = server(&programs).start();
        let answer = server.sql(
            "postgres",
            &format!(
                "COPY ({} WHERE name NOT LIKE '%.%') TO STDOUT (DELIMITER '|')",
                Catalogue::SETTINGS_QUERY
            ),
        );
        let unescaped = answer.replace("\\t", "\t").replace("\\\\", "\\");
        let rows: Vec<[&str; 7]> = unescaped
            .lines()
            .map(|it| it.split('|').collect::<Vec<_>>().try_into().unwrap())
            .collect();
        let theirs = Catalogue::from_settings(rows);
        let ours = Catalogue::built_in(server.major());
        assert!(theirs.iter().count() > 300);
        for parameter in theirs.iter() {
            let name = &parameter.name;
            let Some(own) = ours.get(name) else { panic!("{}: no {name}", server.major()) };
            assert_eq!(
                (own.context, &own.unit, own.in_file),
                (parameter.context, &parameter.unit, parameter.in_file),
                "{name}"
            );
            match (&own.kind, &parameter.kind) {
                // Builds differ in the values that they have; ours has all.
                (Type::OneOf(ours), Type::OneOf(theirs)) => {
                    assert!(
                        theirs.iter().all(|it| ours.contains(it)),
                        "{name}: {ours:?} {theirs:?}"
                    );
                }
                _ if parameter.context == Context::Internal => {}
                (ours, theirs) => assert_eq!(ours, theirs, "{name}"),
            }
        }
    }
}
