//! Our model in the shape of Cedar Backup's.

use hayloft_plugin_api::cedar::{
    self, AmazonS3, ByteQuantity, Capacity, Document, Encrypt, ItemKind, Located, Mbox, Mysql,
    PeerList, Postgresql, Split, Subversion, Text, text,
};
use serde_json::{Map, Value, json};

/// Cedar Backup has no empty lists, but for lists of actions.
fn list<T>(items: &[T], one: impl Fn(&T) -> Value) -> Value {
    if items.is_empty() { Value::Null } else { items.iter().map(one).collect() }
}

fn texts(items: &[Located<String>]) -> Value {
    list(items, |it| json!(it.value))
}

fn number(it: Option<&Located<i64>>) -> Value {
    json!(it.map(|it| it.value))
}

fn actions(it: Option<&Located<Vec<String>>>) -> Value {
    json!(it.map(|it| &it.value))
}

fn t(it: &Text) -> Value {
    json!(text(it))
}

pub(crate) fn document(it: &Document) -> Value {
    json!({
        "reference": it.reference.as_ref().map(|it| json!({
            "author": t(&it.author),
            "revision": t(&it.revision),
            "description": t(&it.description),
            "generator": t(&it.generator),
        })),
        "extensions": it.extensions.as_ref().map(extensions),
        "options": it.options.as_ref().map(options),
        "peers": it.peers.as_ref().map(|it| peers(&it.list)),
        "collect": it.collect.as_ref().map(collect),
        "stage": it.stage.as_ref().map(|it| {
            let mut stage = peers(&it.peers);
            stage["targetDir"] = t(&it.staging_dir);
            stage
        }),
        "store": it.store.as_ref().map(store),
        "purge": it.purge.as_ref().map(|it| json!({
            "purgeDirs": list(&it.dirs, |it| json!({
                "absolutePath": t(&it.abs_path),
                "retainDays": number(it.retain_days.as_ref()),
            })),
        })),
    })
}

fn extensions(it: &cedar::Extensions) -> Value {
    json!({
        "orderMode": t(&it.order_mode),
        "actions": list(&it.actions, |it| json!({
            "name": t(&it.name),
            "module": t(&it.module),
            "function": t(&it.function),
            "index": number(it.index.as_ref()),
            "dependencies": it.depends.as_ref().map(|it| json!({
                "beforeList": actions(it.before.as_ref()),
                "afterList": actions(it.after.as_ref()),
            })),
        })),
    })
}

fn options(it: &cedar::Options) -> Value {
    json!({
        "startingDay": t(&it.starting_day),
        "workingDir": t(&it.working_dir),
        "backupUser": t(&it.backup_user),
        "backupGroup": t(&it.backup_group),
        "rcpCommand": t(&it.rcp_command),
        "rshCommand": t(&it.rsh_command),
        "cbackCommand": t(&it.cback_command),
        "overrides": list(&it.overrides, |it| json!({
            "command": t(&it.command),
            "absolutePath": t(&it.abs_path),
        })),
        "hooks": list(&it.hooks, |it| json!({
            "action": t(&it.action),
            "command": t(&it.command),
            "before": it.before,
            "after": !it.before,
            "kind": if it.before { "pre" } else { "post" },
        })),
        "managedActions": actions(it.managed_actions.as_ref()),
    })
}

fn peers(it: &PeerList) -> Value {
    json!({
        "localPeers": list(&it.local, |it| json!({
            "name": t(&it.name),
            "collectDir": t(&it.collect_dir),
            "ignoreFailureMode": t(&it.ignore_failures),
        })),
        "remotePeers": list(&it.remote, |it| json!({
            "name": t(&it.name),
            "collectDir": t(&it.collect_dir),
            "remoteUser": t(&it.backup_user),
            "rcpCommand": t(&it.rcp_command),
            "rshCommand": t(&it.rsh_command),
            "cbackCommand": t(&it.cback_command),
            "managed": it.managed,
            "managedActions": actions(it.managed_actions.as_ref()),
            "ignoreFailureMode": t(&it.ignore_failures),
        })),
    })
}

