//! What tests of the catalogue share.

use super::{Backup, BackupInfo, Copy, Known, Status, copy::Layout};

/// Returns a group of what was found out about Barman.
pub(crate) fn vectors(group: &str) -> Vec<serde_json::Value> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../postgres/tests/fixtures/barman-vectors.json");
    let all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[group].as_array().unwrap().clone()
}

/// Returns a backup in one storage, as we make them.
pub(super) fn copy(id: &str, status: Status, parent: Option<&str>) -> Copy {
    let info = BackupInfo {
        status,
        parent_backup_id: parent.map(|it| it.parse().unwrap()),
        ..BackupInfo::default()
    };
    Copy {
        id: id.parse().unwrap(),
        storage: "disk".to_owned(),
        known: Known::Info(Box::new(info)),
        layout: Layout::Parts,
        manifest: status.is_copied(),
        keep: None,
        doomed: false,
        modified_ns: 0,
    }
}

/// Returns a backup in one storage.
pub(crate) fn backup(id: &str, status: Status, parent: Option<&str>) -> Backup {
    let copy = copy(id, status, parent);
    Backup { id: copy.id, copies: vec![copy] }
}
