//! Quantities of bytes, as Cedar Backup reads and shows them.

use std::fmt;

use super::{Cause, python, reader::Reader};
use crate::config::Position;

/// A number of bytes, kept as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ByteQuantity {
    /// The number, as it was written.
    pub quantity: String,
    /// `bytes`, `KB`, `MB` or `GB`; powers of 1024.
    pub units: &'static str,
    /// The number of bytes: it may have a fraction, and may even be infinite
    /// or not a number.
    pub bytes: f64,
    /// Where it stands.
    pub position: Position,
}

const UNITS: [(&str, f64); 3] =
    [("KB", 1024.0), ("MB", 1024.0 * 1024.0), ("GB", 1024.0 * 1024.0 * 1024.0)];

impl ByteQuantity {
    /// Returns the whole number of bytes; as much as there can be if it is
    /// infinite.
    pub fn whole(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates, and negative numbers are refused"
        )]
        let bytes = self.bytes as u64;
        bytes
    }
}

/// As in `10.00 kB`; whole bytes below 1024.
impl fmt::Display for ByteQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kilo, mega, giga] = UNITS.map(|(_, factor)| factor);
        // Python's names of what is not a number; Rust's differ in case.
        let show = |bytes: f64| format!("{bytes:.2}").to_lowercase();
        match self.bytes {
            bytes if bytes < kilo => write!(f, "{} bytes", bytes.trunc()),
            bytes if bytes < mega => write!(f, "{} kB", show(bytes / kilo)),
            bytes if bytes < giga => write!(f, "{} MB", show(bytes / mega)),
            bytes => write!(f, "{} GB", show(bytes / giga)),
        }
    }
}

pub(super) fn read(reader: &Reader<'_>, name: &str) -> Option<ByteQuantity> {
    let text = reader.text(name)?;
    let trimmed = text.trim();
    let (quantity, units, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((trimmed.strip_suffix(unit)?.trim(), *unit, *factor)))
        .unwrap_or((trimmed, "bytes", 1.0));
    let number = python::float(quantity);
    match number {
        None => reader.fail(Cause::QuantityNotNumber, name, &text),
        Some(number) if number < 0.0 => reader.fail(Cause::QuantityNegative, name, &text),
        Some(_) => {}
    }
    Some(ByteQuantity {
        quantity: quantity.to_owned(),
        units,
        bytes: number.unwrap_or_default() * factor,
        position: text.position,
    })
}
