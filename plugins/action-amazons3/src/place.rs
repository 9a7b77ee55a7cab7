//! Where in which storage.

use hayloft_plugin_api::{Error, ErrorKind, Host, Node, Result, StorageHandle};

/// The type of storage that a bucket is opened with.
const BUCKETS: &str = "s3";
/// What a bucket's storage reads of its section that we say ourselves.
const OURS: [&str; 4] = ["name", "type", "bucket", "prefix"];

/// A place in a storage.
#[derive(Debug)]
pub(crate) struct Place {
    /// The storage.
    pub(crate) storage: StorageHandle,
    /// What all keys begin with: nothing, or segments and a slash.
    pub(crate) prefix: String,
    /// What people call it.
    pub(crate) name: String,
}

/// Takes `bucket/path`, with or without `s3://`, apart. The path ends with a
/// slash unless it is empty.
///
/// # Errors
///
/// If it cannot be part of a key.
pub(crate) fn bucket_and_prefix(text: &str) -> Result<(String, String)> {
    let rest = text.strip_prefix("s3://").unwrap_or(text);
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.chars().any(|it| it.is_control() || it.is_whitespace()) {
        return Err(Error::new(ErrorKind::CONFIGURATION, format!("`{text}` names no bucket")));
    }
    Ok((bucket.to_owned(), prefix(path)?))
}

/// Reads the path below a bucket: slashes around it do not matter.
///
/// # Errors
///
/// If it cannot be part of a key.
pub(crate) fn prefix(path: &str) -> Result<String> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    let bad =
        |it: &str| it.is_empty() || it == "." || it == ".." || it.chars().any(char::is_control);
    if path.split('/').any(bad) {
        let message = format!("`{path}` cannot be what keys begin with");
        return Err(Error::new(ErrorKind::CONFIGURATION, message));
    }
    Ok(format!("{path}/"))
}

impl Place {
    /// Opens a storage of the configuration by its name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn configured(host: &Host, name: &str, prefix: String) -> Result<Self> {
        let storage = host.storage(name)?;
        Ok(Self { storage, prefix, name: name.to_owned() })
    }

    /// Opens a bucket, with the settings of a storage of the configuration
    /// that has the same bucket, if there is one. Without one, the files of
    /// Amazon's programs are in `profile_dir`, if they are not where they
    /// usually are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if no plugin knows buckets.
    pub(crate) fn bucket(
        host: &Host,
        bucket: &str,
        prefix: String,
        profile_dir: Option<&str>,
    ) -> Result<Self> {
        let section = section(&host.document(), bucket, profile_dir);
        let storage = host.storage_of(BUCKETS, &section).map_err(|error| {
            if ![ErrorKind::NOT_FOUND, ErrorKind::UNSUPPORTED].contains(&error.kind()) {
                return error;
            }
            let message = format!(
                "the bucket {bucket} needs a plugin that offers the storage `{BUCKETS}`, and there is none"
            );
            error.context(message).hint(
                "install it, or name one of <storages>: <storage>NAME</storage> in <amazons3>, \
                 --storage NAME for amazons3-sync",
            )
        })?;
        Ok(Self { storage, name: format!("s3://{bucket}/{prefix}"), prefix })
    }
}

/// Returns the settings for a bucket. Where keys begin is said by whoever
/// uploads, as with Cedar Backup.
fn section(root: &Node, bucket: &str, profile_dir: Option<&str>) -> Node {
    let is = |node: &Node, name: &str, text: &str| {
        node.child(name).is_some_and(|it| it.text.trim() == text)
    };
    let text = |name: &str, text: &str| Node {
        text: text.into(),
        first_text: text.into(),
        ..Node::empty(name, root.position)
    };
    let storages = root.child("storages").into_iter();
    let known = storages
        .flat_map(|it| it.children_named("storage"))
        .find(|it| is(it, "type", BUCKETS) && is(it, "bucket", bucket));
    let of_cedar = profile_dir.filter(|_| known.is_none()).map(|it| text("profile_dir", it));
    let mut section = known.cloned().unwrap_or_else(|| Node::empty("storage", root.position));
    section.children = section
        .children
        .into_iter()
        .filter(|it| !OURS.contains(&it.name.as_str()))
        .chain([text("bucket", bucket)])
        .chain(of_cedar)
        .collect();
    section
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Position;

    use super::*;

    #[test]
    fn a_bucket_may_carry_a_path() {
        let cases = [
            ("bucket", Some(("bucket", ""))),
            ("bucket/", Some(("bucket", ""))),
            ("s3://bucket", Some(("bucket", ""))),
            ("s3://bucket/", Some(("bucket", ""))),
            ("bucket/a/b", Some(("bucket", "a/b/"))),
            ("s3://bucket//a/b/", Some(("bucket", "a/b/"))),
            ("bucket/ä b", Some(("bucket", "ä b/"))),
            ("", None),
            ("/a", None),
            ("s3://", None),
            ("bucket/a/../b", None),
            ("bucket/a//b", None),
            ("buck et", None),
            ("bucket/a\nb", None),
        ];
        for (text, expected) in cases {
            let found = bucket_and_prefix(text).ok();
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn settings_of_the_same_bucket_are_used() {
        let position = Position::default();
        let text = |name: &str, text: &str| Node {
            text: text.into(),
            first_text: text.into(),
            ..Node::empty(name, position)
        };
        let storage = |bucket: &str| {
            let children = [
                text("name", "offsite"),
                text("type", "s3"),
                text("bucket", bucket),
                text("prefix", "p"),
                text("region", "eu-1"),
            ];
            Node { children: children.into_iter().collect(), ..Node::empty("storage", position) }
        };
        let mut root = Node::empty("cb_config", position);
        let mut storages = Node::empty("storages", position);
        storages.children.extend([storage("other"), storage("mine")]);
        root.children.push(storages);
        let cases = [("mine", vec!["region", "bucket"]), ("new", vec!["bucket", "profile_dir"])];
        for (bucket, expected) in cases {
            let section = section(&root, bucket, Some("/home/backup/.aws"));
            let names: Vec<_> = section.children.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, expected);
            assert_eq!(section.child("bucket").unwrap().text, bucket);
        }
    }
}
