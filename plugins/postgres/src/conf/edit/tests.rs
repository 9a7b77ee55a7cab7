use proptest::prelude::*;

use super::*;

fn edited(text: &str, edit: &Edit) -> (String, Effect) {
    let mut document = Document::parse(text.as_bytes());
    let effect = document.apply(std::slice::from_ref(edit), &Policy::default()).unwrap().remove(0);
    (String::from_utf8(document.to_bytes()).unwrap(), effect)
}

fn set(text: &str, name: &str, value: &str) -> String {
    edited(text, &Edit::set(name, value)).0
}

// The twelve defects of the tool that this replaces, one test each.

#[test]
fn defect_1_a_setting_without_equals_sign_is_seen() {
    assert_eq!(set("port 5433\n", "port", "5434"), "port '5434'\n");
    assert_eq!(edited("port 5433\n", &Edit::unset("port")).0, "#port 5433\n");
}

#[test]
fn defect_2_dotted_names_are_settings() {
    assert_eq!(set("myext.foo = x\n", "MyExt.Foo", "y"), "myext.foo = 'y'\n");
    assert_eq!(set("", "myext.foo", "y"), "myext.foo = 'y'\n");
}

#[test]
fn defect_3_backslashes_are_read_and_written() {
    let document = Document::parse(br"a = 'it\'s'");
    assert_eq!(document.get("a").as_deref(), Some(&b"it's"[..]));
    assert_eq!(set("", "a", r"c:\q"), "a = 'c:\\\\q'\n");
}

#[test]
fn defect_4_a_newline_in_a_value_does_not_break_the_file() {
    assert_eq!(set("", "a", "x\ny"), "a = 'x\\ny'\n");
}

#[test]
fn defect_5_a_comment_behind_an_escaped_quote_stays() {
    assert_eq!(set(r"foo = 'a\'b' # c", "foo", "a"), "foo = 'a'    # c");
    let document = Document::parse(b"foo = 'unterminated\n");
    assert_eq!(document.get("foo"), None);
    assert_eq!(document.invalid_lines().collect::<Vec<_>>(), [1]);
}

#[test]
fn defect_6_prose_is_never_uncommented() {
    let text = "#foo = bar is recommended\n";
    assert_eq!(set(text, "foo", "1"), format!("{text}foo = '1'\n"));
}

#[test]
fn defect_7_the_setting_that_counts_is_the_one_altered() {
    let text = "a = 1 # old\na = 2 # relied on\n";
    assert_eq!(
        edited(text, &Edit::set("a", "3")),
        ("a = 1 # old\na = '3' # relied on\n".into(), Effect::Altered { line: 2 })
    );
    let mut document = Document::parse(text.as_bytes());
    let policy = Policy { comment_out_earlier: true, ..Policy::default() };
    document.apply(&[Edit::set("a", "3")], &policy).unwrap();
    assert_eq!(document.to_bytes(), b"#a = 1 # old\na = '3' # relied on\n");
}

#[test]
fn defect_8_an_empty_file_and_one_without_final_newline_take_a_setting() {
    assert_eq!(edited("", &Edit::set("a", "1")), ("a = '1'\n".into(), Effect::Added { line: 1 }));
    assert_eq!(set("b = 2", "a", "1"), "b = 2\na = '1'\n");
    assert_eq!(set("b = 2\r\n# x", "a", "1"), "b = 2\r\n# x\r\na = '1'\r\n");
}

#[test]
fn defect_9_case_does_not_matter() {
    assert_eq!(set("PORT=1\n", "port", "2"), "PORT='2'\n");
    assert_eq!(edited("PORT=1\nPort=2\n", &Edit::remove("port")).0, "");
}

#[test]
fn defect_12_what_is_written_is_loadable() {
    assert_eq!(set("", "a", "b c"), "a = 'b c'\n");
    assert_eq!(set("", "a", ""), "a = ''\n");
}

