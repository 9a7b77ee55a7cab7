//! An event as variables of an environment.

use std::collections::BTreeMap;

use hayloft_plugin_api::Event;

/// The longest value that is handed over, in bytes: the kernel takes no more
/// than 128 KiB with the name. The JSON document has all of it.
const LONGEST_VALUE: usize = 64 << 10;

/// Returns `HAYLOFT_EVENT`, and for each field `HAYLOFT_…`; for a field
/// `barman.…`, which stands for a variable of Barman's, `BARMAN_…`.
pub(crate) fn variables(event: &Event) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = event
        .fields
        .iter()
        .filter_map(|(field, value)| Some((variable(field)?, shortened(value))))
        .collect();
    if all.keys().any(|it| it.starts_with("BARMAN_")) {
        let retried = crate::is_retried(event);
        let text = if retried { "1" } else { "0" };
        all.entry("BARMAN_RETRY".to_owned()).or_insert_with(|| text.to_owned());
        if retried && let Some(hook) = all.get_mut("BARMAN_HOOK") {
            *hook = retry_script(hook);
        }
    }
    all.insert("HAYLOFT_EVENT".to_owned(), shortened(&event.name));
    all
}

/// Barman has two options for each event, whose names scripts are told.
fn retry_script(hook: &str) -> String {
    match hook.strip_suffix("_script") {
        Some(event) if !event.ends_with("_retry") => format!("{event}_retry_script"),
        _ => hook.to_owned(),
    }
}

fn variable(field: &str) -> Option<String> {
    let (prefix, name) = match field.strip_prefix("barman.") {
        Some(name) => ("BARMAN_", name),
        None => ("HAYLOFT_", field),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    (!name.is_empty()).then(|| prefix.chars().chain(name.chars().map(plain)).collect())
}

/// Variables cannot contain NUL.
fn shortened(value: &str) -> String {
    let value = value.replace('\0', "");
    let end = value.floor_char_boundary(LONGEST_VALUE);
    value[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_variables() {
        let event = Event::new("pre_archive")
            .field("wal", "000000010000000000000001")
            .field("backup.id", "20261121T101500")
            .field("größe", "1\x002")
            .field("event", "not this")
            .field("", "nothing")
            .field("barman.segment", "0001")
            .field("barman.", "nothing");
        let found: Vec<_> = variables(&event).into_iter().collect();
        let expected = [
            ("BARMAN_RETRY", "0"),
            ("BARMAN_SEGMENT", "0001"),
            ("HAYLOFT_BACKUP_ID", "20261121T101500"),
            ("HAYLOFT_EVENT", "pre_archive"),
            ("HAYLOFT_GR__E", "12"),
            ("HAYLOFT_WAL", "000000010000000000000001"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_hook_that_is_called_again_is_barmans_retry_script() {
        let event = Event::new("pre_archive").field("barman.hook", "archive_script");
        assert_eq!(variables(&event)["BARMAN_HOOK"], "archive_script");
        let retried = variables(&event.field("retry", "1"));
        assert_eq!(retried["BARMAN_HOOK"], "archive_retry_script");
        assert_eq!(retried["BARMAN_RETRY"], "1");
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_between_characters() {
        let event = Event::new("x").field("error", "ü".repeat(100_000)).field("retry", "1");
        let all = variables(&event);
        assert_eq!(all["HAYLOFT_ERROR"].len(), LONGEST_VALUE);
        assert!(!all.contains_key("BARMAN_RETRY"));
    }
}
