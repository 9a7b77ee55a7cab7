use std::{io::Write, time::Duration};

use super::*;
use crate::OutputOptions;

#[test]
fn a_file_appears_on_commit_and_not_before() {
    let test = TestHost::new().unwrap();
    let path = test.host().settings().unwrap().collect_dir.unwrap().join("facts");
    let mut output = test.host().create(&path, &OutputOptions::default()).unwrap();
    output.write_all(b"hay").unwrap();
    assert!(!path.exists());
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hay");
    drop(test.host().create(&path, &OutputOptions::default()).unwrap());
    assert_eq!(test.files(), std::slice::from_ref(&path));
    let never = OutputOptions { replace: false, ..OutputOptions::default() };
    let error = test.host().create(&path, &never).unwrap().commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS);
}

#[test]
fn programs_are_run_and_their_bad_ends_are_told() {
    let test = TestHost::new().unwrap();
    let host = test.host();
    assert_eq!(host.process("cat").stdin("hay").output().unwrap(), b"hay");
    let error = host.process("sh").args(["-c", "echo bad >&2; exit 3"]).run().unwrap_err();
    assert_eq!(error.to_string(), "sh failed with exit code 3: bad");
    let error = host.process("/nonexistent/program").run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    let sleep = host.process("sleep").arg("20").timeout(Duration::from_millis(20));
    assert_eq!(sleep.run().unwrap_err().kind(), ErrorKind::TIMED_OUT);
    test.cancel();
    assert_eq!(host.process("sleep").arg("20").run().unwrap_err().kind(), ErrorKind::CANCELLED);
}

#[test]
fn state_events_and_output_are_kept() {
    let test = TestHost::new().unwrap();
    let host = test.host();
    assert_eq!(host.state().get("seen").unwrap(), None);
    host.state().put("seen", b"7").unwrap();
    assert_eq!(host.state().get("seen").unwrap().as_deref(), Some(b"7".as_slice()));
    host.state().delete("seen").unwrap();
    host.state().delete("seen").unwrap();
    assert!(host.state().put("../seen", b"7").is_err());
    host.emit(&Event::new("post_action")).unwrap();
    host.print("hay").unwrap();
    assert_eq!((test.events().len(), test.printed().as_str()), (1, "hay"));
    assert_eq!(host.compressor("none").unwrap().suffix(), "");
    assert!(host.compressor("gzip").is_err() && host.storage("x").is_err());
}

#[test]
fn answers_are_given_until_there_are_no_more() {
    let test = TestHost::new().unwrap().with_answers(["yes", ""]);
    let host = test.host();
    assert_eq!(host.ask("Continue? ").unwrap().as_deref(), Some("yes"));
    assert_eq!(host.ask("Sure? ").unwrap().as_deref(), Some(""));
    assert_eq!(host.ask("Really? ").unwrap(), None);
    assert_eq!(test.printed(), "Continue? Sure? Really? ");
}
