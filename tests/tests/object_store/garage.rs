//! A distributed store that loses a node.

use std::{
    fs,
    time::{Duration, Instant},
};

use hayloft_test_servers::{GARAGE_KEY, GARAGE_SECRET, Garage, Proxy};
use hayloft_tests::chaos::noise;

use super::{TODAY, amazons3, run, sandbox};

#[test]
fn a_backup_to_garage_goes_on_when_a_node_is_killed_and_everything_reads_back() {
    let mut garage = Garage::start();
    let keys =
        format!("<access_key_id>{GARAGE_KEY}</access_key_id><password>{GARAGE_SECRET}</password>");
    let proxy = Proxy::start(garage.address(0));
    let sandbox = sandbox(&proxy.endpoint(), &keys, &amazons3());
    let day = sandbox.path(format!("staging/{TODAY}/box"));
    for number in 0..30 {
        fs::write(day.join(format!("more {number}")), noise(100_000, number)).unwrap();
    }
    let mut child = sandbox.spawn(&run(&["store"]));
    let begin = Instant::now();
    while !proxy.calls().iter().any(|it| it.query.contains("partNumber=")) {
        assert!(begin.elapsed() < Duration::from_mins(5), "nothing is sent in parts");
        std::thread::sleep(Duration::from_millis(10));
    }
    garage.kill(2);
    assert!(child.wait().unwrap().success());
    // Its conditions do not count, and it is found out.
    let output = sandbox.run(&["--config", "hayloft.xml", "storage", "check", "--size", "1"]);
    output.exits(7).says("WARNING  replace").says("leases cannot be had here");
    // From another node than it was sent to.
    let text = fs::read_to_string(sandbox.path("hayloft.xml")).unwrap();
    sandbox.write("hayloft.xml", &text.replace(&proxy.endpoint(), &garage.endpoint(1)));
    let names = (0..30).map(|it| format!("more {it}")).chain(["small".into(), "large file".into()]);
    for name in names {
        let key = format!("offsite:{TODAY}/box/{name}");
        sandbox.ok(&["--config", "hayloft.xml", "storage", "get", "--force", &key, "back"]);
        assert!(fs::read(sandbox.path("back")).unwrap() == fs::read(day.join(&name)).unwrap());
    }
}
