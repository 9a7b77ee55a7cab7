//! The suite that every plugin must pass.

use hayloft_plugin_api::conformance::{self, Suite};
use hayloft_test_servers::{ACCESS_KEY, BUCKET, Behaviour, S3Server, SECRET_KEY};

fn suite(server: &S3Server) -> Suite {
    conformance::suite!()
        .only("storage", "s3")
        .set("bucket", BUCKET)
        .nowhere("bucket", "nobodys")
        .set("endpoint", server.endpoint())
        .set("access_key_id", ACCESS_KEY)
        .set("password", SECRET_KEY)
        .set("part_size", "5 MB")
        .set("prefix", "of/this run")
}

#[test]
fn the_plugin_keeps_to_the_contract() {
    let server = S3Server::start();
    suite(&server).run().assert_passed();
    assert!(server.objects().is_empty(), "{:?}", server.objects().keys());
    assert!(server.uploads().is_empty());
}

#[test]
fn the_plugin_keeps_to_the_contract_where_conditions_do_not_count() {
    let behaviour = Behaviour {
        conditional_put: false,
        conditional_complete: false,
        checksums: false,
        page: 7,
    };
    let server = S3Server::with(behaviour);
    suite(&server).run().assert_passed();
    assert!(server.objects().is_empty(), "{:?}", server.objects().keys());
    assert!(server.uploads().is_empty());
}
