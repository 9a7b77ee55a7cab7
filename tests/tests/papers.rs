//! What the papers show is true: it is run, checked or compared.
#![expect(clippy::panic, clippy::unwrap_used, reason = "test code fails by panicking")]

#[path = "papers/page.rs"]
mod page;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use hayloft_tests::{Output, Program, Sandbox};

use self::page::{Block, Page};

/// Completes a fragment of a configuration.
const OPTIONS: &str = "<options><starting_day>monday</starting_day>\
    <working_dir>/var/backup/work</working_dir><backup_user>backup</backup_user>\
    <backup_group>backup</backup_group><rcp_command>/usr/bin/scp -B</rcp_command></options>";
const PURGE: &str = "<purge><dir><abs_path>/var/backup/collect</abs_path>\
    <retain_days>0</retain_days></dir></purge>";

/// Runs a script here, in the environment that the program would have, and
/// with the program in the path.
fn bash(sandbox: &Sandbox, script: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(sandbox.path(""));
    for (name, value) in sandbox.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let program = Program::find();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", program.directory().display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sandbox.wait(command.spawn().unwrap())
}

#[test]
fn every_block_says_what_it_is() {
    const KNOWN: [&str; 9] =
        ["sh run", "sh shown", "xml check", "xml shown", "text", "rust", "c", "toml", "json"];
    for page in Page::all() {
        for block in &page.blocks {
            assert!(KNOWN.contains(&block.info.as_str()), "{}: `{}`", page.at(block), block.info);
        }
    }
}

#[test]
fn commands_that_are_shown_run() {
    let mut pages = 0;
    for page in Page::all() {
        let blocks: Vec<&Block> = page.blocks.iter().filter(|it| it.info == "sh run").collect();
        if blocks.is_empty() {
            continue;
        }
        pages += 1;
        let script: Vec<&str> = blocks.iter().map(|it| it.text.as_str()).collect();
        let sandbox = Sandbox::new();
        let output = bash(&sandbox, &script.join("\n"));
        assert_eq!(output.code, Some(0), "{}: {output}", page.name);
        let warned = output.stderr.lines().any(|it| it.starts_with("warning"));
        assert!(!warned, "{}: {output}", page.name);
    }
    assert!(pages >= 3, "only {pages} pages have commands");
}

