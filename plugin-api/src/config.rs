//! The configuration, as plugins get it: a tree of XML elements with
//! positions, decoded into the author's own type.

mod decode;
mod diagnostic;
mod node;

pub use self::{
    decode::{Configuration, Decoded, NoConfig, decode},
    diagnostic::{Diagnostic, RDiagnostic, Severity},
    node::{Attribute, Node, Position},
};
