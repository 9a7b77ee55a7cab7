//! Editing `postgresql.conf` on disk.

#![expect(clippy::unwrap_used, reason = "test code fails by panicking")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use hayloft_postgres::{
    ErrorKind, Failure,
    conf::{
        Catalogue, Check, ConfError, ConfFile, Configuration, Edit, Origin, Policy, ProblemKind,
        Sources,
    },
    tree::Disk,
};
use tempfile::TempDir;

struct Place {
    home: TempDir,
}

impl Place {
    fn new(main: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("postgresql.conf"), main).unwrap();
        fs::set_permissions(home.path().join("postgresql.conf"), fs::Permissions::from_mode(0o640))
            .unwrap();
        Self { home }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).unwrap();
    }

    fn main(&self) -> PathBuf {
        self.home.path().join("postgresql.conf")
    }

    fn sources(&self) -> Sources {
        Sources::main(self.main()).data(self.home.path())
    }
}

#[test]
fn defect_10_an_edit_without_effect_is_reported() {
    let place = Place::new("work_mem = 1MB\ninclude 'more.conf'\n");
    place.write("more.conf", "work_mem = 2MB\n");
    place.write("postgresql.auto.conf", "port = '5433'\n");
    let file = ConfFile::open(&place.main()).unwrap();
    let edits = [Edit::set("work_mem", "3MB"), Edit::set("port", "5434"), Edit::set("jit", "off")];
    let plan = file.plan(&edits, &Policy::default()).unwrap();
    let shadows = plan.shadows(&place.sources(), &Disk);
    let names: Vec<_> = shadows.iter().map(|it| String::from_utf8_lossy(&it.name)).collect();
    assert_eq!(names, ["work_mem", "port"]);
    assert_eq!(shadows[0].by.origin.location().unwrap().file, place.home.path().join("more.conf"));
    assert!(matches!(shadows[1].by.origin, Origin::AlterSystem(_)));
    // Unset: it still has a value elsewhere.
    let plan = file.plan(&[Edit::unset("work_mem")], &Policy::default()).unwrap();
    assert_eq!(plan.shadows(&place.sources(), &Disk)[0].by.value, b"2MB");
}

#[test]
fn defect_11_edits_are_atomic_and_keep_the_mode() {
    let place = Place::new("work_mem = 1MB\n");
    let inode = fs::metadata(place.main()).unwrap().ino();
    let file = ConfFile::open(&place.main()).unwrap();
    let plan = file.plan(&[Edit::set("work_mem", "2MB")], &Policy::default()).unwrap();
    assert!(plan.is_change());
    let diff = String::from_utf8(plan.diff()).unwrap();
    assert!(diff.ends_with("@@ -1 +1 @@\n-work_mem = 1MB\n+work_mem = '2MB'\n"), "{diff}");
    // Until here it was a dry run.
    assert_eq!(fs::read_to_string(place.main()).unwrap(), "work_mem = 1MB\n");
    plan.write(Check::Syntax).unwrap();
    assert_eq!(fs::read_to_string(place.main()).unwrap(), "work_mem = '2MB'\n");
    let after = fs::metadata(place.main()).unwrap();
    assert_eq!(after.mode() & 0o7777, 0o640);
    assert_ne!(after.ino(), inode);
    assert_eq!(fs::read_dir(place.home.path()).unwrap().count(), 1);
}

#[test]
fn a_concurrent_edit_is_not_lost() {
    let place = Place::new("a.b = 1\n");
    let file = ConfFile::open(&place.main()).unwrap();
    let plan = file.plan(&[Edit::set("a.b", "2")], &Policy::default()).unwrap();
    place.write("postgresql.conf", "a.b = 3\n");
    let error = plan.write(Check::Nothing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert_eq!(fs::read_to_string(place.main()).unwrap(), "a.b = 3\n");
}

#[test]
fn nothing_is_written_that_the_server_would_refuse() {
    let place = Place::new("work_mem = 1MB\n");
    let (sources, catalogue) = (place.sources(), Catalogue::built_in(15));
    let file = ConfFile::open(&place.main()).unwrap();
    for edit in
        [Edit::set("work_mem", "1mb"), Edit::set("nosuch", "1"), Edit::set("io_method", "sync")]
    {
        let plan = file.plan(&[Edit::set("jit", "on"), edit], &Policy::default()).unwrap();
        let check = Check::Catalogue { sources: &sources, catalogue: &catalogue, tree: &Disk };
        let error = plan.write(check).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadConfiguration);
        let ConfError::Refused { problems } = error else { unreachable!("{error}") };
        assert_eq!(
            problems[0].at.as_ref().unwrap().line,
            if problems[0].kind.stops_reload() { 3 } else { 1 }
        );
    }
    assert_eq!(fs::read_to_string(place.main()).unwrap(), "work_mem = 1MB\n");
    let plan = file.plan(&[Edit::set("jit", "on")], &Policy::default()).unwrap();
    plan.write(Check::Catalogue { sources: &sources, catalogue: &catalogue, tree: &Disk }).unwrap();
}

#[test]
fn mistakes_elsewhere_count_too() {
    let place = Place::new("include 'gone.conf'\n");
    let file = ConfFile::open(&place.main()).unwrap();
    let plan = file.plan(&[Edit::set("jit", "on")], &Policy::default()).unwrap();
    let problems = plan.check(&place.sources(), &Catalogue::built_in(18), &Disk);
    assert!(matches!(problems[0].kind, ProblemKind::UnreadableFile { .. }), "{problems:?}");
}

#[test]
fn the_servers_own_file_is_left_to_the_server() {
    let place = Place::new("");
    place.write("postgresql.auto.conf", "work_mem = '1MB'\n");
    let error = ConfFile::open(&place.home.path().join("postgresql.auto.conf")).unwrap_err();
    assert!(matches!(error, ConfError::AutoConf { .. }));
    assert!(error.hint().unwrap().contains("ALTER SYSTEM"));
    let configuration = Configuration::load(&place.sources(), &Disk);
    assert_eq!(configuration.get("work_mem").unwrap().value, b"1MB");
}

#[test]
fn a_huge_file_is_edited_in_moderate_time() {
    let line = |number: u32| format!("ext.p{number} = 'value {number}' # comment\n");
    let text: String = (0..200_000).map(line).collect();
    let place = Place::new(&text);
    let began = std::time::Instant::now();
    let file = ConfFile::open(&place.main()).unwrap();
    let plan = file
        .plan(&[Edit::set("ext.p100", "x"), Edit::set("new.p", "y")], &Policy::default())
        .unwrap();
    plan.write(Check::Syntax).unwrap();
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let after = fs::read_to_string(place.main()).unwrap();
    assert_eq!(after.lines().count(), 200_001);
}
