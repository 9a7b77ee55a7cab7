//! `pg delete`.

use std::fs;

use super::setting::{Backup, Setting};

#[test]
fn a_backup_is_deleted_from_everywhere_unless_something_needs_it() {
    let setting = Setting::new("<minimum_redundancy>1</minimum_redundancy>");
    let child =
        Backup { parent: Some("20260101T010000"), ..Backup::done("20260102T010000", (3, 4)) };
    for storage in ["disk", "shelf"] {
        setting.store(storage, &Backup::done("20260101T010000", (1, 2)));
        setting.store(storage, &child);
        setting.store(storage, &Backup::done("20260103T010000", (5, 6)));
    }
    setting.store("disk", &Backup { status: "STARTED", ..Backup::done("20260104T010000", (7, 8)) });
    let delete = |more: &[&str]| setting.pg(&[&["delete", "main"], more].concat());
    delete(&["first"])
        .exits(1)
        .complains("other backups refer to 20260101T010000: 20260102T010000")
        .complains("--children");
    delete(&["20260104T010000"]).exits(1).complains("may be under way");
    delete(&["20260104T010000", "--force"]).exits(0);
    let dry = delete(&["first", "--children", "--dry-run"]).exits(0);
    dry.says("backup 20260101T010000 (DONE) would be deleted from disk, shelf");
    assert_eq!(setting.stored("disk").len(), 3);
    delete(&["first", "--children"]).exits(0).says("backup 20260102T010000 (DONE) deleted");
    for storage in ["disk", "shelf"] {
        assert_eq!(setting.stored(storage), ["20260103T010000"]);
    }
    delete(&["latest"]).exits(1).complains("<minimum_redundancy> of server main is 1");
    assert_eq!(setting.stored("disk"), ["20260103T010000"]);
}

#[test]
fn what_is_broken_can_be_deleted() {
    let setting = Setting::new("");
    setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
    fs::remove_file(setting.sandbox.path("disk/main/base/20260101T010000/backup.info")).unwrap();
    setting.sandbox.write("disk/main/base/20260102T010000/backup.info", "nonsense\n");
    setting.pg(&["delete", "main", "20260101T010000"]).exits(0);
    setting.pg(&["delete", "main", "20260102T010000"]).exits(0);
    assert_eq!(setting.stored("disk"), [""; 0]);
}

/// V-07: to Barman each piece of the word `last-failed` is the whole word.
#[test]
fn a_name_is_never_taken_for_a_piece_of_a_word() {
    let setting = Setting::new("");
    let (named, failed) = ("20260101T010000", "20260102T010000");
    setting.store("disk", &Backup { name: Some("a"), ..Backup::done(named, (1, 2)) });
    setting.store("disk", &Backup { status: "FAILED", ..Backup::done(failed, (3, 4)) });
    for piece in ["ed", "st", "fail", "last-fail", "-"] {
        let complaint = format!("no backup called `{piece}`");
        setting.pg(&["delete", "main", piece]).exits(1).complains(&complaint);
    }
    assert_eq!(setting.stored("disk"), [named, failed]);
    setting.pg(&["delete", "main", "a"]).exits(0);
    assert_eq!(setting.stored("disk"), [failed]);
    setting.pg(&["delete", "main", "last-failed"]).exits(0);
    assert!(setting.stored("disk").is_empty());
}

#[test]
fn hooks_are_asked_before_and_told_behind_with_barmans_variables() {
    let hooks = ["pre_delete", "post_delete"].map(|on| {
        format!("<hook><on>{on}</on><type>script</type><command>$SANDBOX/hook</command></hook>")
    });
    let policy = "<retention_policy>REDUNDANCY 3</retention_policy>";
    let setting = Setting::with(policy, &format!("<hooks>{}</hooks>", hooks.concat()));
    let script = |code: u8| {
        let text = format!(
            "#!/bin/sh\n\
             echo \"$BARMAN_PHASE $BARMAN_HOOK $BARMAN_SERVER $BARMAN_BACKUP_ID $BARMAN_STATUS \
             <$BARMAN_PREVIOUS_ID> <$BARMAN_NEXT_ID> $BARMAN_BACKUP_DIR $BARMAN_BACKUP_INFO_PATH \
             <$BARMAN_ERROR>\" >> $SANDBOX/told\n\
             [ -e \"$BARMAN_BACKUP_INFO_PATH\" ] && echo there >> $SANDBOX/told\nexit {code}\n"
        );
        setting.sandbox.script("hook", &text);
    };
    for (id, at) in [("20260101T010000", 1), ("20260102T010000", 3), ("20260103T010000", 5)] {
        setting.store("disk", &Backup::done(id, (at, at + 1)));
    }
    // V-15: Barman deletes it later all the same, since it has marked it before it asked.
    script(63);
    setting.pg(&["delete", "main", "20260102T010000"]).exits(1);
    script(0);
    setting.pg(&["expire", "main"]).exits(0);
    assert_eq!(setting.stored("disk").len(), 3);
    let vetoed = &setting.json(&["list"])["servers"][0]["backups"][1];
    assert_eq!((&vetoed["status"], &vetoed["retention"]), (&"DONE".into(), &"VALID".into()));
    fs::remove_file(setting.sandbox.path("told")).unwrap();
    setting.pg(&["delete", "main", "20260102T010000"]).exits(0);
    let directory = setting.sandbox.expand("$SANDBOX/disk/main/base/20260102T010000");
    let rest = format!(
        "delete_script main 20260102T010000 DONE <20260101T010000> <20260103T010000> {directory} \
         {directory}/backup.info <>"
    );
    assert_eq!(setting.sandbox.read("told"), format!("pre {rest}\nthere\npost {rest}\n"));
}
