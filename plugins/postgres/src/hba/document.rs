//! Rules as lines of a file.

use super::{
    address::Address,
    error::RuleError,
    matching::Fields,
    parse::parse_rule,
    rule::{Rule, Server},
};
use crate::auth::{document::Record, layout::Slot, word::Word};

/// One file of rules. What is not edited stays as it is, to the byte.
pub type Document = crate::auth::document::Document<Rule>;

/// A rule in a file.
pub type Placed = crate::auth::document::Placed<Rule>;

impl Record for Rule {
    type Fields = Fields;

    fn from_words(fields: &[Vec<Word>], server: &Server) -> Result<Self, RuleError> {
        parse_rule(fields, server)
    }

    fn to_fields(&self) -> Result<Vec<(Slot, Vec<u8>)>, RuleError> {
        let fields = self.write_fields()?;
        let addresses = self.address.as_ref().map_or(0, |it| it.words().len());
        Ok(slots(addresses, fields.len()).into_iter().zip(fields).collect())
    }

    fn slots(&self, fields: &[Vec<Word>]) -> Vec<Slot> {
        let uses_mask = || {
            let word = fields.get(3)?.first()?;
            Address::parse(word, fields.get(4).map(Vec::as_slice)).ok().map(|it| it.1)
        };
        let addresses = match &self.address {
            None => 0,
            Some(_) => 1 + usize::from(uses_mask() == Some(true)),
        };
        slots(addresses, fields.len())
    }

    fn usual() -> Vec<(Slot, usize)> {
        let slots = [Slot::First, Slot::Second, Slot::Third, Slot::Address, Slot::Method];
        slots.into_iter().zip([0, 8, 24, 40, 64]).collect()
    }

    fn has(&self, fields: &Fields) -> bool {
        fields.matches(self)
    }

    fn own_fields(&self) -> Fields {
        Fields::of(self)
    }
}

fn slots(addresses: usize, count: usize) -> Vec<Slot> {
    let mut slots = vec![Slot::First, Slot::Second, Slot::Third];
    slots.extend([Slot::Address, Slot::Mask].iter().take(addresses));
    slots.push(Slot::Method);
    slots.resize(count.max(slots.len()), Slot::Option);
    slots.truncate(count);
    slots
}

#[cfg(test)]
mod tests;
