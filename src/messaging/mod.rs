//! Messages: their prices, the providers that send them, their outcomes.
//!
//! `single` sends one message, [`campaigns`] one text to many recipients. `sender` claims due messages, each once, and submits
//! them over a [`connector`]; `outcomes` writes the result together with the money, `receipts` the delivery state.

pub(crate) mod alphabet;
pub mod campaigns;
pub mod connector;
mod error;
mod housekeeping;
pub(crate) mod http;
mod outcome;
mod outcomes;
mod pace;
pub mod prepare;
pub mod price;
pub mod providers;
mod pruning;
mod receipts;
pub mod segments;
mod sender;
mod service;
mod shares;
mod simulator;
mod single;
pub(crate) mod smpp;
mod staging;
mod start;
mod under_way;
mod unsent;
pub mod wall_time;

pub use self::error::{CancelError, MessagingError, OrderError, SendError};
pub use self::outcome::Ended;
pub use self::pruning::Pruned;
pub use self::service::Messaging;
pub use self::single::Sent;
