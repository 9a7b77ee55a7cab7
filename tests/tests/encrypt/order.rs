//! Days that left the machine before they were encrypted, as with Cedar
//! Backup's own example, are told of.

use super::{GPG, make_key, names, opened, sandbox, staged};
use hayloft_tests::Sandbox;

const RUN: &[&str] = &["--config", "hayloft.xml", "run", "stage", "store", "encrypt"];
const CBACK3: &[&str] = &["cback3", "--config", "hayloft.xml", "--logfile", "log"];
const STORED: &str = "2026/11/17 was stored in clear, before encrypt ran: give encrypt a lower \
                      index than store, and remove what was stored";
const UPLOADED: &str = "2026/11/17 was uploaded in clear, before encrypt ran";

/// A peer with a file, and actions with an index each.
fn behind(store: &str, amazons3: &str, indexes: [u32; 2]) -> Sandbox {
    let action = |name: &str, index: u32| {
        format!(
            "<action><name>{name}</name><module>CedarBackup3.extend.{name}</module>\
             <function>executeAction</function><index>{index}</index></action>"
        )
    };
    let actions = action("encrypt", indexes[0]) + &action("amazons3", indexes[1]);
    let more = format!(
        "<extensions>{actions}</extensions>
         <store><source_dir>$SANDBOX/staging</source_dir><storage>disk</storage>{store}</store>
         <amazons3><s3_bucket>cloud</s3_bucket><storage>disk</storage>{amazons3}</amazons3>
         <storages><storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage></storages>"
    );
    let mut sandbox = sandbox(GPG, &more);
    make_key(&mut sandbox, "backup@example.org");
    sandbox.write("collect/a.tar", "secret");
    sandbox.write("collect/cback.collect", "");
    sandbox
}

#[test]
fn a_day_that_is_stored_before_it_is_encrypted_is_told_of() {
    let sandbox = behind("", "", [301, 310]);
    sandbox.run(RUN).exits(7).complains(STORED);
    assert_eq!(sandbox.read("objects/2026/11/17/box/a.tar"), "secret");
    assert!(names(&sandbox).contains(&"a.tar.gpg".to_owned()));
    // Once is enough: what was stored cannot be had back.
    sandbox.ok(&["--config", "hayloft.xml", "run", "encrypt"]).says("0 files of 0 days");
}

#[test]
fn called_as_cback3_it_is_on_the_screen_and_in_the_exit_code() {
    let sandbox = behind("", "", [301, 310]);
    let arguments = [CBACK3, &["stage", "store", "encrypt"]].concat();
    sandbox.run(&arguments).exits(6).says(STORED);
    let sandbox = behind("", "", [299, 310]);
    let output = sandbox.run(&arguments).exits(0);
    assert_eq!(output.stdout, "");
    assert!(sandbox.path("objects/2026/11/17/box/a.tar.gpg").exists());
}

#[test]
fn a_day_that_is_uploaded_before_it_is_encrypted_is_told_of() {
    let upload = ["--config", "hayloft.xml", "run", "stage", "amazons3", "encrypt"];
    let sandbox = behind("", "", [320, 310]);
    sandbox.run(&upload).exits(7).complains(UPLOADED);
    // Those who encrypt on the way have nothing in clear.
    let sandbox = behind("", "<encryptor>vault</encryptor>", [320, 310]);
    let vault = "<encryptors><encryptor><name>vault</name><type>gpg</type>\
                 <recipient>backup@example.org</recipient></encryptor></encryptors></cb_config>";
    let text = sandbox.read("hayloft.xml").replace("</cb_config>", vault);
    sandbox.write("hayloft.xml", &text);
    sandbox.ok(&upload);
    let object = sandbox.path("objects/2026/11/17/box/a.tar.gpg");
    assert_eq!(opened(&sandbox, &object).unwrap(), b"secret");
}

#[test]
fn old_days_are_named_in_one_warning() {
    let sandbox = behind("", "", [299, 310]);
    for day in 1..=7 {
        sandbox.write(&format!("staging/2026/11/0{day}/box/a"), "secret");
        sandbox.write(&format!("staging/2026/11/0{day}/cback.store"), "");
    }
    staged(&sandbox, "new", b"not stored yet");
    let dry = ["--config", "hayloft.xml", "run", "--dry-run", "encrypt"];
    let shown = "2026/11/05 and 2 more were stored in clear";
    sandbox.run(&dry).exits(7).complains(shown);
    sandbox.run(&["--config", "hayloft.xml", "run", "encrypt"]).exits(7).complains(shown);
    assert!(sandbox.path("staging/2026/11/01/box/a.gpg").exists());
}
