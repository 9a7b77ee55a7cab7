//! What a storage promises, on a real file system.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{ByteRange, ErrorKind, Guarantee, PutOptions, Result, Storage, Sweep};
use hayloft_storage_local::{Config, Local, Permissions};
use proptest::prelude::*;

/// Tells a test that it is a child of another one, and where to work.
const ROOT_OF_CHILD: &str = "HAYLOFT_TEST_ROOT";
const NEW: PutOptions = PutOptions { create_only: true, size_hint: None };

fn config(root: &Path) -> Config {
    Config { root: root.to_owned(), mode: Permissions::default(), create: false }
}

fn local(root: &Path) -> Local {
    Local::new(config(root)).unwrap()
}

fn put(storage: &Local, key: &str, content: &[u8], options: PutOptions) -> Result<()> {
    let mut stream = storage.put(key, options)?;
    stream.write(content)?;
    stream.commit().map(drop)
}

fn get(storage: &Local, key: &str, range: ByteRange) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    storage.get(key, range)?.read_to_end(&mut content)?;
    Ok(content)
}

fn keys(storage: &Local) -> Vec<String> {
    storage.list("", "", 1000).unwrap().into_iter().map(|it| it.key).collect()
}

/// Everything below a directory, but for the empty staging directory.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
        let is_lock = root.ends_with(".hayloft-staging") && entry.file_name() == "lock";
        if entry.file_name() != ".hayloft-staging" && !is_lock {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn an_object_is_there_whole_after_commit_and_not_before() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    let mut stream = storage.put("a/b/c", PutOptions::default()).unwrap();
    stream.write(b"hay").unwrap();
    assert_eq!(storage.stat("a/b/c").unwrap(), None);
    assert!(keys(&storage).is_empty());
    stream.write(b"loft").unwrap();
    let meta = stream.commit().unwrap();
    assert_eq!((meta.key.as_str(), meta.size), ("a/b/c", 7));
    assert_eq!(storage.stat("a/b/c").unwrap(), Some(meta.clone()));
    assert_eq!(storage.list("", "", 9).unwrap(), [meta]);
    assert_eq!(get(&storage, "a/b/c", ByteRange::ALL).unwrap(), b"hayloft");
    assert!(stream.write(b"more").is_err());
    assert!(stream.commit().is_err());
    stream.abort().unwrap();
    assert_eq!(get(&storage, "a/b/c", ByteRange::ALL).unwrap(), b"hayloft");
}

#[test]
fn nothing_stays_of_what_was_aborted_dropped_or_refused() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    let mut stream = storage.put("a/b", PutOptions::default()).unwrap();
    stream.write(b"x").unwrap();
    stream.abort().unwrap();
    assert!(stream.write(b"x").is_err());
    let mut stream = storage.put("a/b", PutOptions::default()).unwrap();
    stream.write(b"x").unwrap();
    drop(stream);
    let long = format!("a/{}", "n".repeat(300));
    assert!(put(&storage, &long, b"x", PutOptions::default()).is_err());
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

#[test]
fn ranges_are_cut_where_the_object_ends() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    put(&storage, "k", b"0123456789", NEW).unwrap();
    let cases = [
        (0, None, "0123456789"),
        (3, Some(4), "3456"),
        (8, Some(10), "89"),
        (9, None, "9"),
        (10, None, ""),
        (u64::MAX, Some(u64::MAX), ""),
        (2, Some(0), ""),
        (0, Some(u64::MAX), "0123456789"),
    ];
    for (offset, length, expected) in cases {
        let content = get(&storage, "k", ByteRange { offset, length }).unwrap();
        assert_eq!(content, expected.as_bytes(), "{offset} {length:?}");
    }
}

#[test]
fn what_is_not_there_is_not_found_and_deleted_already() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    put(&storage, "dir/object", b"x", NEW).unwrap();
    for key in ["none", "none/at/all", "dir", "dir/object/below"] {
        let error = get(&storage, key, ByteRange::ALL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND, "{key}");
        assert_eq!(storage.stat(key).unwrap(), None);
        storage.delete(key).unwrap();
    }
    assert_eq!(keys(&storage), ["dir/object"]);
}

