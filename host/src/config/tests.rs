use hayloft_plugin_api::cedar;
use proptest::prelude::*;

use super::*;

fn flaw(text: &str) -> Option<(u32, u32, String)> {
    let error = parse(text).err()?;
    Some((error.position.line, error.position.column, error.flaw.to_string()))
}

/// Places are those of expat 2.5, with columns counted from 1.
#[test]
fn what_is_not_well_formed_is_refused_where_expat_refuses_it() {
    let cases = [
        ("", 1, 1, "the document ends before its elements do"),
        ("\n\n", 3, 1, "the document ends before its elements do"),
        ("<a>\n", 2, 1, "the document ends before its elements do"),
        ("<a>\n</b>", 2, 3, "</b> does not close <a>"),
        ("<a/>\n<b/>", 2, 1, "there is something after the end of the root element"),
        ("<a>&x;</a>", 1, 4, "the entity &x; is not known"),
        ("<a>x & y</a>", 1, 7, "` ` may not be here"),
        ("<a>\u{1}</a>", 1, 4, "the control character U+0001 may not be here"),
        ("<a b=1/>", 1, 6, "`1` may not be here"),
        ("<a b='1' b='2'/>", 1, 10, "the attribute b is given twice"),
        ("<a", 1, 1, "this never ends"),
        ("<a><!-- x --", 1, 4, "this never ends"),
        ("<a>&#0;</a>", 1, 4, "there is no such character"),
        ("<a>]]></a>", 1, 6, "`>` may not be here"),
        ("\n<?xml version='1.0'?><a/>", 2, 1, "<?xml …?> is not at the very beginning"),
        ("<x:a/>", 1, 1, "the prefix x: has no xmlns:x"),
        ("hello <a/>", 1, 1, "the document does not begin with an element"),
        ("<a></a >x", 1, 9, "there is something after the end of the root element"),
        ("<!DOCTYPE a [<!ENTITY b \"&b;\">]><a>&b;</a>", 1, 36, "the entity &b; contains itself"),
        (
            "<!DOCTYPE a [<!ENTITY b \"<c>\">]><a>&b;</a>",
            1,
            36,
            "an element begins or ends within an entity only",
        ),
    ];
    for (text, line, column, message) in cases {
        assert_eq!(flaw(text), Some((line, column, message.to_owned())), "{text:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let path = Path::new("x.conf");
    let error = Document::from_bytes(path, b"<a>\n caf\xe9</a>").unwrap_err();
    assert_eq!((error.position.line, error.position.column), (2, 5));
    let message = "the file is not UTF-8: invalid continuation byte at byte 8, 0xe9";
    assert_eq!(error.flaw.to_string(), message);
    let with_mark = Document::from_bytes(path, b"\xef\xbb\xbf<a/>").unwrap();
    assert_eq!(with_mark.root.position, Position { line: 1, column: 2 });
}

#[test]
fn text_is_what_cedar_backup_takes_for_it() {
    let cases = [
        // document, all text, first piece
        ("<a> x\r\ny </a>", " x\ny ", " x\ny "),
        ("<a>x<!-- c -->y</a>", "xy", "x"),
        ("<a><!-- c -->y</a>", "y", "y"),
        ("<a>x<b/>y</a>", "xy", "x"),
        ("<a><![CDATA[x]]></a>", "x", ""),
        ("<a><![CDATA[x]]>y</a>", "xy", "y"),
        ("<a>x<![CDATA[y]]>z</a>", "xyz", "x"),
        ("<a>&lt;&#116;&#x74;&amp;</a>", "<tt&", "<tt&"),
        ("<!DOCTYPE a [<!ENTITY e 'x&#38;amp;y'>]><a>1&e;2</a>", "1x&y2", "1x&y2"),
        ("<!DOCTYPE a [<!ENTITY e SYSTEM 'f'>]><a>1&e;2</a>", "12", "12"),
        ("<!DOCTYPE a SYSTEM 'f'><a>1&e;2</a>", "12", "12"),
        ("<!DOCTYPE a [<!ENTITY e '>]'>]><a>&e;</a>", ">]", ">]"),
        ("<?xml version='1.0' encoding='latin1'?><a>é</a>", "é", "é"),
        ("<a>x<?pi?>y</a>", "xy", "x"),
    ];
    for (text, all, first) in cases {
        let node = parse(text).unwrap();
        assert_eq!((node.text.as_str(), node.first_text.as_str()), (all, first), "{text}");
    }
    let with_markup = "<!DOCTYPE a [<!ENTITY e '<b>x</b>'>]><a>&e;&e;</a>";
    assert_eq!(parse(with_markup).unwrap().children.len(), 2);
}

#[test]
fn hostile_documents_are_bounded() {
    let deep = "<a>".repeat(1000);
    assert!(flaw(&deep).unwrap().2.contains("nested more than"));
    let mut entities =
        "<!ENTITY a0 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'>".to_owned();
    for i in 1..10 {
        let last = format!("&a{};", i - 1).repeat(10);
        entities = format!("{entities}<!ENTITY a{i} '{last}'>");
    }
    let laughs = format!("<!DOCTYPE a [{entities}]><a>&a9;</a>");
    assert_eq!(flaw(&laughs).unwrap().2, "entities expand to too much text");
    let many = format!("<a>{}</a>", "<b/>".repeat(200_001));
    assert_eq!(flaw(&many).unwrap().2, "this is too large for a configuration");
}

const DOCUMENT: &str = "<cb_config>
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>tmp</working_dir>
    <backup_user>b</backup_user>
    <backup_group>b</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <collect>
    <collect_dir>/c</collect_dir><archive_mode>tarzst</archive_mode>
    <exculde><pattern>x</pattern></exculde>
    <dir><abs_path>/x/y</abs_path><collect_mode>dayly</collect_mode><ignore_file>i</ignore_file></dir>
    <dir><abs_path>/x-y</abs_path><collect_mode>daily</collect_mode><ignore_file>i</ignore_file></dir>
  </collect>
  <storages>
    <storage><name>a</name><type>local</type><path>/x</path></storage>
    <storage><name>a</name></storage>
    <storage><type>local</type></storage>
  </storages>
  <store><storage>b</storage></store>
  <hooks><hook><on>pre_acton</on></hook><hook/></hooks>
  <plugins><dir>x</dir><plugin><sha256>12</sha256></plugin></plugins>
  <mysql><password>hunter2</password></mysql>
  <acme/><zebra/>
  <collect/>
</cb_config>";

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let document = Document::from_bytes(Path::new("x.conf"), DOCUMENT.as_bytes()).unwrap();
    let found = check(&document, &["acme".to_owned()]);
    let lines: Vec<_> = found
        .iter()
        .map(|it| format!("{}:{} {}", it.position.line, it.position.column, it.message))
        .collect();
    assert_eq!(
        lines,
        [
            "4:18 the working directory `tmp` is not an absolute path",
            "11:6 unknown element <exculde>: it is ignored",
            "12:49 `dayly` is not a collect mode",
            "13:20 `/x-y` and `/x/y` have the same name of an archive, `x-y`",
            "17:20 more than one storage is called `a`",
            "18:6 <name> is missing",
            "20:19 there is no storage `b` in <storages>",
            "21:20 `pre_acton` is not an event that the program itself has",
            "21:42 <on> is missing: the hook listens to nothing",
            "22:17 `x` is not an absolute path",
            "22:25 <file> is missing",
            "22:40 `12` is not a SHA-256",
            "24:11 no plugin reads the section <zebra>",
            "25:4 a second <collect> is ignored",
        ]
    );
    let picture = pictures(&document, &found);
    assert!(picture.contains("--> x.conf:11:6"), "{picture}");
    assert!(picture.contains("help: did you mean <exclude>?"), "{picture}");
}

#[test]
fn a_picture_shows_the_line_and_marks_the_place() {
    let text = "<cb_config>\n  <mysql><password>hunter2</password><all>é maybe</all></mysql>\n</cb_config>";
    let position = Position { line: 2, column: 43 };
    let error = Diagnostic::error(position, "mysql/all", "`é maybe` is neither Y nor N")
        .help("write Y or N");
    assert_eq!(
        pictures_of("a.conf", text, [&error]),
        "error: `é maybe` is neither Y nor N
 --> a.conf:2:43
  |
2 |   <mysql><password>*******</password><all>é maybe</all></mysql>
  |                                           ^^^^^^^ mysql/all
  |
  = help: write Y or N

"
    );
}

#[test]
fn what_is_shown_has_no_secrets_and_everything_inherited() {
    let document = Document::from_bytes(Path::new("x.conf"), DOCUMENT.as_bytes()).unwrap();
    let shown = effective(&document);
    let text = effective_text(&shown);
    assert!(!text.contains("hunter2") && text.contains("password: ********"), "{text}");
    assert!(text.contains("archive: /c/x-y.tar.zst"), "{text}");
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["effective"]["order"][3], "collect");
    assert_eq!(json["storages"]["storage"][0]["type"], "local");
}

