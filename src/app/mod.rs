//! Starts and stops everything: the only place that knows all parts.

mod error;
mod metrics;
pub mod node;
pub mod notify;
pub mod pruning;
pub mod requests;
pub mod sockets;
mod tasks;