#[test]
fn only_one_of_eight_creates_and_the_content_is_its_own() {
    let root = tempfile::tempdir().unwrap();
    let storage = Arc::new(local(root.path()));
    for round in 0..20 {
        let key = format!("round/{round}");
        let winners = AtomicUsize::new(0);
        thread::scope(|scope| {
            for who in 0..8_u8 {
                let (storage, key, winners) = (&storage, &key, &winners);
                scope.spawn(move || match put(storage, key, &[who; 5000], NEW) {
                    Ok(()) => assert_eq!(winners.fetch_add(1, Ordering::SeqCst), 0),
                    Err(e) => assert_eq!(e.kind(), ErrorKind::ALREADY_EXISTS),
                });
            }
        });
        let content = get(&storage, &key, ByteRange::ALL).unwrap();
        assert_eq!((content.len(), winners.into_inner()), (5000, 1));
        assert!(content.iter().all(|byte| *byte == content[0]));
    }
}

#[test]
fn create_only_is_refused_early_and_replacing_is_one_step() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    put(&storage, "k", b"old", NEW).unwrap();
    let error = storage.put("k", NEW).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS);
    let before = storage.stat("k").unwrap().unwrap();
    let mut reader = storage.get("k", ByteRange::ALL).unwrap();
    put(&storage, "k", b"new", PutOptions::default()).unwrap();
    let mut content = Vec::new();
    reader.read_to_end(&mut content).unwrap();
    assert_eq!(content, b"old");
    assert_eq!(get(&storage, "k", ByteRange::ALL).unwrap(), b"new");
    assert_ne!(storage.stat("k").unwrap().unwrap().etag, before.etag);
}

#[test]
fn eight_threads_may_put_and_delete_in_the_same_directory() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    thread::scope(|scope| {
        for who in 0..8 {
            let storage = &storage;
            scope.spawn(move || {
                for round in 0..60 {
                    let key = format!("a/b/c/{who}");
                    put(storage, &key, &[who; 100], NEW).unwrap();
                    assert_eq!(get(storage, &key, ByteRange::ALL).unwrap(), [who; 100]);
                    if round % 7 == 0 {
                        storage.list("a/", "", 100).unwrap();
                    }
                    storage.delete(&key).unwrap();
                }
            });
        }
    });
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

#[test]
fn deleting_removes_the_directories_that_are_empty_then() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    for key in ["a/b/1", "a/2", "a.x"] {
        put(&storage, key, b"x", NEW).unwrap();
    }
    storage.delete("a/b/1").unwrap();
    assert_eq!(files(root.path()), ["a", "a/2", "a.x"].map(|it| root.path().join(it)));
    storage.delete("a/2").unwrap();
    storage.delete("a.x").unwrap();
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

#[test]
fn links_are_no_way_out_and_no_objects() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), root.path().join("dir")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
    let storage = local(root.path());
    for key in ["dir/secret", "file"] {
        assert_eq!(storage.stat(key).unwrap(), None, "{key}");
        let error = get(&storage, key, ByteRange::ALL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND, "{key}");
        storage.delete(key).unwrap();
    }
    let error = put(&storage, "dir/new", b"x", PutOptions::default()).unwrap_err();
    assert!(error.remedy().unwrap().contains("a link"), "{error}");
    assert!(keys(&storage).is_empty());
    for prefix in ["../", "dir/../../", "/", "//", "./"] {
        assert!(storage.list(prefix, "", 10).unwrap().is_empty(), "{prefix}");
    }
    assert_eq!(files(outside.path()), [outside.path().join("secret")]);
    put(&storage, "file", b"mine", PutOptions::default()).unwrap();
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"x");
}

#[test]
fn an_object_cannot_be_where_a_directory_is_nor_below_an_object() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    put(&storage, "a/b", b"x", NEW).unwrap();
    for key in ["a", "a/b/c"] {
        let error = put(&storage, key, b"x", PutOptions::default()).unwrap_err();
        assert!(error.remedy().unwrap().contains("an object cannot be"), "{key}: {error}");
    }
    assert_eq!(keys(&storage), ["a/b"]);
}

