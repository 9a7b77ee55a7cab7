//! How facts on a process are judged.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    cluster::{control_file::ControlFile, process::Place},
    version::ServerVersion,
};

fn directory() -> DataDirectory {
    DataDirectory {
        path: "/data".into(),
        uid: 100,
        gid: 100,
        mode: 0o700,
        version: ServerVersion::from_major(15),
        control: ControlFile {
            system_identifier: 7,
            control_version: 1300,
            catalogue_version: 1,
            state: ClusterState::InProduction,
            written: 0,
            timeline: 1,
            wal_segment_size: None,
        },
        id: (1, 2),
    }
}

fn facts() -> ProcessFacts {
    ProcessFacts {
        state: b'S',
        uid: 100,
        started: Some(1000),
        exe: Some("/usr/bin/postgres".into()),
        cwd: Some(Place { path: "/data".into(), id: (1, 2) }),
    }
}

fn pid_file() -> PidFile {
    PidFile::parse(b"5\n/data\n1001\n5432\n/run\n\n1 2\nready   \n").unwrap()
}

#[test]
fn a_server_is_believed_only_if_everything_fits() {
    let pid = 5;
    let other = |change: fn(&mut ProcessFacts)| {
        let mut it = facts();
        change(&mut it);
        Some(it)
    };
    let elsewhere: fn(&mut ProcessFacts) =
        |it| it.cwd = Some(Place { path: "/other".into(), id: (1, 3) });
    let cases = [
        (Some(facts()), Verdict::Ours),
        (None, Verdict::No(StaleReason::Dead { pid })),
        (other(|it| it.state = b'Z'), Verdict::No(StaleReason::Zombie { pid })),
        (other(|it| it.uid = 0), Verdict::No(StaleReason::ForeignOwner { pid, uid: 0 })),
        (
            other(|it| it.exe = Some(PathBuf::from("/bin/sleep"))),
            Verdict::No(StaleReason::OtherProgram { pid, program: "/bin/sleep".into() }),
        ),
        (
            other(elsewhere),
            Verdict::No(StaleReason::OtherDirectory { pid, directory: "/other".into() }),
        ),
        (
            other(|it| it.started = Some(2000)),
            Verdict::Unsure(StaleReason::OtherStart { pid, started: 2000, recorded: 1001 }),
        ),
        (other(|it| it.exe = None), Verdict::Unsure(StaleReason::Unseen { pid })),
        (other(|it| it.started = None), Verdict::Ours),
    ];
    for (facts, verdict) in cases {
        assert_eq!(judge(&pid_file(), facts.as_ref(), &directory()), verdict, "{facts:?}");
    }
}

#[test]
fn what_is_no_cluster_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x");
    let word = |path: &Path| probe(path).unwrap().as_str();
    assert_eq!(word(&path), "missing");
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(word(&path), "not-a-cluster");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(word(&path), "not-a-cluster");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(word(&path), "not-a-cluster");
    std::fs::write(path.join("PG_VERSION"), "x\n").unwrap();
    assert_eq!(word(&path), "not-a-cluster");
    std::fs::write(path.join("PG_VERSION"), "15\n").unwrap();
    assert_eq!(word(&path), "half-initialised");
    std::fs::create_dir(path.join("global")).unwrap();
    std::fs::write(path.join("global/pg_control"), [0; 8192]).unwrap();
    assert_eq!(word(&path), "half-initialised");
}
