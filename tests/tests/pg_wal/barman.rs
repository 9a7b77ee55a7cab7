//! Barman and hayloft read each other's archives. `scripts/barman` installs
//! Barman.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Moto, S3Server, SECRET_KEY};

use super::{
    gaps::{push, push_text},
    ground::{Ground, PLAIN},
    segments::Segment,
};

const HISTORY: &str = "1\t0/300000\tno recovery target specified\n";
const LABEL: &str = "START WAL LOCATION: 0/100028 (file 000000010000000000000001)\n";
const LABEL_NAME: &str = "000000010000000000000001.00000028.backup";

/// A program of Barman's.
fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/barman/bin").join(name);
    assert!(program.exists(), "{} is not there; run scripts/barman", program.display());
    program
}

/// Runs one of Barman's programs with the keys of the test's object store.
fn barman(ground: &Ground, name: &str, words: &[&str]) -> Output {
    let mut command = Command::new(program(name));
    command.args(words).current_dir(ground.dir()).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_DEFAULT_REGION", "us-east-1").env("HOME", ground.dir());
    command.output().unwrap()
}

fn succeeds(output: &Output) {
    let told = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

/// WAL in a bucket.
fn bucket(endpoint: &str, compress: &str) -> String {
    format!(
        "
  <storages>
    <storage><name>cloud</name><type>s3</type><bucket>{BUCKET}</bucket>
      <endpoint>{endpoint}</endpoint><prefix>pg</prefix><region>us-east-1</region>
      <access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>cloud</storage>
      <wal><spool>$DIR/spool</spool><compress>{compress}</compress></wal></server>
  </postgres_servers>"
    )
}

/// What Barman fetches from the bucket.
fn restored(ground: &Ground, endpoint: &str, name: &str) -> Option<Vec<u8>> {
    let to = ground.path("restored");
    let _ = fs::remove_file(&to);
    let source = format!("s3://{BUCKET}/pg");
    let words = ["--endpoint-url", endpoint, &source, "main", name, to.to_str().unwrap()];
    let output = barman(ground, "barman-cloud-wal-restore", &words);
    if output.status.code() == Some(1) {
        return None;
    }
    succeeds(&output);
    Some(fs::read(&to).unwrap())
}

/// Pushes by us with each compression, and fetches by Barman.
fn barman_fetches(endpoint: &str, compressions: &[&str]) {
    let ground = Ground::new(PLAIN);
    for (number, compression) in (1..).zip(compressions) {
        ground.configure(&bucket(endpoint, compression));
        let segment = Segment::number(number);
        push(&ground, [segment]);
        let found = restored(&ground, endpoint, &segment.name());
        assert!(found == Some(segment.bytes()), "{compression}");
    }
    let partial = Segment::number(20);
    let path = partial.write(&ground).with_extension("partial");
    fs::rename(partial.write(&ground), &path).unwrap();
    ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
    let found = restored(&ground, endpoint, &partial.name());
    assert!(found == Some(partial.bytes()), "a partial segment stands for a whole one");
    push_text(&ground, "00000002.history", HISTORY);
    assert_eq!(restored(&ground, endpoint, "00000002.history").unwrap(), HISTORY.as_bytes());
    assert_eq!(restored(&ground, endpoint, &Segment::number(30).name()), None);
}

/// Pushes by Barman with each compression, and fetches by us.
fn barman_pushes(endpoint: &str, compressions: &[&str]) {
    let ground = Ground::new(&bucket(endpoint, "zstd"));
    let destination = format!("s3://{BUCKET}/pg");
    let archive = |path: &Path, options: &[&str]| {
        let words = ["--endpoint-url", endpoint, &destination, "main", path.to_str().unwrap()];
        succeeds(&barman(&ground, "barman-cloud-wal-archive", &[options, &words].concat()));
    };
    let mut all = 0;
    for (number, compression) in (1..).zip(compressions) {
        let segment = Segment::number(number);
        let option = format!("--{compression}");
        let options = [option.as_str()];
        archive(&segment.write(&ground), if *compression == "none" { &[] } else { &options });
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{compression}");
        // The same by us is known, in whatever form.
        push(&ground, [segment]);
        all += 1;
    }
    for (name, text) in [("00000002.history", HISTORY), (LABEL_NAME, LABEL)] {
        let path = ground.path(name);
        fs::write(&path, text).unwrap();
        archive(&path, &["--gzip"]);
        assert_eq!(ground.fetch(name), text.as_bytes());
    }
    let partial = Segment::number(20);
    let path = partial.write(&ground).with_extension("partial");
    fs::rename(partial.write(&ground), &path).unwrap();
    archive(&path, &["--bzip2"]);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(ground.fetch(name) == partial.bytes());
    let listed = ground.wal(&["list", "main"]).exits(0).stdout;
    assert_eq!(listed.lines().count(), all + 3, "{listed}");
    ground
        .wal(&["verify", "main", "--timeline", "1"])
        .exits(0)
        .says(&format!("{all} good segments"));
    ground.wal(&["gaps", "main"]).exits(0);
}

#[test]
fn barman_fetches_from_a_bucket_what_we_have_pushed() {
    let server = S3Server::start();
    barman_fetches(&server.endpoint(), &["none", "gzip", "bzip2", "xz", "zstd"]);
}

#[test]
fn we_fetch_from_a_bucket_what_barman_has_pushed() {
    let server = S3Server::start();
    barman_pushes(&server.endpoint(), &["none", "gzip", "bzip2", "xz", "zstd"]);
}

#[test]
fn both_do_so_with_an_object_store_of_others() {
    let moto = Moto::start();
    moto.python(&format!("s3.create_bucket(Bucket='{BUCKET}')"));
    barman_fetches(&moto.endpoint(), &["zstd"]);
    moto.python(&format!(
        "for it in s3.list_objects_v2(Bucket='{BUCKET}')['Contents']:\n s3.delete_object(Bucket='{BUCKET}', Key=it['Key'])"
    ));
    barman_pushes(&moto.endpoint(), &["xz", "gzip"]);
}

/// A configuration of Barman's whose home is our storage.
fn barmans_configuration(ground: &Ground, compression: &str) -> PathBuf {
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let compression = match compression {
        "none" => String::new(),
        it => format!("compression = {it}\n"),
    };
    let text = format!(
        "[barman]\nbarman_user = {}barman_home = $DIR/disk\nbarman_lock_directory = $DIR\n\
         log_file = $DIR/barman.log\nconfiguration_files_directory = $DIR/conf.d\n\
         [main]\ndescription = ours\narchiver = on\nbackup_method = postgres\n{compression}\
         conninfo = host=/nonexistent user=nobody dbname=postgres connect_timeout=1\n",
        String::from_utf8(user).unwrap()
    );
    let path = ground.path("barman.conf");
    fs::write(&path, ground.expand(&text)).unwrap();
    path
}

/// Names without suffixes, as Barman's own are.
fn without_suffix(compress: &str) -> String {
    let storage = format!(
        "<wal><storage><name>disk</name><suffix>N</suffix><compress>{compress}</compress></storage>"
    );
    PLAIN.replace("<wal>", &storage)
}

#[test]
fn our_local_archive_is_one_of_barmans() {
    let ground = Ground::new(PLAIN);
    let configuration = barmans_configuration(&ground, "gzip");
    let barman = |words: &[&str]| {
        let configuration = ["-c", configuration.to_str().unwrap()];
        barman(&ground, "barman", &[&configuration, words].concat())
    };
    let compressions = ["none", "gzip", "bzip2", "xz", "zstd"];
    for (number, compression) in (1..).zip(compressions) {
        ground.configure(&without_suffix(compression));
        push(&ground, [Segment::number(number)]);
    }
    push_text(&ground, "00000002.history", HISTORY);
    push_text(&ground, LABEL_NAME, LABEL);
    // Its catalogue, which lies among our files from now on.
    succeeds(&barman(&["rebuild-xlogdb", "main"]));
    let catalogue = fs::read_to_string(ground.path("disk/main/wals/main-xlog.db")).unwrap();
    assert_eq!(catalogue.lines().count(), 7, "{catalogue}");
    for (number, compression) in (1..).zip(compressions) {
        let segment = Segment::number(number);
        let output = barman(&["get-wal", "main", &segment.name()]);
        succeeds(&output);
        assert!(output.stdout == segment.bytes(), "{compression}");
        let line = catalogue.lines().find(|it| it.starts_with(&segment.name())).unwrap();
        let known = line.split('\t').nth(3).unwrap();
        assert_eq!(known, if compression == "none" { "None" } else { compression });
    }
    assert_eq!(barman(&["get-wal", "main", "00000002.history"]).stdout, HISTORY.as_bytes());
    let listed = ground.wal(&["list", "main"]).exits(0).stdout;
    assert_eq!(listed.lines().count(), 7, "{listed}");
    ground.wal(&["verify", "main", "--timeline", "1"]).exits(0).says("5 good segments");
}

#[test]
fn we_read_barmans_local_archive_and_add_to_it() {
    for compression in ["none", "gzip", "bzip2", "zstd"] {
        let ground = Ground::new(&without_suffix("gzip"));
        let configuration = barmans_configuration(&ground, compression);
        let barman = |words: &[&str]| {
            let configuration = ["-c", configuration.to_str().unwrap()];
            barman(&ground, "barman", &[&configuration, words].concat())
        };
        let incoming = ground.path("disk/main/incoming");
        fs::create_dir_all(&incoming).unwrap();
        for number in 1..=3 {
            let segment = Segment::number(number);
            fs::rename(segment.write(&ground), incoming.join(segment.name())).unwrap();
        }
        fs::write(incoming.join("00000002.history"), HISTORY).unwrap();
        succeeds(&barman(&["archive-wal", "main"]));
        assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
        for number in 1..=3 {
            let segment = Segment::number(number);
            assert!(ground.fetch(&segment.name()) == segment.bytes(), "{compression}");
        }
        assert_eq!(ground.fetch("00000002.history"), HISTORY.as_bytes());
        push(&ground, (1..=4).map(Segment::number));
        ground.wal(&["verify", "main", "--timeline", "1"]).exits(0).says("4 good segments");
        let output = barman(&["get-wal", "main", &Segment::number(4).name()]);
        assert!(output.stdout == Segment::number(4).bytes());
    }
}
