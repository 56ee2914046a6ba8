//! Authorise, settle and recover calls.

mod adopt;
pub mod agi;
pub mod authorize;
mod channel;
mod close;
mod ended;
mod error;
pub mod follow;
mod funding;
pub mod grant;
pub mod link_state;
pub mod links;
pub mod live;
pub mod meter;
pub mod open;
pub mod orders;
mod pricing;
mod proof;
pub mod reconcile;
pub mod refusal;
pub mod request;
pub mod restored;
pub mod settle;
mod spooled;
mod state;
pub mod steer;
pub mod ticket;
pub mod unsettled;
pub mod view;
mod void;

pub use self::channel::Channel;
pub use self::error::SettleError;
pub use self::state::{CallSettings, Calls};
