//! The internal listener (health, metrics, realtime reads of peers) and the server of the command socket.
//!
//! The listener uses TCP and changes nothing.

pub mod commands;
pub mod server;
