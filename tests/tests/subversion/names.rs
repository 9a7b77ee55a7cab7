//! Paths that programs and file systems take for something else.

use std::fs;

use crate::setting::{Setting, WEDNESDAY, odd, succeed, svn};

const DIR: &str = "<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>\
     <repository_dir><abs_path>$SANDBOX/svn</abs_path>$EXCLUDE</repository_dir>";

fn dir(exclude: &str) -> Setting {
    Setting::new(&DIR.replace("$EXCLUDE", exclude))
}

#[test]
fn a_repository_may_have_any_name() {
    let setting = dir("");
    let names: [&[u8]; 9] = [
        b"--version",
        b"-r0:1",
        b"two words",
        b"new\nline",
        b"peg@1",
        b"co:lon",
        b"lat\xe9",
        "größe".as_bytes(),
        b"it's \"quoted\" $HOME %2F",
    ];
    let repositories = names.map(|it| setting.repository(odd(it)));
    setting.ok(WEDNESDAY);
    let dumps = setting.dumps();
    assert_eq!(dumps.len(), names.len(), "{dumps:?}");
    for repository in &repositories[..6] {
        let uuid = repository.look(&["uuid"]);
        let with: Vec<_> = dumps
            .iter()
            .filter(|it| String::from_utf8_lossy(&setting.decoded(it)).contains(uuid.trim()))
            .collect();
        assert_eq!(with.len(), 1, "{:?}", repository.path);
    }
    assert!(dumps.contains(&"svndump-0:0-co_lon.txt".to_owned()), "{dumps:?}");
    assert!(dumps.contains(&"svndump-0:0-lat-xe9.txt".to_owned()), "{dumps:?}");
    setting.ok(WEDNESDAY).says("nothing new");
}

#[test]
fn two_repositories_of_one_name_do_not_share_a_file() {
    let setting = Setting::new(
        "<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>\
         <repository><abs_path>$SANDBOX/svn/x/y</abs_path></repository>\
         <repository><abs_path>$SANDBOX/svn/x-y</abs_path></repository>\
         <repository><abs_path>$SANDBOX/svn/x-y</abs_path></repository>",
    );
    setting.sandbox.dir("svn/x");
    let (one, two) = (setting.repository("x/y"), setting.repository("x-y"));
    one.commit("one", b"1");
    two.commit("two", b"2");
    setting.ok(WEDNESDAY);
    let dumps = setting.dumps();
    assert_eq!(dumps.len(), 2, "{dumps:?}");
    assert!(dumps.iter().all(|it| it.starts_with("svndump-0:1-x-y~")), "{dumps:?}");
    two.commit("two", b"3");
    setting.ok(WEDNESDAY);
    let new: Vec<_> = setting.dumps().into_iter().filter(|it| !dumps.contains(it)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    let rest = new[0].strip_prefix("svndump-2:2-").unwrap();
    setting.restores(
        &[setting.decoded(&format!("svndump-0:1-{rest}")), setting.decoded(&new[0])],
        &two,
    );
}

#[test]
fn a_long_name_is_shortened() {
    let setting = dir("");
    let one = setting.repository("x".repeat(240));
    setting.ok(WEDNESDAY);
    let names = setting.sandbox.names("collect");
    assert_eq!(names.len(), 1, "{names:?}");
    let dump = fs::read(setting.sandbox.path("collect").join(&names[0])).unwrap();
    setting.restores(&[dump], &one);
}

#[test]
fn a_directory_of_repositories_leaves_out_what_is_excluded() {
    let setting = dir("<exclude><rel_path>two</rel_path><pattern>.*/t.r.e</pattern></exclude>");
    for name in ["one", "two", "three"] {
        setting.repository(name);
    }
    fs::write(setting.sandbox.path("svn/README"), "").unwrap();
    std::os::unix::fs::symlink("one", setting.sandbox.path("svn/link")).unwrap();
    setting.ok(WEDNESDAY);
    assert_eq!(setting.dumps(), ["svndump-0:0-one.txt"]);
}

#[test]
fn many_repositories_are_dumped() {
    let setting = dir("");
    let first = setting.repository("r0");
    for i in 1..12 {
        let path = setting.sandbox.path(format!("svn/r{i}"));
        succeed(svn("svnadmin").arg("hotcopy").arg(&first.path).arg(path));
    }
    setting.ok(WEDNESDAY).says("12 repositories");
    assert_eq!(setting.dumps().len(), 12);
}
