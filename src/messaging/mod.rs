//! Messages: who takes them, what became of them.

pub mod connector;
pub mod price;
pub mod segments;