fn collect(it: &cedar::Collect) -> Value {
    json!({
        "targetDir": t(&it.collect_dir),
        "collectMode": t(&it.collect_mode),
        "archiveMode": t(&it.archive_mode),
        "ignoreFile": t(&it.ignore_file),
        "absoluteExcludePaths": texts(&it.exclude.abs_paths),
        "excludePatterns": texts(&it.exclude.patterns),
        "collectFiles": list(&it.files, |it| json!({
            "absolutePath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "archiveMode": t(&it.archive_mode),
        })),
        "collectDirs": list(&it.dirs, |it| json!({
            "absolutePath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "archiveMode": t(&it.archive_mode),
            "ignoreFile": t(&it.ignore_file),
            "linkDepth": number(it.link_depth.as_ref()),
            "dereference": it.dereference,
            "recursionLevel": number(it.recursion_level.as_ref()),
            "absoluteExcludePaths": texts(&it.exclude.abs_paths),
            "relativeExcludePaths": texts(&it.exclude.rel_paths),
            "excludePatterns": texts(&it.exclude.patterns),
        })),
    })
}

fn store(it: &cedar::Store) -> Value {
    json!({
        "sourceDir": t(&it.source_dir),
        "mediaType": t(&it.media_type),
        "deviceType": t(&it.device_type),
        "devicePath": t(&it.target_device),
        "deviceScsiId": t(&it.target_scsi_id),
        "driveSpeed": number(it.drive_speed.as_ref()),
        "checkData": it.check_data,
        "checkMedia": it.check_media,
        "warnMidnite": it.warn_midnite,
        "noEject": it.no_eject,
        "blankBehavior": it.blank_behavior.as_ref().map(|it| json!({
            "blankMode": t(&it.mode),
            "blankFactor": t(&it.factor),
        })),
        "refreshMediaDelay": number(it.refresh_media_delay.as_ref()),
        "ejectDelay": number(it.eject_delay.as_ref()),
    })
}

fn quantity(it: Option<&ByteQuantity>) -> Value {
    json!(it.map(|it| json!({
        "quantity": it.quantity,
        "units": it.units,
        "bytes": float(it.bytes),
        "display": it.to_string(),
    })))
}

fn float(it: f64) -> Value {
    if it.is_finite() { json!(it) } else { json!(it.to_string().to_lowercase()) }
}

pub(crate) fn amazons3(it: &AmazonS3) -> Value {
    json!({
        "warnMidnite": it.warn_midnite,
        "s3Bucket": t(&it.s3_bucket),
        "encryptCommand": t(&it.encrypt),
        "fullBackupSizeLimit": quantity(it.full_size_limit.as_ref()),
        "incrementalBackupSizeLimit": quantity(it.incr_size_limit.as_ref()),
    })
}

pub(crate) fn capacity(it: &Capacity) -> Value {
    json!({
        "maxPercentage": it.max_percentage.as_ref().map(|it| json!({
            "quantity": it.quantity,
            "percentage": float(it.value),
        })),
        "minBytes": quantity(it.min_bytes.as_ref()),
    })
}

pub(crate) fn encrypt(it: &Encrypt) -> Value {
    json!({ "encryptMode": t(&it.encrypt_mode), "encryptTarget": t(&it.encrypt_target) })
}

pub(crate) fn split(it: &Split) -> Value {
    json!({
        "sizeLimit": quantity(it.size_limit.as_ref()),
        "splitSize": quantity(it.split_size.as_ref()),
    })
}

pub(crate) fn mysql(it: &Mysql) -> Value {
    json!({
        "user": t(&it.user),
        "password": t(&it.password),
        "compressMode": t(&it.compress_mode),
        "all": it.all,
        "databases": texts(&it.databases),
    })
}

pub(crate) fn postgresql(it: &Postgresql) -> Value {
    json!({
        "user": t(&it.user),
        "compressMode": t(&it.compress_mode),
        "all": it.all,
        "databases": texts(&it.databases),
    })
}

