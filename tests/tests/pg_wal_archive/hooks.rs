//! Hooks, and the action of a run.

use std::fs;

use super::setting::{Setting, server};

fn hooks(on: &str, script: &str) -> Setting {
    let hooks = format!(
        "<hooks><hook><on>{on}</on><type>script</type><command>$SANDBOX/hook</command></hook></hooks>"
    );
    let setting = Setting::with("", &hooks);
    setting.sandbox.script("hook", script);
    setting
}

#[test]
fn a_hook_can_ask_for_everything_that_a_person_can() {
    let (_server, segments) = server(2);
    // Neither waits for the other for ever.
    let program = hayloft_tests::Program::find().path();
    let script = format!(
        "#!/bin/sh\ncd $SANDBOX\nfor command in 'pg status main' 'pg wal archive main'; do\n\
         {} --config hayloft.xml $command > $SANDBOX/said 2>&1; echo \"$?\" >> $SANDBOX/codes\ndone\n\
         exit 0\n",
        program.display()
    );
    let setting = hooks("pre_archive", &script);
    for segment in &segments {
        setting.bring(segment);
    }
    setting.archive(&[]).exits(0);
    setting.has(&segments);
    let codes = setting.sandbox.read("codes");
    // There is no server to ask, and somebody is archiving.
    assert_eq!(codes, "1\n3\n1\n3\n");
}

#[test]
fn a_hook_that_says_no_stops_and_nothing_is_lost() {
    let (_server, segments) = server(3);
    let name = segments[1].file_name().unwrap().to_str().unwrap().to_owned();
    let script = format!("#!/bin/sh\n[ \"$BARMAN_SEGMENT\" != {name} ] || exit 63\nexit 0\n");
    let setting = hooks("pre_archive", &script);
    for segment in &segments {
        setting.bring(segment);
    }
    let tally = setting.tally(1);
    assert!(tally["failure"].is_string(), "{tally}");
    let left = setting.left();
    assert!(left.contains(&name), "{left:?}");
    assert!(!setting.archived().contains_key(&name));
    fs::write(setting.sandbox.path("hook"), "#!/bin/sh\nexit 0\n").unwrap();
    setting.archive(&[]).exits(0);
    setting.has(&segments);
}

#[test]
fn it_is_an_action_of_a_run_too() {
    let (_server, segments) = server(2);
    let extensions = "<extensions><action><name>walarchive</name><plugin>walarchive</plugin>\
                      <index>90</index></action></extensions>";
    let collect = "<collect><collect_dir>$SANDBOX/collect</collect_dir>\
                   <collect_mode>daily</collect_mode><archive_mode>tar</archive_mode>\
                   <ignore_file>.cbignore</ignore_file>\
                   <dir><abs_path>$SANDBOX/collect</abs_path></dir></collect>";
    let setting = Setting::with("", &format!("{extensions}{collect}"));
    let run = |more: &[&str]| {
        let all = [&["--config", "hayloft.xml", "run", "walarchive"], more].concat();
        setting.sandbox.run(&all)
    };
    for segment in &segments {
        setting.bring(segment);
    }
    run(&["--dry-run"]).exits(0);
    assert_eq!(setting.left().len(), 2);
    run(&[]).exits(0);
    setting.has(&segments);
    assert_eq!(setting.left(), [""; 0]);
    fs::write(setting.incoming().join("junk"), "").unwrap();
    run(&[]).exits(7).complains("no WAL");
    let mut other = fs::read(&segments[0]).unwrap();
    other[500_000] ^= 1;
    fs::write(setting.bring(&segments[0]), other).unwrap();
    run(&[]).exits(1).complains("others of their names");
}
