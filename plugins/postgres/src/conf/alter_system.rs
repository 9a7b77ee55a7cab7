//! Statements for `postgresql.auto.conf`, which only the server writes.

use super::{ConfError, Edit, edit::lossy, name::is_settable};

/// Parameters that hold a list of names, each quoted by itself
/// (`GUC_LIST_QUOTE`).
const LISTS: [&str; 5] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
];

impl Edit {
    /// Returns the statement that makes this edit in `postgresql.auto.conf`:
    /// `ALTER SYSTEM SET` or `RESET`. It needs a superuser (or, from 15 on,
    /// the right to it) and counts from the next reload on.
    ///
    /// The value is UTF-8. Of parameters that are lists, such as
    /// `search_path`, it is taken apart as in a file.
    ///
    /// # Errors
    ///
    /// [`ConfError::BadName`], [`ConfError::ZeroByte`],
    /// [`ConfError::LineEnd`].
    pub fn alter_system(&self) -> Result<String, ConfError> {
        let bad = || ConfError::BadName { name: lossy(self.name()) };
        let name = str::from_utf8(self.name()).map_err(|_| bad())?;
        if !is_settable(name.as_bytes()) {
            return Err(bad());
        }
        let quoted: Vec<String> = name.split('.').map(|it| format!("\"{it}\"")).collect();
        let quoted = quoted.join(".");
        let Self::Set { value, .. } = self else {
            return Ok(format!("ALTER SYSTEM RESET {quoted}"));
        };
        if value.contains(&0) {
            return Err(ConfError::ZeroByte { name: name.to_owned() });
        }
        if value.contains(&b'\n') {
            return Err(ConfError::LineEnd { name: name.to_owned() });
        }
        let value = lossy(value);
        let is_list = LISTS.iter().any(|it| it.eq_ignore_ascii_case(name));
        let elements = if is_list { elements(&value) } else { vec![value] };
        let literals: Vec<String> = elements.iter().map(|it| literal(it)).collect();
        Ok(format!("ALTER SYSTEM SET {quoted} = {}", literals.join(", ")))
    }
}

/// Takes a list apart: names in double quotes as they are, others in small
/// letters.
fn elements(list: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let mut element = String::new();
        if let Some(mut inner) = rest.strip_prefix('"') {
            while let Some((text, after)) = inner.split_once('"') {
                element.push_str(text);
                inner = after;
                let Some(more) = after.strip_prefix('"') else { break };
                element.push('"');
                inner = more;
            }
            rest = inner.trim_start().trim_start_matches(',').trim_start();
        } else {
            let (text, after) = rest.split_once(',').unwrap_or((rest, ""));
            element = text.trim().to_lowercase();
            rest = after.trim_start();
        }
        elements.push(element);
    }
    if elements.is_empty() {
        elements.push(String::new());
    }
    elements
}

fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        // Right whatever `standard_conforming_strings` says.
        return format!("E'{}'", doubled.replace('\\', "\\\\"));
    }
    format!("'{doubled}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_lists_taken_apart() {
        let cases = [
            ("work_mem", "4MB", "ALTER SYSTEM SET \"work_mem\" = '4MB'"),
            ("my.x", r"it's \ so", r#"ALTER SYSTEM SET "my"."x" = E'it''s \\ so'"#),
            (
                "search_path",
                r#""$user", Public , "a""b""#,
                r#"ALTER SYSTEM SET "search_path" = '$user', 'public', 'a"b'"#,
            ),
            ("search_path", "", "ALTER SYSTEM SET \"search_path\" = ''"),
            ("listen_addresses", "a, b", "ALTER SYSTEM SET \"listen_addresses\" = 'a, b'"),
        ];
        for (name, value, sql) in cases {
            assert_eq!(Edit::set(name, value).alter_system().unwrap(), sql);
        }
        assert_eq!(
            Edit::unset("work_mem").alter_system().unwrap(),
            "ALTER SYSTEM RESET \"work_mem\""
        );
    }

    #[test]
    fn what_the_server_would_not_read_back_is_refused() {
        assert!(matches!(Edit::set("a", "x\ny").alter_system(), Err(ConfError::LineEnd { .. })));
        assert!(matches!(Edit::set("a", "x\0y").alter_system(), Err(ConfError::ZeroByte { .. })));
        assert!(matches!(Edit::set("a\"b", "x").alter_system(), Err(ConfError::BadName { .. })));
    }
}
