//! The configuration, as plugins get it: a tree of XML elements with
//! positions, decoded into the author's own type.
//!
//! A plugin's section is any [`serde::Deserialize`] type; see [`decode`] for
//! how elements become fields. [`Secret`], [`SecretSource`], [`ByteSize`] and
//! [`Duration`] are ready-made types for fields.

mod decode;
mod diagnostic;
mod nearest;
mod node;
mod quantity;
mod secret;

pub use self::{
    decode::{Configuration, Decoded, NoConfig, decode},
    diagnostic::{Diagnostic, RDiagnostic, Severity},
    nearest::nearest,
    node::{Attribute, Node, Position},
    quantity::{ByteSize, Duration},
    secret::{Secret, SecretSource},
};
