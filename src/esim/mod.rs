//! eSIM plans for travellers: bought from an upstream, sold from the same wallets as calls.
//!
//! [`catalogue`] holds the packages and their prices, [`orders`] a purchase from its hold to its eSIM, [`worker`] completes
//! orders and follows usage, [`upstream`] is the seller: one trait, one folder for each implementation.

pub mod catalogue;
mod due;
pub mod notice;
pub mod orders;
pub mod price;
pub mod qr;
mod state;
mod sync;
pub mod upstream;
pub mod worker;

pub use self::price::markups;
pub use self::state::Esim;
pub use self::sync::{SyncError, rates, sync};
pub use self::upstream::esim_access::simulator;