/// Text that looks much like a configuration.
fn documents() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<cb_config>"),
        Just("</cb_config>"),
        Just("<collect>"),
        Just("</collect>"),
        Just("<dir>"),
        Just("</dir>"),
        Just("<abs_path>"),
        Just("</abs_path>"),
        Just("/x é"),
        Just("<!-- c -->"),
        Just("<![CDATA["),
        Just("]]>"),
        Just("&amp;"),
        Just("&#10;"),
        Just("&e;"),
        Just("<!DOCTYPE a [<!ENTITY e '<b>\n</b>'>]>"),
        Just("<?xml version='1.0'?>"),
        Just("\r\n"),
        Just(" "),
        Just("<a b='c' x:d=\"e\"/>"),
        Just("<password>"),
        Just("<"),
        Just(">"),
        Just("\u{1}"),
        Just("\u{feff}"),
        Just("<options>"),
        Just("</options>"),
        Just("Y"),
        Just("-1"),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|it| it.concat())
}

fn all_positions(node: &Node, found: &mut Vec<Position>) {
    found.extend([node.position, node.text_position]);
    found.extend(node.attributes.iter().map(|it| it.position));
    node.children.iter().for_each(|it| all_positions(it, found));
}

fn is_inside(text: &str, position: Position) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let Some(line) = lines.get(position.line as usize - 1) else { return false };
    position.column as usize <= line.chars().count() + 1 && position.column > 0
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn any_document_comes_back_and_places_are_inside_of_it(text in documents()) {
        fuzz(text.as_bytes());
        let mut found = Vec::new();
        match parse(&text) {
            Ok(root) => all_positions(&root, &mut found),
            Err(error) => found.push(error.position),
        }
        for position in found {
            prop_assert!(is_inside(&text, position), "{position:?} in {text:?}");
        }
    }

    #[test]
    fn what_is_found_is_inside_of_the_document(middle in documents()) {
        let text = format!("<cb_config><options><working_dir>{middle}</working_dir></options></cb_config>");
        if let Ok(document) = Document::from_bytes(Path::new("x"), text.as_bytes()) {
            for it in check(&document, &[]) {
                prop_assert!(is_inside(&text, it.position), "{it:?} in {text:?}");
            }
        }
    }
}

#[test]
fn servers_alone_need_none_of_cedar_backups_sections() {
    let cases = [
        ("<postgres_servers/>", &[][..]),
        ("<storages/>", &[]),
        ("<hooks/>", &["NoActionSection", "NoOptions"]),
        ("<extensions/><postgres_servers/>", &["NoOptions"]),
        ("<purge/><postgres_servers/>", &["NoOptions"]),
    ];
    for (sections, expected) in cases {
        let text = format!("<cb_config>{sections}</cb_config>");
        let document = Document::from_bytes(Path::new("x.conf"), text.as_bytes()).unwrap();
        let (_, problems) = cedar::read(&document.root, &cedar::Names::any());
        let names = problems.iter().map(|it| it.cause.name());
        let found: Vec<&str> = names.filter(|it| it.starts_with("No")).collect();
        assert_eq!(found, expected, "{sections}");
    }
}
