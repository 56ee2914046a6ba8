//! Starts and stops everything: the only place that knows all parts.

pub mod desk;
mod installation;
pub mod lease;
pub mod node;
pub mod notify;
mod owner_link;
pub mod ownership;
pub mod pruning;
pub mod requests;
pub mod sockets;
mod spool_dir;
mod takeover;
mod tasks;
