use proptest::prelude::*;

use super::*;
use crate::{auth::document::Position, hba::HbaError};

const SAMPLE: &str = "# h\nlocal all all peer\n# c\nhost  all  all  10.0.0.0/8  md5 # k\n";

fn server() -> Server {
    Server::of(15)
}

fn sample() -> Document {
    Document::parse(SAMPLE.as_bytes(), &server())
}

fn rule(text: &str) -> Rule {
    Rule::parse(text.as_bytes(), &server()).unwrap()
}

fn text(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).unwrap()
}

#[test]
fn insert_before_leaves_comments_with_their_rule() {
    let mut document = sample();
    let new = rule("host app app 10.1.0.0/16 scram-sha-256");
    assert_eq!(document.insert_before(&Fields::new().kind("host"), &new).unwrap(), 1);
    assert_eq!(
        text(&document),
        "# h\nlocal all all peer\nhost  app  app  10.1.0.0/16 scram-sha-256\n# c\n\
         host  all  all  10.0.0.0/8  md5 # k\n"
    );
}

#[test]
fn insert_after_goes_directly_below() {
    let mut document = sample();
    let new = rule("local app app md5");
    assert_eq!(document.insert_after(&Fields::prefix(&[Some("local")]), &new).unwrap(), 1);
    assert_eq!(text(&document).lines().nth(2), Some("local app app md5"));
    assert_eq!(document.rules()[2].line, 5, "the line of the later rule is corrected");
}

#[test]
fn pop_removes_the_rule_and_corrects_what_follows() {
    let mut document = sample();
    assert_eq!(document.pop(0).unwrap(), rule("local all all peer"));
    assert_eq!(text(&document), "# h\n# c\nhost  all  all  10.0.0.0/8  md5 # k\n");
    assert_eq!((document.rules().len(), document.rules()[0].line), (1, 3));
    assert_eq!(document.pop(-1).unwrap(), rule("host all all 10.0.0.0/8 md5"));
    assert!(matches!(document.pop(0), Err(HbaError::NoSuchIndex { .. })));
}

#[test]
fn replace_keeps_comment_and_layout() {
    let mut document = sample();
    document.replace(1, &rule("host all all 10.0.0.0/8 reject")).unwrap();
    assert_eq!(text(&document).lines().nth(3), Some("host  all  all  10.0.0.0/8  reject # k"));
    document.replace(1, &rule("local all all reject")).unwrap();
    // What has no address any more keeps its other columns.
    let expected = "local all  all              reject # k";
    assert_eq!(text(&document).lines().nth(3), Some(expected));
}

#[test]
fn append_adds_a_missing_final_newline() {
    let mut document = Document::parse(b"local all all peer", &server());
    document.append(&rule("local x x md5")).unwrap();
    assert_eq!(text(&document), "local all all peer\nlocal x x md5\n");
    let mut document = Document::parse(b"local all all peer\r\n# end\r\n", &server());
    document.append(&rule("local x x md5")).unwrap();
    assert_eq!(text(&document), "local all all peer\r\nlocal x x md5\r\n# end\r\n");
    let mut document = Document::parse(b"local all all peer\\", &server());
    document.append(&rule("local x x md5")).unwrap();
    assert_eq!(document.rules().len(), 2);
    let mut document = Document::parse(b"# nothing\n", &server());
    document.append(&rule("host x x all md5")).unwrap();
    assert_eq!(
        text(&document),
        "# nothing\nhost    x               x               all                     md5\n"
    );
}

#[test]
fn find_compares_what_is_meant() {
    let document = sample();
    let prefix = |it: &[Option<&str>]| document.find(&Fields::prefix(it));
    assert_eq!(prefix(&[Some("host"), None, None, Some("10.0.0.0 255.0.0.0")]), Some(1));
    assert_eq!(prefix(&[Some("host"), None, None, Some("10.9.9.9/8")]), Some(1));
    assert_eq!(prefix(&[None, Some("all")]), Some(0));
    assert_eq!(prefix(&[None, Some("\"all\"")]), None, "quotes make it a name");
    assert_eq!(prefix(&[Some("host"), None, None, None, Some("md5")]), Some(1));
    assert!(matches!(document.index(&Fields::new().kind("hostssl")), Err(HbaError::NoSuchRule)));
    let document = Document::parse(b"local b,a \"x\" md5\n", &server());
    assert_eq!(document.find(&Fields::new().databases("a,b").users("x")), Some(0));
}

#[test]
fn an_index_may_be_the_number_of_rules_and_no_more() {
    let (mut one, mut other) = (sample(), sample());
    let new = rule("local x x md5");
    one.insert(2, &new, Position::Before).unwrap();
    other.append(&new).unwrap();
    assert_eq!(one, other);
    assert!(matches!(
        sample().insert(3, &new, Position::Before),
        Err(HbaError::NoSuchIndex { .. })
    ));
    assert_eq!(sample().get(-1), sample().get(1));
}

#[test]
fn writing_without_edits_changes_no_byte() {
    for content in
        [SAMPLE, "\u{feff}local all all trust\r\n\\\n\"x", "local a\\\nll all trust\n#\\\n"]
    {
        let document = Document::parse(content.as_bytes(), &server());
        let mut written = Vec::new();
        document.write_to(&mut written).unwrap();
        assert_eq!(written, content.as_bytes());
    }
}

