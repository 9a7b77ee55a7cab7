//! A configuration that has servers and nothing of Cedar Backup's.

use std::fs;

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

#[test]
fn servers_need_no_working_directory() {
    let ground = Ground::with(ONE, |it| it.setting("full_page_writes", "on"));
    let file = ground.path("hayloft.conf");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("<options>").unwrap();
    let after = rest.split_once("</options>").unwrap().1;
    fs::write(&file, format!("{before}{after}")).unwrap();
    ground.sql("CREATE TABLE kept AS SELECT 1 AS number");
    let id = ground.backup(&[]);
    for words in [
        &["check", "main"][..],
        &["status", "main"],
        &["list", "main"],
        &["show", "main", &id],
        &["verify", "main"],
        &["keep", "main", &id],
        &["expire", "main", "--dry-run"],
    ] {
        ground.pg(words).exits(0);
    }
    // A drill is done there, and its report kept.
    ground.pg(&["drill", "main"]).exits(4).complains("set <working_dir> in <options>");
    ground.archive_all();
    let restored = Restored::restore(&ground, "copy", &[]).promoted();
    assert_eq!(restored.sql("SELECT number FROM kept"), "1");
}
