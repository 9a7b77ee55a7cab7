//! Whether staged files leave the machine before they are encrypted.

use hayloft_plugin_api::{
    Diagnostic, Node,
    cedar::{Extensions, Names, Order, text},
};

/// Actions that take staged files elsewhere, each with the elements of its
/// section by which it encrypts them on the way.
const TAKERS: [(&str, &[&str]); 2] =
    [("store", &["encryptor"]), ("amazons3", &["encrypt", "encryptor"])];

/// Finds an `encrypt` that comes too late, as in the example of Cedar Backup's
/// manual.
pub fn check(document: &Node) -> Vec<Diagnostic> {
    let (sections, _) = hayloft_plugin_api::cedar::read(document, &Names::any());
    let Some(extensions) = &sections.extensions else { return Vec::new() };
    // A wrong order is an error that others find.
    let Ok(order) = Order::new(Some(extensions)) else { return Vec::new() };
    let place = |plugin: &str| {
        let name = name_of(extensions, plugin)?;
        Some((order.position(&name)?, name))
    };
    let Some((encrypt, own)) = place("encrypt") else { return Vec::new() };
    let position = extensions
        .actions
        .iter()
        .find(|it| it.plugin_name() == Ok("encrypt"))
        .map_or(extensions.place.position, |it| it.place.position);
    let too_early = |(plugin, encrypting): &(&str, &[&str])| {
        let clear = takes_clear_text(document, plugin, encrypting);
        let (taker, name) = place(plugin).filter(|_| clear)?;
        let message = format!("`{own}` comes after `{name}`, which takes clear text then");
        let help = format!("let it come before `{name}`: give it a lower index");
        let found = Diagnostic::warning(position, "extensions/action", message).help(help);
        (taker < encrypt).then_some(found)
    };
    TAKERS.iter().filter_map(too_early).collect()
}

/// Returns the name of the action that a plugin is run as.
fn name_of(extensions: &Extensions, plugin: &str) -> Option<String> {
    let action = extensions.actions.iter().find(|it| it.plugin_name() == Ok(plugin));
    match action {
        Some(action) => text(&action.name).map(ToOwned::to_owned),
        None => (plugin == "store").then(|| plugin.to_owned()),
    }
}

fn takes_clear_text(document: &Node, section: &str, encrypting: &[&str]) -> bool {
    let Some(section) = document.child(section) else { return false };
    !encrypting.iter().filter_map(|it| section.child(it)).any(|it| {
        let name = it.first_text.trim();
        !name.is_empty() && name != "none"
    })
}
