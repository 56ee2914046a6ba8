//! Messages: who takes them, what became of them.

pub mod connector;
