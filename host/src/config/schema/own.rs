//! The sections that Cedar Backup does not have.

use super::{
    Element,
    Kind::{self, Boolean, Path, Span, Text},
    element,
};

const fn own(path: &'static str, kind: Kind, meaning: &'static str) -> Element {
    element(path, kind, meaning).ours()
}

pub(super) const ELEMENTS: &[Element] = &[
    own("plugins", Kind::Element, "Where plugins are, besides the usual directories"),
    own("plugins/dir", Path, "A directory that is searched").repeatable(),
    own("plugins/plugin", Kind::Element, "A single plugin").repeatable(),
    own("plugins/plugin/file", Path, "Its file").required(),
    own("plugins/plugin/sha256", Text, "The SHA-256 that the file must have"),
    own("storages", Kind::Element, "Places that keep backups"),
    own("storages/storage", Kind::Element, "One of them; further elements are those of its plugin")
        .repeatable(),
    own("storages/storage/name", Text, "The name that others refer to it by").required(),
    own(
        "storages/storage/type",
        Text,
        "What the plugin calls this kind of storage; otherwise the name",
    ),
    own("compressors", Kind::Element, "Compressors with settings of their own"),
    own(
        "compressors/compressor",
        Kind::Element,
        "One of them; further elements are those of its plugin",
    )
    .repeatable(),
    own("compressors/compressor/name", Text, "The name that others refer to it by").required(),
    own("compressors/compressor/type", Text, "What the plugin calls it; otherwise the name"),
    own("encryptors", Kind::Element, "Encryptors with their keys"),
    own(
        "encryptors/encryptor",
        Kind::Element,
        "One of them; further elements are those of its plugin",
    )
    .repeatable(),
    own("encryptors/encryptor/name", Text, "The name that others refer to it by").required(),
    own("encryptors/encryptor/type", Text, "What the plugin calls it; otherwise the name"),
    own("hooks", Kind::Element, "What is told of events"),
    own("hooks/hook", Kind::Element, "A listener; further elements are those of its plugin")
        .repeatable(),
    own("hooks/hook/on", Text, "An event, such as `pre_action` or `on_error`")
        .required()
        .repeatable(),
    own("hooks/hook/type", Text, "What the plugin calls this kind of hook").default("script"),
    own("hooks/hook/action", Text, "Only for this action").repeatable(),
    own("hooks/hook/retry", Boolean, "Whether it may ask to be called again").default("N"),
    own("hooks/hook/timeout", Span, "How long it may take"),
    own(
        "postgres_servers",
        Kind::Element,
        "Physical backups and WAL of PostgreSQL servers; see that part of the book",
    ),
];
