//! Lists, and keys of others.

use hayloft_plugin_api::{ErrorKind, Storage};
use hayloft_test_servers::{Behaviour, S3Server};

use crate::{
    moving::{OVER, get, put},
    open, section,
};

#[test]
fn lists_come_in_order_whatever_page_the_store_gives() {
    for page in [1000, 3, 1] {
        let server = S3Server::with(Behaviour { page, ..Behaviour::default() });
        let storage = open(&section(&server.endpoint()).set("prefix", "p"));
        let keys = ["A", "a b", "a+b", "a-b", "a.b", "a/b", "a/b.c", "a0", "é", "日本"];
        for key in keys {
            server.place(&format!("p/{key}"), key.to_owned());
        }
        server.place("o", "before");
        server.place("q", "after");
        let list = |prefix: &str, after: &str, limit| -> Vec<String> {
            let found = storage.list(prefix, after, limit).unwrap();
            found.into_iter().map(|it| it.key).collect()
        };
        assert_eq!(list("", "", 100), keys);
        assert_eq!(list("", "a+b", 3), ["a-b", "a.b", "a/b"]);
        assert_eq!(list("a/", "", 100), ["a/b", "a/b.c"]);
        assert_eq!(list("a", "a/b", 100), ["a/b.c", "a0"]);
        assert_eq!(list("", "", 0), [""; 0]);
        assert_eq!(list("zzz", "", 10), [""; 0]);
    }
}

#[test]
fn objects_of_others_are_listed_if_they_can_be_keys() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("prefix", "p"));
    for key in ["p/", "p//x", "p/dir/", "p/a//b", "p/a/../b", "p/.hayloft-store/claims/x", "p/ok"] {
        server.place(key, "x");
    }
    let found = storage.list("", "", 10).unwrap();
    assert_eq!(found.into_iter().map(|it| it.key).collect::<Vec<_>>(), ["ok"]);
    let reserved = ".hayloft-store/claims/x";
    assert_eq!(storage.stat(reserved).unwrap(), None);
    assert_eq!(get(&storage, reserved).unwrap_err().kind(), ErrorKind::NOT_FOUND);
    let error = put(&storage, reserved, b"x", OVER).unwrap_err();
    assert!(error.to_string().contains("are reserved"), "{error}");
}

#[test]
fn a_list_of_many_thousand_keys_is_complete() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()));
    let mut expected: Vec<String> = (0..12_345).map(|it| format!("{}/{it}", it % 7)).collect();
    for key in &expected {
        server.place(key, "x");
    }
    expected.sort();
    let before = server.requests();
    let found = storage.list("", "", 100_000).unwrap();
    assert!(found.into_iter().map(|it| it.key).eq(expected));
    assert_eq!(server.requests() - before, 13);
}