pub(crate) fn mbox(it: &Mbox) -> Value {
    json!({
        "collectMode": t(&it.collect_mode),
        "compressMode": t(&it.compress_mode),
        "mboxFiles": list(&it.files, |it| json!({
            "absolutePath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "compressMode": t(&it.compress_mode),
        })),
        "mboxDirs": list(&it.dirs, |it| json!({
            "absolutePath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "compressMode": t(&it.compress_mode),
            "relativeExcludePaths": texts(&it.exclude.rel_paths),
            "excludePatterns": texts(&it.exclude.patterns),
        })),
    })
}

pub(crate) fn subversion(it: &Subversion) -> Value {
    json!({
        "collectMode": t(&it.collect_mode),
        "compressMode": t(&it.compress_mode),
        "repositories": list(&it.repositories, |it| json!({
            "repositoryType": t(&it.kind),
            "repositoryPath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "compressMode": t(&it.compress_mode),
        })),
        "repositoryDirs": list(&it.repository_dirs, |it| json!({
            "repositoryType": t(&it.kind),
            "directoryPath": t(&it.abs_path),
            "collectMode": t(&it.collect_mode),
            "compressMode": t(&it.compress_mode),
            "relativeExcludePaths": texts(&it.exclude.rel_paths),
            "excludePatterns": texts(&it.exclude.patterns),
        })),
    })
}

pub(crate) fn effective(it: &Document) -> Value {
    let collect = match (&it.options, &it.collect) {
        (Some(options), Some(collect)) => cedar::effective_collect(options, collect),
        _ => Vec::new(),
    };
    json!({
        "collect": collect.iter().map(item).collect::<Vec<_>>(),
        "stage_peers": cedar::effective_peers(it).iter().map(stage_peer).collect::<Vec<_>>(),
        "managed": managed(it),
    })
}

fn item(it: &cedar::EffectiveItem) -> Value {
    let file = it.kind == ItemKind::File;
    let mut item = json!({
        "kind": if file { "file" } else { "dir" },
        "path": it.path,
        "collect_mode": it.collect_mode,
        "archive_mode": it.archive_mode,
        "digest_path": it.digests,
        "tarfile_path": it.archive,
    });
    if !file {
        item["ignore_file"] = json!(it.ignore_file);
        item["link_depth"] = json!(it.link_depth);
        item["dereference"] = json!(it.dereference);
        item["recursion_level"] = json!(it.recursion_level);
        item["exclude_paths"] = json!(it.exclude_paths);
        item["exclude_patterns"] = json!(it.exclude_patterns);
    }
    // What Cedar Backup has no value for it shows as such.
    for member in ["collect_mode", "archive_mode"] {
        if item[member] == "" {
            item[member] = Value::Null;
        }
    }
    item
}

fn stage_peer(it: &cedar::StagePeer) -> Value {
    let mut peer = json!({
        "type": if it.remote { "remote" } else { "local" },
        "name": it.name,
        "collect_dir": it.collect_dir,
        "ignore_failures": it.ignore_failures,
    });
    if it.remote {
        peer["remote_user"] = json!(it.remote_user);
        peer["rcp_command"] = json!(it.rcp_command);
    }
    if it.collect_dir.is_empty() {
        peer["collect_dir"] = Value::Null;
    }
    peer
}

fn managed(it: &Document) -> Value {
    let mut by_action = Map::new();
    for peer in cedar::managed_peers(it) {
        for action in &peer.actions {
            // As Python writes what is absent.
            let cback = peer.cback_command.as_deref().unwrap_or("None");
            let entry = json!({
                "name": peer.name,
                "remote_user": peer.remote_user,
                "local_user": peer.local_user,
                "rsh_command": peer.rsh_command,
                "cback_command": peer.cback_command,
                "command": format!("{cback} {action}"),
                "command_full": format!("{cback} --full {action}"),
            });
            let peers = by_action.entry(action.clone()).or_insert_with(|| json!([]));
            if let Value::Array(peers) = peers {
                peers.push(entry);
            }
        }
    }
    Value::Object(by_action)
}
