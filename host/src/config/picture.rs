//! Pictures of what is wrong: the line, and a mark below the place.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use hayloft_plugin_api::Diagnostic;

use super::{Document, position, secrets};

/// Draws everything that was found, each with its line of the file. Secrets in
/// those lines are blotted out.
pub fn pictures<'a>(
    document: &Document,
    found: impl IntoIterator<Item = &'a Diagnostic>,
) -> String {
    pictures_of(&document.path.display().to_string(), &document.text, found)
}

/// Draws everything that was found in a text that need not be a document.
pub fn pictures_of<'a>(
    path: &str,
    text: &str,
    found: impl IntoIterator<Item = &'a Diagnostic>,
) -> String {
    let text = secrets::blotted(text);
    let mut drawn = String::new();
    for diagnostic in found {
        drawn.push_str(&picture(path, &text, diagnostic));
        drawn.push_str("\n\n");
    }
    drawn
}

fn picture(path: &str, text: &str, diagnostic: &Diagnostic) -> String {
    let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
    let start = position::offset(text, diagnostic.position);
    let length = text[start..]
        .find(|c: char| c.is_control() || matches!(c, '<' | '>'))
        .unwrap_or(text.len() - start);
    // At least the character that is there.
    let first = text[start..].chars().next().map_or(0, char::len_utf8);
    let mark = AnnotationKind::Primary.span(start..start + length.max(first));
    let mark = if diagnostic.path.is_empty() { mark } else { mark.label(&*diagnostic.path) };
    let snippet = Snippet::source(text).path(path).annotation(mark);
    let mut group = level.primary_title(&*diagnostic.message).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    Renderer::plain().render(&[group])
}
