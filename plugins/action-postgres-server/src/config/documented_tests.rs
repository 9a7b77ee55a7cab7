//! Every element that is read is in the book.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor},
    forward_to_deserialize_any,
};

use super::{
    Assertion, Backup, BackupStorage, Drill, DrillSetting, PostgresServers, Server, Wal, WalStorage,
};

/// Ends with the names of the fields that are asked for.
struct Asked;

#[derive(Debug)]
struct Fields(Vec<String>);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Fields {}

impl serde::de::Error for Fields {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().lines().map(ToOwned::to_owned).collect())
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        Err(Fields::custom(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields::custom(fields.join("\n")))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields<T: for<'de> Deserialize<'de> + fmt::Debug>() -> Vec<String> {
    T::deserialize(Asked).unwrap_err().0
}

#[test]
fn every_element_is_in_the_book() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let cases = [
        ("postgresql-servers.md", fields::<PostgresServers>()),
        ("postgresql-servers.md", fields::<Server>()),
        ("postgresql-wal.md", fields::<Wal>()),
        ("postgresql-wal.md", fields::<WalStorage>()),
        ("postgresql-backups.md", fields::<Backup>()),
        ("postgresql-backups.md", fields::<BackupStorage>()),
        ("postgresql-drill.md", fields::<Drill>()),
        ("postgresql-drill.md", fields::<Assertion>()),
        ("postgresql-drill.md", fields::<DrillSetting>()),
    ];
    for (page, names) in cases {
        assert!(!names.is_empty(), "{page}");
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        for name in names {
            let told = [format!("`{name}`"), format!("<{name}>")];
            assert!(told.iter().any(|it| text.contains(it)), "{name} is not in {page}");
        }
    }
}