#[test]
fn special_names_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    let mut names = vec![
        " x ".to_owned(),
        ".hayloft-staging/1-0".to_owned(),
        "%2Ehayloft-staging".to_owned(),
        ".hidden".to_owned(),
        "a.tmp".to_owned(),
        "ümlaut/日本".to_owned(),
        "-rf".to_owned(),
        "c:\\x".to_owned(),
        "n".repeat(255),
    ];
    for name in &names {
        put(&storage, name, name.as_bytes(), NEW).unwrap();
    }
    names.sort();
    assert_eq!(keys(&storage), names);
    for name in &names {
        assert_eq!(get(&storage, name, ByteRange::ALL).unwrap(), name.as_bytes());
        storage.delete(name).unwrap();
    }
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

#[test]
fn files_and_directories_get_the_configured_mode() {
    for (mode, expected) in [(0o600, (0o600, 0o700)), (0o664, (0o664, 0o775))] {
        let root = tempfile::tempdir().unwrap();
        let config = Config { mode: Permissions(mode), ..config(root.path()) };
        let storage = Local::new(config).unwrap();
        put(&storage, "a/b", b"x", NEW).unwrap();
        let mode_of = |path: &str| {
            fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode_of("a/b"), mode_of("a")), expected);
        assert_eq!(mode_of(".hayloft-staging"), 0o700);
    }
}

#[test]
fn a_root_that_is_not_there_is_created_only_on_demand() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("x/y");
    let storage = local(&root);
    let errors = [
        put(&storage, "k", b"x", NEW).unwrap_err(),
        get(&storage, "k", ByteRange::ALL).unwrap_err(),
        storage.stat("k").unwrap_err(),
        storage.list("", "", 1).unwrap_err(),
        storage.delete("k").unwrap_err(),
    ];
    for error in errors {
        assert!(error.message().contains("does not exist"), "{error}");
        assert!(error.remedy().unwrap().contains("<create>Y</create>"));
    }
    let storage = Local::new(Config { create: true, ..config(&root) }).unwrap();
    put(&storage, "k", b"x", NEW).unwrap();
    assert_eq!(keys(&storage), ["k"]);
}

#[test]
fn what_others_put_there_is_listed_only_if_it_can_be_an_object() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("theirs"), "x").unwrap();
    fs::write(root.path().join("line\nbreak"), "x").unwrap();
    let status = Command::new("mkfifo").arg(root.path().join("fifo")).status().unwrap();
    assert!(status.success());
    let storage = local(root.path());
    assert_eq!(keys(&storage), ["theirs"]);
    assert_eq!(get(&storage, "fifo", ByteRange::ALL).unwrap_err().kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn leftovers_of_a_crash_are_swept_and_files_of_the_living_are_not() {
    let root = tempfile::tempdir().unwrap();
    let mut living = local(root.path()).put("living", NEW).unwrap();
    living.write(b"x").unwrap();
    let crashed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_crashes_while_it_writes"])
        .env(ROOT_OF_CHILD, root.path())
        .output()
        .unwrap();
    assert!(!crashed.status.success());
    let staging = root.path().join(".hayloft-staging");
    assert_eq!(files(&staging).len(), 2);
    let storage = local(root.path());
    assert!(keys(&storage).is_empty());
    put(&storage, "new", b"x", NEW).unwrap();
    assert_eq!(files(&staging).len(), 1);
    living.commit().unwrap();
    assert_eq!(keys(&storage), ["living", "new"]);
}

/// Dies as a part of the test above, and does nothing otherwise.
#[test]
fn a_process_that_crashes_while_it_writes() {
    let Some(root) = std::env::var_os(ROOT_OF_CHILD) else { return };
    let mut stream = local(Path::new(&root)).put("crashed", NEW).unwrap();
    stream.write(&vec![1; 100_000]).unwrap();
    std::process::abort();
}

#[test]
fn what_a_sweep_may_take_depends_on_its_age_and_its_owner() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    let mut living = storage.put("living", NEW).unwrap();
    living.write(b"x").unwrap();
    let left = root.path().join(".hayloft-staging/1-0");
    fs::write(&left, "half").unwrap();
    let names = |older_than_s, dry_run| {
        let swept = storage.sweep(&Sweep { older_than_s, dry_run }).unwrap();
        swept.into_iter().map(|it| (it.name, it.size)).collect::<Vec<_>>()
    };
    let found = [(".hayloft-staging/1-0".to_owned(), Some(4))];
    assert_eq!(names(3600, false), []);
    assert_eq!(names(0, true), found);
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    fs::File::options().write(true).open(&left).unwrap().set_modified(yesterday).unwrap();
    assert_eq!(names(3600, false), found);
    assert_eq!(names(0, false), []);
    living.commit().unwrap();
    assert_eq!(keys(&storage), ["living"]);
}

