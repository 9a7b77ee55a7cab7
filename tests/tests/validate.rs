//! The program checks that what the configuration speaks of is there.

use hayloft_tests::Sandbox;

fn configuration(reference: &str, more: &str) -> String {
    format!(
        "<cb_config>
  {reference}
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
    <pre_action_hook><action>purge</action><command>sh -c true</command></pre_action_hook>
  </options>
  {more}
</cb_config>\n"
    )
}

const VALIDATE: &[&str] = &["--config", "hayloft.xml", "run", "validate"];

#[test]
fn a_good_configuration_is_valid() {
    let sandbox = Sandbox::new();
    sandbox.dir("working");
    sandbox.dir("collect");
    sandbox.dir("objects");
    let text = configuration(
        "<reference><author>us</author></reference>",
        "<purge><dir><abs_path>$SANDBOX/collect</abs_path><retain_days>1</retain_days></dir></purge>
  <storages><storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage></storages>",
    );
    sandbox.write("hayloft.xml", &text);
    sandbox.ok(VALIDATE).says("configuration is valid");
}

#[test]
fn everything_that_is_wrong_is_reported_in_one_run() {
    let sandbox = Sandbox::new();
    sandbox.dir("working");
    let text = configuration(
        "",
        "<purge><dir><abs_path>$SANDBOX/nowhere</abs_path><retain_days>1</retain_days></dir></purge>",
    );
    let text = text.replace("$USER", "no-such-user").replace("sh -c true", "no-such-program -v");
    sandbox.write("hayloft.xml", &text);
    let output = sandbox.run(VALIDATE);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    for complaint in [
        "the reference section is missing",
        "there is no user \"no-such-user\" on this machine",
        "there is no program \"no-such-program\"",
        "there is no $SANDBOX/nowhere",
    ] {
        output.complains(complaint);
    }
}
