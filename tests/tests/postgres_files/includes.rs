//! Files that include one another: random trees of them.

use std::{fs, path::Path};

use hayloft_postgres::{
    conf::{Catalogue, Configuration, FileSetting, Sources},
    hba::{Method, Rules, Server},
    ident::Mappings,
    tree::Disk,
};
use hayloft_tests::postgres::{Postgres, installed_versions};
use proptest::prelude::*;

use crate::lines::{ask, lossy, rounds, server, some, write};

/// The files of a tree, below one directory.
const FILES: [&str; 8] = [
    "main.conf",
    "a.conf",
    "b.conf",
    "d/1.conf",
    "d/2.conf",
    "d/.3.conf",
    "d/e/5.conf",
    "d/x.CONF",
];

/// What a file may call another; `{}` is where the tree is.
const NAMES: [&str; 16] = [
    "a.conf",
    "b.conf",
    "../a.conf",
    "d/1.conf",
    "./d/2.conf",
    "1.conf",
    "e/5.conf",
    "gone.conf",
    "{}/a.conf",
    "{}/d/../b.conf",
    "main.conf",
    "",
    " ",
    "d",
    "../../a.conf",
    "d//e/./5.conf",
];
const DIRECTORIES: [&str; 8] = ["d", "e", "d/e", ".", "..", "gone", "a.conf", "{}/d/"];

