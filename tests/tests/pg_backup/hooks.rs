//! What scripts are told of a backup.

use std::{fs, os::unix::fs::PermissionsExt};

use super::ground::{Ground, ONE};

fn script(ground: &Ground, text: &str) {
    let path = ground.path("script");
    fs::write(&path, format!("#!/bin/sh\n{}\n", ground.expand(text))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn scripts_are_called_before_and_after_a_backup_and_may_say_no() {
    let hooks = "
  <hooks>
    <hook><on>pre_backup</on><type>script</type><command>$DIR/script</command></hook>
    <hook><on>post_backup</on><type>script</type><command>$DIR/script</command></hook>
    <hook><on>pre_recovery</on><type>script</type><command>$DIR/script</command></hook>
  </hooks>";
    let ground = Ground::new(&format!("{ONE}{hooks}"));
    let line = "echo $HAYLOFT_EVENT $BARMAN_PHASE $BARMAN_BACKUP_ID $BARMAN_STATUS >> $DIR/told";
    script(&ground, line);
    let id = ground.backup(&[]);
    ground.pg(&["restore", "main", "$DIR/copy"]).exits(0);
    let told = fs::read_to_string(ground.path("told")).unwrap();
    let expected =
        format!("pre_backup pre {id} EMPTY\npost_backup post {id} DONE\npre_recovery pre {id}\n");
    assert_eq!(told.replace(" \n", "\n"), expected);
    script(&ground, "exit 1");
    ground.pg(&["backup", "main", "--fast"]).exits(1);
    assert_eq!(ground.ids("disk"), [id], "nothing is left of a backup that was not begun");
    ground.pg(&["restore", "main", "$DIR/x"]).exits(1);
    assert!(!ground.path("x").exists());
}

#[test]
fn a_retry_script_is_called_again_before_a_backup() {
    let hook = "
  <hooks>
    <hook><on>pre_backup</on><type>script</type><command>$DIR/script</command><retry>Y</retry></hook>
  </hooks>";
    let ground = Ground::new(&format!("{ONE}{hook}"));
    // Not now, then yes; and from then on never.
    script(
        &ground,
        "echo $BARMAN_HOOK $BARMAN_RETRY >> $DIR/told
         case $(wc -l < $DIR/told) in 1) exit 1;; 2) exit 0;; *) exit 63;; esac",
    );
    let id = ground.backup(&[]);
    let told = fs::read_to_string(ground.path("told")).unwrap();
    assert_eq!(told, "backup_retry_script 1\n".repeat(2));
    ground.pg(&["backup", "main", "--fast"]).exits(1).complains("stopped it");
    assert_eq!(fs::read_to_string(ground.path("told")).unwrap().lines().count(), 3);
    assert_eq!(ground.ids("disk"), [id]);
}