#[test]
fn continued_rules_go_as_a_whole() {
    let mut document =
        Document::parse(b"local \\\n  all all \\\n trust # x\nlocal b b md5\n", &server());
    assert_eq!((document.rules()[0].lines, document.rules()[1].line), (3, 4));
    document.replace(0, &rule("local all \"b c\" trust")).unwrap();
    assert_eq!(text(&document), "local \\\n  all \"b c\" \\\n trust # x\nlocal b b md5\n");
    document.pop(0).unwrap();
    assert_eq!(text(&document), "local b b md5\n");
}

#[test]
fn names_are_quoted_where_they_would_mean_something_else() {
    let name = |it: &str| Rule::name(it, &server()).unwrap();
    let mut new = rule("local x y md5");
    new.databases =
        ["all", "a b", "a,b", "#x", "a\"b", "", "plain", "@x", "a\\"].map(name).to_vec();
    new.users = vec![name("+grp"), name("replication"), Word::plain("+grp")];
    let mut document = Document::parse(b"", &server());
    document.append(&new).unwrap();
    let written = text(&document);
    assert!(written.contains(r##""all","a b","a,b","#x","a""b","",plain,"@x","a\""##), "{written}");
    assert!(written.contains(r#""+grp","replication",+grp"#), "{written}");
    assert_eq!(document.rules()[0].rule.databases[0], Word::quoted("all"));
    assert!(Rule::name("/x", &Server::of(16)).is_err());
    new.databases = vec![Word::quoted("a\nb")];
    assert!(document.append(&new).is_err(), "a line end cannot be written");
    assert_eq!(document.rules().len(), 1);
}

#[test]
fn ensure_and_absent_do_nothing_twice() {
    let mut document = sample();
    let new = rule("host app app 10.0.0.0 255.0.0.0 md5");
    assert_eq!(document.ensure(&new).unwrap(), (2, true));
    let once = document.clone();
    assert_eq!(document.ensure(&rule("host app \"app\" 10.0.0.0/8 md5")).unwrap(), (2, false));
    assert_eq!(document, once);
    assert_eq!(document.absent(&Fields::of(&new)).unwrap().len(), 1);
    assert!(document.absent(&Fields::of(&new)).unwrap().is_empty());
    assert_eq!(text(&document), SAMPLE);
}

#[test]
fn a_batch_is_done_whole_or_not_at_all() {
    let mut document = sample();
    let result = document.batch(|it| {
        it.pop(0)?;
        it.pop(9)
    });
    assert!(result.is_err());
    assert_eq!(document, sample());
}

#[test]
fn tabs_stay_tabs() {
    let mut document = Document::parse(b"host\tall\tall\t10.0.0.0/8\tmd5\n", &server());
    document.append(&rule("hostnossl a-long-name b 10.0.0.0/8 md5")).unwrap();
    assert_eq!(
        text(&document),
        "host\tall\tall\t10.0.0.0/8\tmd5\nhostnossl\ta-long-name\tb\t10.0.0.0/8\tmd5\n"
    );
}

#[test]
fn lines_that_the_server_refuses_are_told_and_do_not_count() {
    let document =
        Document::parse(b"local all all trust\nbad line\nhost all all all md5\n", &server());
    assert_eq!((document.rules().len(), document.rules()[1].line), (2, 3));
    assert!(matches!(document.problems(), [(2, RuleError::UnknownKind { .. })]));
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let word = ("[a-c \"#,+@]{0,4}", any::<bool>());
    let words = || proptest::collection::vec(word, 1..3);
    (words(), words(), 0usize..3).prop_map(|(databases, users, kind)| {
        let words = |all: Vec<(String, bool)>| {
            all.into_iter()
                .map(|(text, quoted)| {
                    let quoted = quoted || text.starts_with('@');
                    Word { text: text.into_bytes(), quoted }
                })
                .collect()
        };
        let base =
            ["local x x md5", "host x x 10.0.0.0/8 reject", "host x x 10.0.0.0 255.0.255.0 md5"]
                [kind];
        Rule { databases: words(databases), users: words(users), ..rule(base) }
    })
}

proptest! {
    #[test]
    fn edits_do_to_the_rules_what_they_do_to_a_list(
        content in "((local a b md5|host a b 1.2.3.4/8 md5|# c|  |local a \\\\\nb md5|x)( # y)?\r?\n){0,5}(local a b md5)?",
        new in any_rule(), at in 0usize..6, operation in 0..4,
    ) {
        let mut document = Document::parse(content.as_bytes(), &server());
        let mut list: Vec<Rule> = document.rules().iter().map(|it| it.rule.clone()).collect();
        let at = at.min(list.len());
        let index = at.cast_signed();
        match operation {
            0 => { document.insert(index, &new, Position::Before).unwrap(); list.insert(at, new); }
            1 if at < list.len() => { document.insert(index, &new, Position::After).unwrap(); list.insert(at + 1, new); }
            2 if at < list.len() => { prop_assert_eq!(document.pop(index).unwrap(), list.remove(at)); }
            3 if at < list.len() => { document.replace(index, &new).unwrap(); list[at] = new; }
            _ => { document.append(&new).unwrap(); list.push(new); }
        }
        prop_assert_eq!(document.rules().len(), list.len());
        for (found, wanted) in document.rules().iter().zip(&list) {
            prop_assert!(Fields::of(wanted).matches(&found.rule), "{:?}\n{:?}", found, wanted);
        }
        // Every comment is still there.
        let comments = |it: &str| it.matches("# ").count();
        let after = text(&document);
        prop_assert!(comments(&after) + usize::from(operation == 2) >= comments(&content));
        prop_assert_eq!(Document::parse(after.as_bytes(), &server()), document);
    }
}
