//! What must be permitted, as the stores call it.

/// Something that a storage may forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    List,
    Write,
    Read,
    Remove,
    ListUploads,
}

impl Right {
    /// Says that it is missing for a storage of that type.
    pub(super) fn missing(self, kind: &str) -> String {
        let what = match self {
            Self::List => "list objects",
            Self::Write => "write objects",
            Self::Read => "read objects",
            Self::Remove => "remove objects",
            Self::ListUploads => "list unfinished uploads",
        };
        match self.called(kind) {
            Some(name) => format!("the right is missing to {what} ({name})"),
            None => format!("the right is missing to {what}"),
        }
    }

    /// Returns its name where the stores of that type have one: actions in
    /// policies of Amazon S3, permissions of Google Cloud's roles, data actions
    /// of Azure's roles with the letters of shared access signatures, methods
    /// of WebDAV.
    fn called(self, kind: &str) -> Option<&'static str> {
        Some(match (kind, self) {
            ("s3", Self::List) => "s3:ListBucket",
            ("s3", Self::Write) => "s3:PutObject, s3:AbortMultipartUpload",
            ("s3", Self::Read) => "s3:GetObject",
            ("s3", Self::Remove) => "s3:DeleteObject",
            ("s3", Self::ListUploads) => "s3:ListBucketMultipartUploads",
            ("gcs", Self::List) => "storage.objects.list",
            ("gcs", Self::Write) => "storage.objects.create, storage.multipartUploads.create",
            ("gcs", Self::Read) => "storage.objects.get",
            ("gcs", Self::Remove) => "storage.objects.delete",
            ("gcs", Self::ListUploads) => "storage.multipartUploads.list",
            ("azure", Self::List | Self::ListUploads) => "blobs/read, or `l` in a signature",
            ("azure", Self::Write) => "blobs/write, or `c` and `w` in a signature",
            ("azure", Self::Read) => "blobs/read, or `r` in a signature",
            ("azure", Self::Remove) => "blobs/delete, or `d` in a signature",
            ("http", Self::List | Self::ListUploads) => "PROPFIND",
            ("http", Self::Write) => "PUT, MKCOL, MOVE",
            ("http", Self::Read) => "GET",
            ("http", Self::Remove) => "DELETE",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_have_the_names_of_the_store() {
        let cases = [
            ("s3", Right::List, "the right is missing to list objects (s3:ListBucket)"),
            ("gcs", Right::Read, "the right is missing to read objects (storage.objects.get)"),
            ("http", Right::Remove, "the right is missing to remove objects (DELETE)"),
            ("local", Right::Write, "the right is missing to write objects"),
        ];
        for (kind, right, expected) in cases {
            assert_eq!(right.missing(kind), expected);
        }
    }
}
