//! The same against a server by others, with Amazon's own library as a witness.

use std::io::Read;

use hayloft_plugin_api::{
    ByteRange, ErrorKind, Guarantee, PutOptions, Retention, Storage,
    config::decode,
    conformance::{self, Section},
};
use hayloft_storage_object_store::S3;
use hayloft_test_servers::Moto;

/// moto looks at an etag first and replaces then, so that of sixteen at once two
/// may succeed; and it says that every upload was begun in 2010.
const ITS_OWN: [&str; 2] = ["sixteen count together", "what is unfinished is no object"];

fn section(moto: &Moto, bucket: &str) -> Section {
    Section::new("storage")
        .set("bucket", bucket)
        .set("endpoint", moto.endpoint())
        .set("access_key_id", "any")
        .set("password", "any")
        .set("part_size", "5 MB")
        .set("checksum", "sha256")
}

#[test]
fn the_plugin_keeps_to_the_contract_with_moto() {
    let moto = Moto::start();
    moto.python("s3.create_bucket(Bucket='backups')");
    let suite = conformance::suite!()
        .only("storage", "s3")
        .set("bucket", "backups")
        .nowhere("bucket", "nobodys")
        .set("endpoint", moto.endpoint())
        .set("access_key_id", "any")
        .set("password", "any")
        .set("part_size", "5 MB")
        // Without a library of Amazon's, moto has only this one.
        .set("checksum", "sha256");
    let report = suite.run();
    let ours = |it: &&conformance::Check| !ITS_OWN.iter().any(|name| it.name.contains(name));
    let failures: Vec<_> = report.failures().filter(ours).collect();
    assert!(failures.is_empty(), "{failures:?}");
    let left = moto.python("print(s3.list_multipart_uploads(Bucket='backups').get('Uploads', []))");
    assert_eq!(left, "[]");
}

#[test]
fn objects_that_are_locked_stay_and_it_is_said_until_when() {
    let moto = Moto::start();
    moto.python(
        "s3.create_bucket(Bucket='locked', ObjectLockEnabledForBucket=True)
s3.put_object_lock_configuration(Bucket='locked', ObjectLockConfiguration={
    'ObjectLockEnabled': 'Enabled',
    'Rule': {'DefaultRetention': {'Mode': 'COMPLIANCE', 'Days': 30}}})",
    );
    let storage = S3::new(decode(section(&moto, "locked").node()).unwrap()).unwrap();
    let put = |key: &str, content: &[u8]| {
        let mut stream = storage.put(key, PutOptions::default())?;
        stream.write(content)?;
        stream.commit()
    };
    put("small", b"hay").unwrap();
    // moto does not lock what came in parts, as Amazon does.
    put("other", b"straw").unwrap();
    let can = storage.capabilities().unwrap();
    assert!(can.versions && can.create == Guarantee::Atomic);
    let month = Retention { seconds: 30 * 24 * 3600, mode: "compliance".to_owned() };
    assert_eq!(can.retention, Some(month));
    for key in ["small", "other"] {
        let lock = storage.protection(key).unwrap().unwrap();
        assert!(!lock.hold && lock.mode == "compliance" && lock.until_ns.is_some());
        let error = storage.delete(key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PERMISSION, "{error}");
        assert!(error.to_string().contains("is locked until 20"), "{error}");
        assert!(error.remedy().unwrap().contains("nothing was removed"));
    }
    assert_eq!(storage.delete_many(&["small", "other", "none"]).unwrap().len(), 2);
    let mut content = Vec::new();
    storage.get("small", ByteRange::ALL).unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(content, b"hay");
    // Nothing was hidden by a mark of deletion, and nothing written twice.
    let versions = moto.python(
        "answer = s3.list_object_versions(Bucket='locked')
ours = lambda it: not it['Key'].startswith('.hayloft-store/')
print(sorted(it['Key'] for it in answer['Versions'] if ours(it)),
      [it['Key'] for it in answer.get('DeleteMarkers', []) if ours(it)])",
    );
    assert_eq!(versions, "['other', 'small'] []");
}