#[test]
fn processes_that_count_together_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let storage = local(root.path());
    put(&storage, "a/counter", b"0", NEW).unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_process_that_counts"])
                .env(ROOT_OF_CHILD, root.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(get(&storage, "a/counter", ByteRange::ALL).unwrap(), b"100");
    assert_eq!(files(root.path()), ["a", "a/counter"].map(|it| root.path().join(it)));
}

/// Adds 25 as a part of the test above, and does nothing otherwise.
#[test]
fn a_process_that_counts() {
    let Some(root) = std::env::var_os(ROOT_OF_CHILD) else { return };
    let storage = local(Path::new(&root));
    let mut added = 0;
    while added < 25 {
        let before = storage.stat("a/counter").unwrap().unwrap();
        let number = get(&storage, "a/counter", ByteRange::ALL).unwrap();
        let next = String::from_utf8(number).unwrap().parse::<u32>().unwrap() + 1;
        let replaced = storage.replace("a/counter", &before.etag, PutOptions::default());
        let replaced = replaced.and_then(|mut put| {
            put.write(next.to_string().as_bytes())?;
            put.commit()
        });
        match replaced {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::CHANGED, "{error}"),
        }
    }
}

#[test]
fn it_is_known_what_the_file_system_can_do() {
    let root = tempfile::tempdir().unwrap();
    let known = local(root.path()).capabilities().unwrap();
    assert_eq!((known.create, known.replace), (Guarantee::Atomic, Guarantee::Atomic));
    assert_eq!(files(root.path()), [] as [PathBuf; 0]);
}

