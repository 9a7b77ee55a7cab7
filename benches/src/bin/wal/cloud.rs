//! An object store on loopback.

use hayloft_benches::{Contender, compete, shell};
use hayloft_test_servers::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

use crate::{ground::Ground, peers::barman};

/// So many segments; each start of a Python takes a while.
const SEGMENTS: usize = 20;

/// Pushes segments one at a time.
pub(crate) fn measure(ground: &Ground) {
    let Some(program) = barman("barman-cloud-wal-archive") else { return };
    let store = S3Server::start();
    let endpoint = store.endpoint();
    let storage = format!(
        "<type>s3</type><bucket>{BUCKET}</bucket><endpoint>{endpoint}</endpoint>\
         <region>us-east-1</region><prefix>ours</prefix>\
         <access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password>"
    );
    let call = ground.configured("cloud", &storage, "<compress>zstd</compress>");
    let paths: Vec<String> = ground.segments()[..SEGMENTS]
        .iter()
        .map(|it| ground.path("pg_wal").join(it).display().to_string())
        .collect();
    let each = |command: String| {
        format!("set -e; for it in {}; do {command} \"$it\"; done", paths.join(" "))
    };
    let keys = format!(
        "export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} \
         AWS_DEFAULT_REGION=us-east-1; "
    );
    let round = std::cell::Cell::new(0);
    let next = || round.set(round.get() + 1);
    let ours = Contender {
        name: "hayloft pg wal push, zstd".to_owned(),
        prepare: Box::new(|| {
            ground.clean();
            next();
            for key in store.objects().keys().filter(|it| it.starts_with("ours/")) {
                store.remove(key);
            }
        }),
        command: Box::new(|| shell(&each(format!("{call} push main")))),
    };
    let peer = Contender {
        name: "barman-cloud-wal-archive --zstd".to_owned(),
        prepare: Box::new(next),
        command: Box::new(|| {
            let to = format!("s3://{BUCKET}/barman{}", round.get());
            let command = format!("{program} --zstd --endpoint-url {endpoint} {to} main");
            shell(&(keys.clone() + &each(command)))
        }),
    };
    compete(&format!("{SEGMENTS} segments into an object store (the aim is 0.25)"), &[ours, peer]);
}
