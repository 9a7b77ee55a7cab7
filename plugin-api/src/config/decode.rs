//! Placeholder until the decoder is written.
use crate::{
    config::{Diagnostic, Node},
    error::{Error, Result},
};
use serde::Deserialize;

/// A type that a section decodes into.
pub trait Configuration: Sized {
    /// Decodes a section.
    fn decode(node: &Node) -> Decoded<Self>;
}
/// What decoding a section gave.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value, if there is no error.
    pub value: Option<T>,
    /// Everything found wrong.
    pub diagnostics: Vec<Diagnostic>,
}
/// Decodes a section.
pub fn decode<T: Configuration>(node: &Node) -> Result<T> {
    let decoded = T::decode(node);
    let errors = decoded.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    decoded.value.ok_or_else(|| Error::configuration(errors))
}
/// A configuration with nothing in it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NoConfig {}
impl Configuration for NoConfig {
    fn decode(_: &Node) -> Decoded<Self> {
        Decoded { value: Some(Self {}), diagnostics: Vec::new() }
    }
}