/// Runs the test below with a limit for files, which every user may set, and
/// on a small file system in a name space of its own, which only root may
/// everywhere.
#[test]
fn a_full_disk_is_told_as_such_and_nothing_stays() {
    let limit = r#"trap "" XFSZ; ulimit -f 1000; exec "$0" "$@""#;
    let mount = r#"mount -t tmpfs -o size=1m none "$ROOT" && exec "$0" "$@""#;
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let can_mount = Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("mount -t tmpfs none /tmp")
        .output()
        .is_ok_and(|it| it.status.success());
    let mut ways = vec![(vec!["sh", "-c"], limit)];
    if can_mount {
        ways.push((unshare.to_vec(), mount));
    } else {
        println!("no file system may be mounted here: only a limit for files is tested");
    }
    for (command, script) in ways {
        let root = tempfile::tempdir().unwrap();
        let output = Command::new(command[0])
            .args(&command[1..])
            .arg(script)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_put_that_does_not_fit"])
            .env("ROOT", root.path())
            .env(ROOT_OF_CHILD, root.path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

/// Works where there is little room only; see above.
#[test]
fn a_put_that_does_not_fit() {
    let Some(root) = std::env::var_os(ROOT_OF_CHILD).map(PathBuf::from) else { return };
    let storage = local(&root);
    let content = vec![1; 300_000];
    put(&storage, "fits", &content, NEW).unwrap();
    let mut stream = storage.put("a/b/too-much", NEW).unwrap();
    let error = (0..20).find_map(|_| stream.write(&content).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::FULL, "{error:?}");
    assert!(stream.write(b"x").is_err() && stream.commit().is_err());
    assert_eq!(files(&root), [root.join("fits")]);
    put(&storage, "fits-again", &content, NEW).unwrap();
}

fn key() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-c]{1,2}[-./0%]?", 1..4).prop_map(|segments| {
        let key = segments.join("/");
        key.replace("//", "/").trim_end_matches('/').to_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_storage_is_a_sorted_map(
        all in proptest::collection::vec((key(), 0_u8..4), 1..40),
        (prefix, after) in (prop_oneof![Just(String::new()), "[a-c./-]{1,3}", key()],
            prop_oneof![Just(String::new()), "[a-c./-]{1,3}", key()]),
        limit in 1_u32..12,
    ) {
        let root = tempfile::tempdir().unwrap();
        let storage = local(root.path());
        let mut model: BTreeMap<String, u8> = BTreeMap::new();
        for (key, value) in all {
            if value == 0 {
                storage.delete(&key).unwrap();
                model.remove(&key);
            } else if put(&storage, &key, &vec![value; value.into()], PutOptions::default()).is_ok()
            {
                model.insert(key, value);
            } else {
                // In the way is an object above it, or others below it.
                let clash = |other: &String| {
                    other.starts_with(&format!("{key}/")) || key.starts_with(&format!("{other}/"))
                };
                prop_assert!(model.keys().any(clash), "{}", key);
            }
        }
        let expected: Vec<_> = model
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
            .map(|(key, size)| (key.clone(), u64::from(*size)))
            .collect();
        let page = storage.list(&prefix, &after, limit).unwrap();
        prop_assert_eq!(page.len(), expected.len().min(limit as usize));
        let mut found: Vec<_> = page.into_iter().map(|it| (it.key, it.size)).collect();
        while let Some((last, _)) = found.last().filter(|_| found.len() < expected.len()) {
            let more = storage.list(&prefix, &last.clone(), limit).unwrap();
            prop_assert!(!more.is_empty());
            found.extend(more.into_iter().map(|it| (it.key, it.size)));
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_large_directory_is_listed_in_pages_without_gaps() {
    let root = tempfile::tempdir().unwrap();
    let mut expected: Vec<_> = (0..3000).map(|i| format!("{}/{i}", i % 2)).collect();
    for key in &expected {
        fs::create_dir_all(root.path().join(key).parent().unwrap()).unwrap();
        fs::write(root.path().join(key), "").unwrap();
    }
    expected.sort();
    let storage = local(root.path());
    for limit in [1000, 7000, 300] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = storage.list("", &after, limit).unwrap();
            found.extend(page.iter().map(|it| it.key.clone()));
            match page.last() {
                Some(last) if page.len() == limit as usize => after.clone_from(&last.key),
                _ => break,
            }
        }
        assert_eq!(found, expected);
    }
    assert!(storage.list("", "", 0).unwrap().is_empty());
}

#[test]
fn pages_of_a_large_directory_show_what_came_and_went_between_them() {
    let directory = tempfile::tempdir().unwrap();
    let storage = local(directory.path());
    for at in 0..700 {
        let file = directory.path().join(format!("d/{at:04}"));
        // Every hundredth is a directory of its own.
        let file = if at % 100 == 0 { file.join("inner") } else { file };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    // As if nothing had changed for long: names may be remembered.
    let old = SystemTime::now() - Duration::from_hours(1);
    let settle = || fs::File::open(directory.path().join("d")).unwrap().set_modified(old).unwrap();
    settle();
    let page = |after: &str, limit| -> Vec<String> {
        storage.list("d/", after, limit).unwrap().into_iter().map(|it| it.key).collect()
    };
    let all = page("", 1000);
    assert_eq!(all.len(), 700);
    for limit in [1, 99, 101, 256, 699] {
        let mut found = Vec::new();
        while found.len() < 700 {
            let after: String = found.last().cloned().unwrap_or_default();
            let next = page(&after, limit);
            assert!(!next.is_empty(), "{limit}: nothing comes after {after}");
            found.extend(next);
        }
        assert_eq!(found, all, "{limit}");
    }
    assert_eq!(page("d/0100/inner", 2), ["d/0101", "d/0102"]);
    fs::write(directory.path().join("d/0101-new"), "x").unwrap();
    fs::remove_file(directory.path().join("d/0102")).unwrap();
    assert_eq!(page("d/0101", 2), ["d/0101-new", "d/0103"]);
    settle();
    assert_eq!(page("d/0103", 1), ["d/0104"]);
    fs::remove_file(directory.path().join("d/0105")).unwrap();
    assert_eq!(page("d/0104", 1), ["d/0106"]);
}
