//! A bucket that protects what was stored.

use hayloft_test_servers::Moto;
use hayloft_tests::Sandbox;

/// The backups, oldest first.
const IDS: [&str; 3] = ["20260101T010000", "20260102T010000", "20260103T010000"];

fn sandbox(moto: &Moto) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HOME", sandbox.path("home").to_str().unwrap());
    sandbox.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    for directory in ["work", "home"] {
        sandbox.dir(directory);
    }
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <storages>
    <storage>
      <name>offsite</name><type>s3</type><bucket>backups</bucket><endpoint>{}</endpoint>
      <access_key_id>any</access_key_id><password>any</password><checksum>sha256</checksum>
    </storage>
  </storages>
  <postgres_servers>
    <server>
      <name>main</name><storage>offsite</storage>
      <retention_policy>REDUNDANCY 1</retention_policy>
    </server>
  </postgres_servers>
</cb_config>
",
        moto.endpoint()
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

/// Stores the backups, and protects all objects of the first one.
fn fill(moto: &Moto) {
    let code = "
import datetime
s3.create_bucket(Bucket='backups', ObjectLockEnabledForBucket=True)
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
for number, id in enumerate(IDS):
    day = f'2026-01-0{number + 1}'
    info = (f'begin_time={day} 01:00:00+00:00\\nbegin_xlog=0/2000028\\nend_xlog=0/2000100\\n'
            f'end_time={day} 02:00:00+00:00\\nmode=hayloft-local\\nstatus=DONE\\ntimeline=1\\n')
    for name, body in [('data/000001', 'frames'), ('manifest.zst', 'x'), ('backup.info', info)]:
        key = f'main/base/{id}/{name}'
        s3.put_object(Bucket='backups', Key=key, Body=body.encode())
        if number == 0:
            s3.put_object_retention(Bucket='backups', Key=key, Retention={
                'Mode': 'COMPLIANCE', 'RetainUntilDate': until})
";
    moto.python(&code.replace("IDS", &format!("{IDS:?}")));
}

/// The keys of backups that are there, and those with a mark that they are
/// deleted.
fn keys(moto: &Moto) -> (Vec<String>, Vec<String>) {
    let told = moto.python(
        "
found = s3.list_object_versions(Bucket='backups', Prefix='main/base/')
there = s3.list_objects_v2(Bucket='backups', Prefix='main/base/').get('Contents', [])
print(' '.join(it['Key'] for it in there))
print(' '.join(it['Key'] for it in found.get('DeleteMarkers', [])))
",
    );
    let mut lines = told.lines().map(|it| it.split_whitespace().map(ToOwned::to_owned).collect());
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

#[test]
fn what_a_bucket_protects_stays_whole_and_the_rest_goes() {
    let moto = Moto::start();
    fill(&moto);
    let sandbox = sandbox(&moto);
    let pg = |words: &[&str]| sandbox.run(&[&["--config", "hayloft.xml", "pg"], words].concat());
    let refused = pg(&["delete", "main", IDS[0]]).exits(1);
    refused.complains("protected by the storage until 20");
    let expired = pg(&["expire", "main"]).exits(7);
    expired.complains(IDS[0]).complains("protected by the storage until 20");
    let (there, deleted) = keys(&moto);
    let of = |keys: &[String], id: &str| keys.iter().filter(|it| it.contains(id)).count();
    // Nothing of it was touched: no object is hidden behind a mark.
    assert_eq!((of(&there, IDS[0]), of(&deleted, IDS[0])), (3, 0), "{there:?} {deleted:?}");
    assert_eq!(of(&there, IDS[1]), 0, "{there:?}");
    assert_eq!(of(&there, IDS[2]), 3, "{there:?}");
    // It is what it was, and asking again says the same.
    let list = pg(&["list", "main", "--json"]).exits(0).json();
    let statuses = list["servers"][0]["backups"].as_array().unwrap();
    assert!(statuses.iter().all(|it| it["status"] == "DONE") && statuses.len() == 2, "{list}");
    pg(&["expire", "main"]).exits(7);
}
