//! Servers of every version.

use hayloft_tests::postgres::backed_up_versions;

use super::{
    ground::{Ground, ONE},
    restored::Restored,
};

const SUM: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM t";

#[test]
fn servers_of_every_version_are_backed_up_and_restored() {
    for programs in backed_up_versions() {
        let major = programs.major();
        let ground = Ground::with(ONE, |it| it.programs(&programs));
        ground.sql("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i");
        for method in ["local", "stream"] {
            let full = ground.backup(&["--method", method]);
            ground.sql("UPDATE t SET i = -i WHERE i % 1000 = 1");
            let words = ["backup", "main", "--fast", "--json", "--incremental", "--method", method];
            let report = ground.pg(&words).exits(0).json();
            assert_eq!(report["parent"], *full, "{major}");
            let size = report["size"].as_u64().unwrap();
            assert!(report["stored"].as_u64().unwrap() < size / 4, "{major}: {report}");
        }
        ground.archive_all();
        let expected = ground.sql(SUM);
        ground.pg(&["verify", "main"]).exits(0);
        let restored = Restored::restore(&ground, "copy", &[]).promoted();
        assert_eq!(restored.sql(SUM), expected, "{major}");
        let version = restored.sql("SELECT current_setting('server_version_num')::int / 10000");
        assert_eq!(version, major.to_string());
    }
}
