//! Backups that are not to take all of a disk.

use super::ground::{Ground, ONE};

/// Bytes a second; some seconds for an empty cluster.
const RATE: f64 = 8e6;

/// It can only last longer than it must, however slow the machine is.
#[test]
fn a_backup_reads_no_faster_than_it_may() {
    let ground = Ground::new(ONE);
    for method in ["local", "stream"] {
        let words = ["backup", "main", "--fast", "--json", "--method", method];
        let words = [words.as_slice(), &["--max-rate", "8MB"]].concat();
        let report = ground.pg(&words).exits(0).json();
        let (size, seconds) = (report["size"].as_f64().unwrap(), report["seconds"].as_f64());
        assert!(size > 16e6, "{report}");
        // A server looks at its clock eight times a second.
        assert!(seconds.unwrap() > size / RATE * 0.8, "{method}: {report}");
    }
}

#[test]
fn a_verification_reads_no_faster_than_it_may() {
    const LOW: f64 = 1_048_576.0;
    let ground = Ground::new(ONE);
    ground.backup(&[]);
    let report = ground.pg(&["verify", "main", "--json", "--max-rate", "1MB"]).exits(0).json();
    let (bytes, seconds) = (report["bytes"].as_f64().unwrap(), report["seconds"].as_f64());
    assert!(bytes > 2.0 * LOW, "{report}");
    // What is read last is not waited for.
    assert!(seconds.unwrap() > bytes / LOW * 0.5, "{report}");
}
