//! Checks configurations against real directories.

use std::fs;

use hayloft_action_validate::{checks::check, machine::Machine};
use hayloft_plugin_api::{Error, ErrorKind, Node, Position, Result};

/// A machine with root, one storage and one encryptor.
struct Small;

impl Machine for Small {
    fn has(&self, _: &str, name: &str) -> Result<bool> {
        Ok(name == "root")
    }
    fn try_storage(&self, name: &str) -> Result<()> {
        match name {
            "good" => Ok(()),
            _ => Err(Error::msg("connection refused").hint("start the server")),
        }
    }
    fn try_encoding(&self, kind: &str, name: &str) -> Result<()> {
        match name {
            "gpg" => Ok(()),
            _ => Err(Error::new(ErrorKind::NOT_FOUND, format!("no {kind} {name}"))),
        }
    }
    fn is_root(&self) -> bool {
        false
    }
}

/// Makes elements of text such as `options{working_dir=/w,override{command=x}}`; each
/// stands on a line of its own.
fn parse(text: &mut std::iter::Peekable<std::str::Chars<'_>>, line: &mut u32) -> Vec<Node> {
    let mut nodes = Vec::new();
    while text.peek().is_some_and(|it| *it != '}') {
        *line += 1;
        let mut name = String::new();
        while let Some(c) = text.next_if(|it| !matches!(it, '=' | '{')) {
            name.push(c);
        }
        let mut node = Node::empty(name.trim(), Position { line: *line, column: 1 });
        if text.next() == Some('{') {
            node.children = parse(text, line).into();
            text.next();
        } else {
            let mut value = String::new();
            while let Some(c) = text.next_if(|it| !matches!(it, ',' | '}')) {
                value.push(c);
            }
            node.first_text = value.as_str().into();
            node.text = value.into();
        }
        nodes.push(node);
        while text.next_if(|it| matches!(it, ',' | '\n' | ' ')).is_some() {}
    }
    nodes
}

fn found(sections: &str) -> Vec<String> {
    let mut root = Node::empty("cb_config", Position { line: 1, column: 1 });
    root.children = parse(&mut sections.chars().peekable(), &mut 1).into();
    check(&root, &Small).iter().map(ToString::to_string).collect()
}

#[test]
fn a_configuration_whose_things_are_all_there_is_valid() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["work", "collect", "staging", "peer", "source"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("file"), "").unwrap();
    let text = "reference{author=x},\
        options{working_dir=D/work,backup_user=root,backup_group=root,rcp_command=sh -B,\
        override{command=other,abs_path=/bin/sh},pre_action_hook{action=collect,command=sh -c x}},\
        hooks{hook{on=pre_action,type=script,command=sh},hook{on=pre_action,type=acme,command=no}},\
        peers{peer{type=remote,name=p,collect_dir=/far},peer{type=local,name=l,collect_dir=D/peer},\
        peer{type=other,name=..}},\
        collect{collect_dir=D/collect,file{abs_path=D/file},dir{abs_path=D/source}},\
        stage{staging_dir=D/staging},store{source_dir=D/staging,storage=good,encryptor=gpg},\
        purge{dir{abs_path=D/collect}},storages{storage{name=good}}";
    assert_eq!(found(&text.replace('D', dir.path().to_str().unwrap())), [""; 0]);
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_with_its_place() {
    let text = "options{working_dir=/nonexistent/w,backup_user=nobody-at-all,backup_group=root,\
        override{command=x,abs_path=/nonexistent/x},post_action_hook{command=nonexistent-hook -v}}";
    assert_eq!(
        found(text),
        [
            "1:1: the reference section is missing (cb_config)",
            "3:1: there is no /nonexistent/w (options/working_dir)",
            "4:1: there is no user \"nobody-at-all\" on this machine (options/backup_user)",
            "8:1: there is no /nonexistent/x (options/override/abs_path)",
            "10:1: there is no program \"nonexistent-hook\" (options/post_action_hook/command)",
        ]
    );
}

