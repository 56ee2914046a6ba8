//! Messages: who takes them, what became of them.

mod alphabet;
pub mod connector;
mod http;
pub mod providers;
mod simulator;
mod smpp;
