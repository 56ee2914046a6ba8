//! Tariffs, plans and trunks: import, validate, compile, publish.

pub mod admin;
pub mod deck;
pub mod fx;
