//! Compressors and encryptors that sections of actions name.

use hayloft_plugin_api::{Diagnostic, Node, cedar::Names};

use super::{Document, schema};

/// Finds the modes in the sections of actions that nothing offers. A plugin cannot
/// know when it reads its section; without this, it would show at night.
pub fn check_modes(document: &Document, names: &Names) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for element in schema::elements() {
        let (kind, known): (_, fn(&Names, &str) -> bool) = match element.name() {
            "compress_mode" => ("compressor", Names::has_compress_mode),
            "encrypt_mode" => ("encryptor", Names::has_encrypt_mode),
            _ => continue,
        };
        let mut nodes = vec![&document.root];
        for name in element.path.split('/') {
            nodes = nodes.into_iter().flat_map(|it| it.children_named(name)).collect();
        }
        let unknown = |it: &&Node| !it.text.trim().is_empty() && !known(names, it.text.trim());
        for node in nodes.into_iter().filter(unknown) {
            let message = format!("there is no {kind} `{}`", node.text.trim());
            found.push(
                Diagnostic::error(node.text_position, element.path, message)
                    .help("`hayloft plugin list` shows what there is"),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn modes_that_nothing_offers_are_found_with_their_places() {
        let text = "<cb_config>\n<mysql><compress_mode>zip</compress_mode></mysql>\n\
                    <mbox><compress_mode>gzip</compress_mode><file><compress_mode>xz</compress_mode></file>\
                    <file><compress_mode/></file></mbox>\n<encrypt><encrypt_mode>pgp</encrypt_mode></encrypt></cb_config>";
        let document = Document::from_bytes(Path::new("x"), text.as_bytes()).unwrap();
        let names = Names::new(["xz"], ["age"]);
        let found: Vec<String> = check_modes(&document, &names)
            .into_iter()
            .map(|it| format!("{} {}", it.position.line, it.message))
            .collect();
        assert_eq!(found, ["2 there is no compressor `zip`", "4 there is no encryptor `pgp`"]);
        assert!(check_modes(&document, &Names::any()).is_empty());
    }
}
