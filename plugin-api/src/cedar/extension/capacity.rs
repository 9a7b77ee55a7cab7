//! The `<capacity>` section.

use crate::{
    cedar::{
        ByteQuantity, Cause, Place, python, quantity,
        reader::{Findings, Reader},
        section::{Context, Section},
    },
    config::Position,
};

/// When the disc counts as full.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capacity {
    /// At what share in use.
    pub max_percentage: Option<Percentage>,
    /// Below how many free bytes.
    pub min_bytes: Option<ByteQuantity>,
    /// Where the section is.
    pub place: Place,
}

/// A percentage, kept as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Percentage {
    /// As it was written, with blanks.
    pub quantity: String,
    /// The number, from 0 to 100.
    pub value: f64,
    /// Where it stands.
    pub position: Position,
}

impl Section for Capacity {
    const NAME: &'static str = "capacity";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            max_percentage: percentage(reader),
            min_bytes: quantity::read(reader, "min_bytes"),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        match (&self.max_percentage, &self.min_bytes) {
            (None, None) => findings.missing(Cause::CapacityMissing, &self.place),
            (Some(_), Some(_)) => findings.missing(Cause::CapacityBoth, &self.place),
            _ => {}
        }
    }
}

fn percentage(reader: &Reader<'_>) -> Option<Percentage> {
    let name = "max_percentage";
    let text = reader.text(name)?;
    let number = python::float(&text);
    match number {
        None => reader.fail(Cause::NotNumber, name, &text),
        // What is not a number at all, `nan`, slips through.
        Some(number) if !number.is_nan() && !(0.0..=100.0).contains(&number) => {
            reader.fail(Cause::PercentageOutOfRange, name, &text);
        }
        Some(_) => {}
    }
    let value = number.unwrap_or_default();
    Some(Percentage { quantity: text.value, value, position: text.position })
}