fn one(all: &[&'static str]) -> impl Strategy<Value = &'static str> + Clone + use<> {
    proptest::sample::select(all.to_vec())
}

fn conf_line() -> impl Strategy<Value = String> {
    let name = one(&["work_mem", "Work_Mem", "sort_mem", "a.b", "a.c", "jit", "port", "nosuch"]);
    let value = one(&["1MB", "'2MB'", "off", "x", "3", "''"]);
    let setting = (name, value).prop_map(|(a, b)| format!("{a} = {b}"));
    let kind = one(&["include", "include", "INCLUDE", "include_if_exists"]);
    let include = (kind, one(&NAMES)).prop_map(|(a, b)| format!("{a} '{b}'"));
    let directory = one(&DIRECTORIES).prop_map(|it| format!("include_dir = '{it}'"));
    let mistake = one(&["x y z", "= 1", "a.b", "a =", "'x'"]).prop_map(str::to_owned);
    let quiet = one(&["", "# c", "#include 'a.conf'"]).prop_map(str::to_owned);
    prop_oneof![
        12 => setting, 5 => include, 2 => directory, 1 => mistake, 2 => quiet
    ]
}

fn hba_line() -> impl Strategy<Value = String> {
    let word = one(&["all", "x", "@a.conf", "\"@b.conf\"", "@d/1.conf", "@gone.conf", "/^a"]);
    let rule = (word.clone(), word).prop_map(|(a, b)| format!("local {a} {b} trust"));
    let kind = one(&["include", "include", "\"include\"", "INCLUDE", "include_if_exists"]);
    let name = one(&NAMES).prop_map(|it| if it.trim().is_empty() { "\"\"" } else { it });
    let include = (kind, name).prop_map(|(a, b)| format!("{a} {b}"));
    let directory = one(&DIRECTORIES).prop_map(|it| format!("include_dir {it}"));
    let other = one(&[
        "x y",
        "# c",
        "include a.conf b",
        "local all all trust \\",
        "words of, a file",
        "m a b",
    ]);
    prop_oneof![8 => rule, 4 => include, 2 => directory, 3 => other.prop_map(str::to_owned)]
}

fn tree(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<(usize, Vec<String>)>> {
    let lines = proptest::collection::vec(line, 0..4);
    proptest::collection::vec((0..FILES.len(), lines), 2..8)
}

/// Writes the files of a tree; those that are not in it are not there.
fn plant(home: &Path, tree: &[(usize, Vec<String>)]) {
    let _ = fs::remove_dir_all(home);
    fs::create_dir_all(home.join("d/e")).unwrap();
    write(&home.join("main.conf"), b"");
    for (file, lines) in tree {
        let text = lines.join("\n").replace("{}", home.to_str().unwrap()) + "\n";
        write(&home.join(FILES[*file]), text.as_bytes());
    }
}

fn show(tree: &[(usize, Vec<String>)]) -> String {
    let file = |it: &(usize, Vec<String>)| format!("== {}\n{}\n", FILES[it.0], it.1.join("\n"));
    tree.iter().map(file).collect()
}

type Row = Vec<Option<String>>;

fn rows(server: &Postgres, columns: &[&str], rest: &str) -> Vec<Row> {
    let text = |row: Vec<Option<Vec<u8>>>| row.iter().map(|it| it.as_deref().map(lossy)).collect();
    ask(server, columns, rest).into_iter().map(text).collect()
}

fn conf_row(it: &FileSetting) -> Row {
    let at = it.at.as_ref().unwrap();
    let (name, value) = it.setting.as_ref().map(|it| (lossy(&it.0), lossy(&it.1))).unzip();
    let file = Some(at.file.display().to_string());
    let (line, applied) = (Some(at.line.to_string()), Some(it.applied.to_string()));
    vec![file, line, name, value, applied, Some(it.problem.is_some().to_string())]
}

#[test]
fn random_trees_of_settings_are_read_as_the_servers_read_them() {
    let columns = ["sourcefile", "sourceline", "name", "setting", "applied", "error IS NOT NULL"];
    for programs in installed_versions() {
        let server = server(&programs).start();
        let main = server.data_dir().join("postgresql.conf");
        let home = server.data_dir().join("tree/t");
        let text = fs::read_to_string(&main).unwrap();
        write(&main, format!("{text}\ninclude 'tree/t/main.conf'\n").as_bytes());
        let catalogue = Catalogue::built_in(server.major());
        for tree in some(rounds(25), tree(conf_line())) {
            plant(&home, &tree);
            let configuration =
                Configuration::load(&Sources::main(&main).data(server.data_dir()), &Disk);
            let found = catalogue.file_settings(&configuration);
            let in_tree = |it: &&FileSetting| it.at.as_ref().unwrap().file.starts_with(&home);
            let ours: Vec<Row> = found.iter().filter(in_tree).map(conf_row).collect();
            let filter = format!(
                "FROM pg_file_settings WHERE sourcefile LIKE '{}/%' ORDER BY seqno",
                home.display()
            );
            let mut theirs = rows(&server, &columns, &filter);
            // A parameter that needs a restart counts as good with us.
            for row in theirs.iter_mut().filter(|it| it[2].as_deref() == Some("port")) {
                if row[3].as_deref() == Some("3") && row[5].as_deref() == Some("true") {
                    (row[4], row[5]) = (Some("true".into()), Some("false".into()));
                }
            }
            assert_same(&ours, &theirs, || format!("{} on\n{}", server.major(), show(&tree)));
        }
    }
}

/// Fails with the first row in which two differ.
fn assert_same(ours: &[Row], theirs: &[Row], what: impl Fn() -> String) {
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let at = first.unwrap_or(ours.len().min(theirs.len()));
    assert_eq!(ours.get(at), theirs.get(at), "row {at}, {}", what());
}

#[test]
fn random_trees_of_rules_are_read_as_the_servers_read_them() {
    for programs in installed_versions() {
        let mut server = server(&programs).start();
        let home = server.data_dir().join("tree/t");
        let settings = server.data_dir().join("postgresql.conf");
        let text = fs::read_to_string(&settings).unwrap();
        let main = home.join("main.conf");
        let files = format!("hba_file = '{0}'\nident_file = '{0}'\n", main.display());
        write(&settings, format!("{text}\n{files}").as_bytes());
        plant(&home, &[(0, vec!["local all all trust".to_owned()])]);
        server.stop();
        server.start_again();
        let major = server.major();
        let mut known = Server { tls: false, oauth_validators: false, ..Server::of(major) };
        if !programs.directory().join("psql").exists() {
            known.missing.extend([Method::Gss, Method::Ldap, Method::Pam]);
            known.gss = false;
        }
        for tree in some(rounds(25), tree(hba_line())) {
            plant(&home, &tree);
            compare(&server, &known, &main, &|| format!("{major} on\n{}", show(&tree)));
        }
    }
}

fn compare(server: &Postgres, known: &Server, main: &Path, shown: &dyn Fn() -> String) {
    let (file, order) = match known.major {
        16.. => ("file_name", ""),
        _ => ("NULL", " ORDER BY line_number"),
    };
    let row = |file: &Path, line: usize, good: bool| {
        let file = (known.major >= 16).then(|| file.display().to_string());
        vec![file, Some(line.to_string()), Some(good.to_string())]
    };
    // Version 15 and before give the whole query up where `@` files loop. Later
    // ones take a loop by `include_if_exists` for a file that is missing, if
    // the last error of the system happened to be that one.
    let by_chance = shown().contains("include_if_exists");
    let loops = |problems: &[String]| {
        (known.major < 16 || by_chance)
            && problems.iter().any(|it| it.contains("more than ten deep"))
    };
    let rules = Rules::load(main, known, &Disk).unwrap();
    let ours: Vec<Row> =
        rules.lines().iter().map(|it| row(&it.file, it.line, it.rule.is_ok())).collect();
    if !loops(&rules.problems()) {
        let columns = [file, "line_number", "type IS NOT NULL"];
        let theirs = rows(server, &columns, &format!("FROM pg_hba_file_rules{order}"));
        assert_same(&ours, &theirs, shown);
    }
    let mappings = Mappings::load(main, known, &Disk).unwrap();
    let ours: Vec<Row> =
        mappings.lines().iter().map(|it| row(&it.file, it.line, it.mapping.is_ok())).collect();
    if known.major >= 15 && !loops(&mappings.problems()) {
        let columns = [file, "line_number", "map_name IS NOT NULL"];
        let theirs = rows(server, &columns, &format!("FROM pg_ident_file_mappings{order}"));
        assert_same(&ours, &theirs, shown);
    }
}
