//! A base backup put into files, and its examination.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use hayloft_postgres::{
    replication::{
        BackupEvent, BaseBackupOptions, ReplicationConnection, ReplicationError, Tablespace,
    },
    wal::{Lsn, TimelineId},
};

/// Everything of a base backup.
pub(crate) struct Received {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) archives: Vec<(String, Option<PathBuf>)>,
    pub(crate) tablespaces: Vec<Tablespace>,
    pub(crate) start: (Lsn, TimelineId),
    pub(crate) end: (Lsn, TimelineId),
    pub(crate) progress: Vec<u64>,
    pub(crate) data: u64,
}

pub(crate) fn receive(
    connection: &mut ReplicationConnection,
    options: &BaseBackupOptions,
) -> Result<Received, ReplicationError> {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = (Lsn::ZERO, TimelineId::FIRST);
    let mut all = Received {
        directory,
        archives: Vec::new(),
        tablespaces: Vec::new(),
        start: nowhere,
        end: nowhere,
        progress: Vec::new(),
        data: 0,
    };
    let create =
        |all: &Received, name: &str| File::create_new(all.directory.path().join(name)).unwrap();
    let mut file = None;
    for event in connection.base_backup(options)? {
        match event? {
            BackupEvent::Start { position, timeline } => all.start = (position, timeline),
            BackupEvent::Tablespaces(tablespaces) => all.tablespaces = tablespaces,
            BackupEvent::Archive { name, tablespace } => {
                file = Some(create(&all, &name));
                all.archives.push((name, tablespace));
            }
            BackupEvent::Manifest => file = Some(create(&all, "backup_manifest")),
            BackupEvent::Data(data) => {
                all.data += data.len() as u64;
                file.as_mut().unwrap().write_all(&data).unwrap();
            }
            BackupEvent::ManifestData(data) => file.as_mut().unwrap().write_all(&data).unwrap(),
            BackupEvent::Progress(bytes) => all.progress.push(bytes),
            BackupEvent::End { position, timeline } => all.end = (position, timeline),
        }
    }
    Ok(all)
}

impl Received {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Unpacks everything as it would be restored: tablespaces in their place
    /// below `pg_tblspc`.
    pub(crate) fn unpack(&self) -> PathBuf {
        let restored = self.path("restored");
        fs::create_dir(&restored).unwrap();
        unpack(&self.path(self.name("base.tar")), &restored);
        for (name, tablespace) in &self.archives {
            if tablespace.is_some() {
                let oid = name.split('.').next().unwrap();
                let inside = restored.join("pg_tblspc").join(oid);
                let _ = fs::remove_file(&inside);
                fs::create_dir_all(&inside).unwrap();
                unpack(&self.path(name), &inside);
            }
        }
        fs::copy(self.path("backup_manifest"), restored.join("backup_manifest")).unwrap();
        restored
    }

    /// Returns the archive whose name begins so.
    pub(crate) fn name(&self, start: &str) -> &str {
        &self.archives.iter().find(|(name, _)| name.starts_with(start)).unwrap().0
    }

    pub(crate) fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path("backup_manifest")).unwrap()).unwrap()
    }
}

/// `tar` finds out how it is compressed, but for LZ4. It complains about an archive that
/// does not end as archives do.
pub(crate) fn unpack(archive: &Path, into: &Path) {
    let mut command = Command::new("tar");
    if archive.extension().is_some_and(|it| it == "lz4") {
        command.args(["-I", "lz4"]);
    }
    let output = command.arg("-xf").arg(archive).arg("-C").arg(into).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", archive.display());
}

/// Compares every file of a restored backup with its manifest, which must have
/// SHA-256.
pub(crate) fn check_manifest(restored: &Path) {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(restored.join("backup_manifest")).unwrap()).unwrap();
    let mut expected = BTreeMap::new();
    for file in manifest["Files"].as_array().unwrap() {
        assert_eq!(file["Checksum-Algorithm"], "SHA256");
        let size = file["Size"].as_u64().unwrap();
        let sum = file["Checksum"].as_str().unwrap().to_owned();
        expected.insert(file["Path"].as_str().unwrap().to_owned(), (size, sum));
    }
    assert!(expected.len() > 500, "only {} files", expected.len());
    let names: Vec<&String> = expected.keys().collect();
    let output = Command::new("sha256sum").args(names).current_dir(restored).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let size = fs::metadata(restored.join(name)).unwrap().len();
        assert_eq!(expected[name], (size, sum.to_owned()), "{name}");
    }
}