#[test]
fn what_is_so_already_is_not_touched() {
    for text in ["a = 1\n", "a 1", "a='1' # x\r\n", "#a = 1\na = '1'\n"] {
        assert_eq!(edited(text, &Edit::set("a", "1")), (text.to_owned(), Effect::Unchanged));
        assert_eq!(edited(text, &Edit::unset("b")), (text.to_owned(), Effect::Unchanged));
    }
}

#[test]
fn a_commented_setting_is_taken_before_a_line_is_added() {
    let text = "#port = 5432\t\t\t\t# (change requires restart)\nb = 1\n";
    let expected = "port = '5433'\t\t\t\t# (change requires restart)\nb = 1\n";
    assert_eq!(
        edited(text, &Edit::set("port", "5433")),
        (expected.into(), Effect::Uncommented { line: 1 })
    );
    let text = "#a = 1\n#a = 2\n#a = 3\n";
    assert_eq!(set(text, "a", "2"), "#a = 1\na = '2'\n#a = 3\n");
    assert_eq!(set("  # a = 1 # x\n", "a", "2"), "  a = '2' # x\n");
}

#[test]
fn comments_keep_their_column_where_there_is_room() {
    assert_eq!(set("a = 1          # c\n", "a", "22"), "a = '22'       # c\n");
    assert_eq!(set("a = 1 # c\n", "a", "a long value"), "a = 'a long value' # c\n");
    assert_eq!(set("a = 1\t\t# c\n", "a", "123456789"), "a = '123456789'\t# c\n");
    assert_eq!(set("a=1#c\n", "a", "2"), "a='2'#c\n");
    assert_eq!(set("a'1'#c\r\n", "a", "2"), "a'2'#c\r\n");
}

#[test]
fn a_new_setting_goes_below_a_marker() {
    let mut document = Document::parse(b"# A\n# B\nx = 1\n");
    let policy = Policy { below: Some(b"# A".to_vec()), ..Policy::default() };
    document.apply(&[Edit::set("y", "2")], &policy).unwrap();
    assert_eq!(document.to_bytes(), b"# A\ny = '2'\n# B\nx = 1\n");
    let policy = Policy { below: Some(b"# C".to_vec()), ..Policy::default() };
    let error = document.apply(&[Edit::set("z", "2")], &policy).unwrap_err();
    assert!(matches!(error, ConfError::NoSuchLine { .. }));
}

#[test]
fn a_batch_is_done_whole_or_not_at_all() {
    let mut document = Document::parse(b"a = 1\n");
    let bad = [
        Edit::set("b", "x\0"),
        Edit::set("1b", "x"),
        Edit::set("include", "x"),
        Edit::unset("a b"),
    ];
    for bad in bad {
        let before = document.clone();
        assert!(document.apply(&[Edit::set("a", "2"), bad], &Policy::default()).is_err());
        assert_eq!(document, before);
    }
}

#[test]
fn removed_lines_take_nothing_with_them() {
    let text = "# a\na = 1 # x\n\nA=2";
    assert_eq!(
        edited(text, &Edit::remove("a")),
        ("# a\n\n".into(), Effect::Removed { lines: vec![2, 4] })
    );
}

proptest! {
    #[test]
    fn every_value_is_read_back_wherever_it_goes(
        value in proptest::collection::vec(1u8.., 0..20),
        text in "([#]?[ab] ?=? ?('[^'\n\\\\]*'|[a-z0-9.]+)?( # c)?\r?\n){0,6}[ab=# ]{0,4}",
    ) {
        let mut document = Document::parse(text.as_bytes());
        document.apply(&[Edit::set("a", &value)], &Policy::default()).unwrap();
        let again = Document::parse(&document.to_bytes());
        prop_assert_eq!(&again, &document);
        let found = again.get("a");
        prop_assert_eq!(found.as_deref(), Some(&value[..]));
        let before = Document::parse(text.as_bytes());
        prop_assert_eq!(again.get("b"), before.get("b"));
        // Once more changes nothing.
        document.apply(&[Edit::set("A", &value)], &Policy::default()).unwrap();
        prop_assert_eq!(&again, &document);
        document.apply(&[Edit::unset("a")], &Policy::default()).unwrap();
        prop_assert_eq!(document.get("a"), None);
    }
}
