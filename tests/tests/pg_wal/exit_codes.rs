//! Exit codes, which PostgreSQL goes by.

use super::{
    ground::{Ground, PLAIN},
    segments::Segment,
};

#[test]
fn whatever_is_wrong_with_a_call_of_get_is_above_125() {
    let ground = Ground::new(PLAIN);
    let name = Segment::number(1).name();
    let name = name.as_str();
    let cases: [(&[&str], i32); 7] = [
        (&["get"], 202),
        (&["get", "main", name], 202),
        (&["get", "main", name, "x", "y"], 202),
        (&["get", "--zip", "main", name, "x"], 202),
        (&["--zip", "get", "main", name, "x"], 202),
        (&["get", "other", name, "x"], 201),
        (&["get", "main", name, "/nonexistent/x"], 1),
    ];
    for (words, code) in cases {
        ground.wal(words).exits(code);
    }
    ground.wal(&["push", "main", Segment::number(1).write(&ground).to_str().unwrap()]).exits(0);
    ground.wal(&["get", "main", name, "/nonexistent/x"]).exits(201).complains("/nonexistent/x");
    ground.configure("<storages><wrong>");
    ground.wal(&["get", "main", name, "x"]).exits(204);
    ground.configure(&PLAIN.replace("zstd", "nosuch").replace("<storage>disk</storage>", ""));
    ground.wal(&["get", "main", name, "x"]).exits(204).complains("has no <storage>");
    ground.configure("");
    ground.wal(&["get", "main", name, "x"]).exits(201).complains("no PostgreSQL server");
    std::fs::remove_file(ground.path("hayloft.conf")).unwrap();
    ground.wal(&["get", "main", name, "x"]).exits(204).complains("cannot read the configuration");
}

#[test]
fn a_push_that_fails_has_the_usual_exit_codes() {
    let ground = Ground::new(PLAIN);
    let path = Segment::number(1).write(&ground);
    let path = path.to_str().unwrap();
    ground.wal(&["push"]).exits(2);
    ground.wal(&["push", "other", path]).exits(1).complains("there are: main");
    ground.configure(&PLAIN.replace("<wal>", "<wal><compress>nosuch</compress>"));
    ground.wal(&["push", "main", path]).exits(1).complains("nosuch");
    ground.configure(&PLAIN.replace("<wal>", "<wal><workers>0</workers>"));
    ground.wal(&["push", "main", path]).exits(4).complains("<workers> is outside 1 to 64");
    ground.configure("<storages><wrong>");
    ground.wal(&["push", "main", path]).exits(4);
}

#[test]
fn options_may_stand_anywhere() {
    let ground = Ground::new(PLAIN);
    let path = Segment::number(1).write(&ground);
    ground.wal(&["push", "-v", "main", path.to_str().unwrap()]).exits(0);
    let name = Segment::number(1).name();
    ground.wal(&["get", "-v", "main", &name, "x"]).exits(0);
    ground.wal(&["get", "-v", "main", &Segment::number(2).name(), "x"]).exits(1);
    ground.wal(&["get", "-v", "main", "junk", "x"]).exits(201);
    ground.wal(&["push", "--help"]).exits(0);
}
