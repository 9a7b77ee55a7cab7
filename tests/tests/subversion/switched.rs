//! From the real Cedar Backup to Hayloft, in the middle of a week.

use crate::{
    cedar::Cedar,
    setting::{Setting, THURSDAY, WEDNESDAY, succeed},
};

/// Tuesday, 17 November 2026, 2:00 UTC: the first day of the week.
const TUESDAY: i64 = 1_794_880_800;

#[test]
fn the_first_run_after_cedar_backup_goes_on_where_it_stopped() {
    let Some(cedar) = Cedar::find() else { return };
    let setting = Setting::new(
        "<collect_mode>incr</collect_mode><compress_mode>gzip</compress_mode>\
         <repository_dir><abs_path>$SANDBOX/svn/</abs_path></repository_dir>",
    );
    let (one, two) = (setting.repository("one"), setting.repository("two words"));
    for content in ["1", "2", "3"] {
        one.commit("a", content.as_bytes());
    }
    let mut command = cedar.command("cback3", TUESDAY);
    command.arg("--config").arg(setting.sandbox.path("hayloft.conf"));
    command.arg("--logfile").arg(setting.sandbox.path("log")).arg("subversion");
    succeed(command.env("TZ", "UTC").env("HOME", setting.sandbox.path("")));
    let full = ["svndump-0:0-two_words.txt.gz", "svndump-0:3-one.txt.gz"];
    assert_eq!(setting.dumps(), full);

    one.commit("a", b"4");
    setting.ok(WEDNESDAY);
    one.commit("a", b"5");
    setting.ok(THURSDAY);
    let increments = ["svndump-4:4-one.txt.gz", "svndump-5:5-one.txt.gz"];
    assert_eq!(setting.dumps(), [full, increments].concat());
    let dumps = [full[1], increments[0], increments[1]].map(|it| setting.decoded(it));
    setting.restores(&dumps, &one);
    setting.restores(&[setting.decoded(full[0])], &two);
}