#[test]
fn configurations_that_are_shown_are_good() {
    let mut checked = 0;
    for page in Page::all() {
        for block in page.blocks.iter().filter(|it| it.info == "xml check") {
            let sandbox = Sandbox::new();
            sandbox.write("hayloft.xml", &complete(&block.text));
            let output = sandbox.run(&["--config", "hayloft.xml", "config", "check"]);
            assert_eq!(output.code, Some(0), "{}: {output}", page.at(block));
            assert_eq!(output.stderr, "", "{}", page.at(block));
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} configurations were checked");
}

/// Makes a whole document of a fragment.
fn complete(text: &str) -> String {
    if text.contains("<cb_config") {
        return text.to_owned();
    }
    let mut document = format!("<cb_config>{text}");
    if !text.contains("<options>") {
        document += OPTIONS;
    }
    if !text.contains("<purge>") {
        document += PURGE;
    }
    document + "</cb_config>"
}

#[test]
fn commands_and_options_that_are_shown_exist() {
    let sandbox = Sandbox::new();
    let mut seen = 0;
    for page in Page::all() {
        for block in page.blocks.iter().filter(|it| it.info.starts_with("sh ")) {
            for words in block.commands_of("hayloft") {
                check_words(&sandbox, &page.at(block), &words);
                seen += 1;
            }
        }
        for words in page.inline_commands("hayloft") {
            check_words(&sandbox, &page.name, &words);
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} commands were looked at");
}

/// Looks for a command and its options in the help.
fn check_words(sandbox: &Sandbox, at: &str, words: &[String]) {
    const LEVELS: [&str; 11] = [
        "cluster", "conf", "config", "hba", "ident", "pg", "plugin", "server", "snapshot",
        "storage", "wal",
    ];
    let mut path: Vec<&str> = Vec::new();
    let mut options: BTreeSet<&str> = BTreeSet::new();
    let mut value_follows = false;
    for word in words {
        if word == "--" {
            break;
        } else if word.starts_with('-') {
            options.insert(word.split('=').next().unwrap());
            value_follows = matches!(word.as_str(), "--config" | "-c" | "-D");
        } else if value_follows {
            value_follows = false;
        } else if path.last().is_none_or(|it| LEVELS.contains(it)) {
            path.push(word);
        }
    }
    // `config check|show` stands for several.
    for last in path.pop().unwrap_or_default().split('|') {
        let mut arguments = path.clone();
        arguments.extend((!last.is_empty()).then_some(last));
        arguments.push("--help");
        let help = sandbox.run(&arguments);
        assert_eq!(help.code, Some(0), "{at}: {words:?}: {help}");
        for option in &options {
            let known = help.stdout.split([' ', ',', '\n', '[']).any(|it| it == *option);
            assert!(known, "{at}: {words:?}: there is no {option} in\n{help}");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for page in Page::all() {
        for (line, link) in page.links() {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}:{line}: {link} leads nowhere", page.name);
            if !anchor.is_empty() {
                let anchors = Page::read(&target).anchors();
                assert!(anchors.contains(anchor), "{}:{line}: {link}: {anchors:?}", page.name);
            }
        }
    }
}

#[test]
fn files_that_pages_include_are_there() {
    let mut seen = 0;
    for page in Page::all() {
        for piece in page.text.split("{{#include ").skip(1) {
            let file = page.path.parent().unwrap().join(piece.split("}}").next().unwrap());
            assert!(file.is_file(), "{} includes {}", page.name, file.display());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_book_has_every_page_in_its_summary() {
    let book = page::root().join("docs/src");
    let summary = Page::read(&book.join("SUMMARY.md"));
    let listed: BTreeSet<String> = summary.links().into_iter().map(|(_, link)| link).collect();
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(&book).unwrap() {
        there.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    there.remove("SUMMARY.md");
    assert_eq!(listed, there);
}

#[test]
fn the_reference_is_what_the_program_says() {
    let sandbox = Sandbox::new();
    let says = sandbox.ok(&["config", "schema", "--markdown"]).stdout;
    let page = fs::read_to_string(page::root().join("docs/src/reference.md")).unwrap();
    assert!(
        says == page,
        "docs/src/reference.md is out of date; run \
         `target/debug/hayloft config schema --markdown > docs/src/reference.md`"
    );
}

#[test]
fn every_element_and_event_of_the_scripts_page_is_known() {
    // The table of exit codes is the one of the help.
    let help = Sandbox::new().ok(&["--help"]).stdout;
    let page = Page::read(&page::root().join("docs/src/scripts.md"));
    let codes: Vec<&str> = page
        .text
        .lines()
        .filter_map(|it| it.strip_prefix("| ")?.split(" |").next())
        .filter(|it| it.len() == 1 && it.bytes().all(|b| b.is_ascii_digit()))
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "7"]);
    for code in codes {
        assert!(help.contains(&format!(" {code} ")), "{code} is not in {help}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    let sandbox = Sandbox::new();
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef"), ("fish", "complete -c")] {
        let script = sandbox.ok(&["completions", shell]).stdout;
        for text in [sign, "restore"] {
            assert!(script.contains(text), "{text} is not in the completions of {shell}");
        }
    }
    sandbox.dir("man");
    sandbox.ok(&["man", "man"]);
    let pages = sandbox.names("man");
    for page in ["hayloft.1", "hayloft-run.1", "hayloft-restore.1", "hayloft-plugin-new.1"] {
        assert!(pages.iter().any(|it| it == page), "{page} is not among {pages:?}");
        assert!(sandbox.read(&format!("man/{page}")).contains(".TH HAYLOFT"), "{page}");
    }
}

#[test]
fn scripts_can_be_run() {
    for script in ["scripts/quickstart", "scripts/test", "scripts/embedded-postgres", ".ci/run"] {
        let path = page::root().join(script);
        let status = fs::metadata(&path).unwrap();
        assert!(status.permissions().mode() & 0o111 != 0, "{script} is not executable");
        let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn papers_name_no_place_that_only_one_machine_has() {
    let own = page::root();
    let own = own.to_str().unwrap();
    for page in Page::all() {
        let named = Path::new(own).components().count() > 2 && page.text.contains(own);
        assert!(!named, "{} names {own}", page.name);
    }
}