#[test]
fn things_of_the_wrong_kind_are_told_apart_from_missing_ones() {
    let cases = [
        ("collect{collect_dir=/etc/passwd}", "2:1: /etc/passwd is not a directory"),
        ("collect{file{abs_path=/etc}}", "2:1: /etc is a directory"),
        ("collect{dir{abs_path=/nonexistent}}", "2:1: there is no /nonexistent"),
        ("purge{dir{abs_path=/nonexistent}}", "2:1: there is no /nonexistent"),
        ("stage{staging_dir=/nonexistent}", "2:1: there is no /nonexistent"),
        ("store{target_device=/nonexistent/cdrw}", "2:1: there is no /nonexistent/cdrw"),
        ("store{target_device=/nonexistent/x.iso}", "2:1: there is no /nonexistent/x.iso"),
        ("store{encryptor=rot}", "encryptor rot cannot be used: no encryptor rot"),
        ("store{storage=gone}", "there is no storage \"gone\" in <storages>"),
        ("storages{storage{name=bad}}", "storage bad cannot be used: connection refused"),
        ("options{override{command=x,abs_path=/etc/passwd}}", "/etc/passwd is not an executable"),
    ];
    for (text, expected) in cases {
        let text = format!("reference{{author=x}},{text}");
        let found = found(&text);
        let wanted = expected.trim_start_matches("2:1: ");
        assert!(found.len() == 1 && found[0].contains(wanted), "{text}: {found:?}");
    }
}

#[test]
fn peers_inside_stage_replace_the_others() {
    let text = |stage: &str| {
        format!(
            "reference{{author=x}},peers{{peer{{type=local,name=a/b,collect_dir=/nonexistent}}}},\
             {stage}"
        )
    };
    let found_general = found(&text(""));
    assert!(
        found_general[0].contains("the peer name \"a/b\" contains a slash"),
        "{found_general:?}"
    );
    assert!(found_general[1].contains("there is no /nonexistent (peers/peer/collect_dir)"));
    assert_eq!(found(&text("stage{peer{type=local,name=c,collect_dir=/tmp}}")), [""; 0]);
}

#[test]
fn remote_peers_need_their_copy_command_and_managed_ones_their_shell() {
    let text = "reference{author=x},options{rcp_command=no-rcp,rsh_command=no-rsh},\
        peers{peer{type=remote,name=a,managed=Y},peer{type=remote,name=b,rcp_command=no-own}}";
    let found = found(text).join("\n");
    for program in ["no-rcp", "no-rsh", "no-own"] {
        assert!(found.contains(&format!("there is no program \"{program}\"")), "{found}");
    }
}

#[test]
fn an_image_file_that_is_not_there_yet_will_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("backup.iso");
    let text = format!("reference{{author=x}},store{{target_device={}}}", image.display());
    assert_eq!(found(&text), [""; 0]);
}

#[test]
fn staged_files_must_not_leave_before_they_are_encrypted() {
    let of = |index: u32, more: &str| {
        let text = format!(
            "reference{{author=x}},extensions{{\
             action{{name=seal,module=CedarBackup3.extend.encrypt,function=executeAction,\
             index={index}}},\
             action{{name=up,module=CedarBackup3.extend.amazons3,function=executeAction,\
             index=310}}}},{more}"
        );
        let all = found(&text);
        all.into_iter().filter(|it| it.contains("clear text")).collect::<Vec<_>>()
    };
    let store = "store{storage=good}";
    assert_eq!(of(299, store), [""; 0]);
    let told = "5:1: `seal` comes after `store`, which takes clear text then (extensions/action)";
    assert_eq!(of(301, store), [told]);
    assert_eq!(of(301, "store{storage=good,encryptor=gpg}"), [""; 0]);
    assert_eq!(of(301, "collect{collect_dir=/}"), [""; 0]);
    let both = "store{storage=good},amazons3{s3_bucket=b}";
    assert_eq!(of(320, both), [told, &told.replace("store", "up")]);
    assert_eq!(of(320, "amazons3{s3_bucket=b,encrypt=gpg}"), [""; 0]);
}
