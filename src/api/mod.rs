//! The public HTTP APIs.
//!
//! Each endpoint has a file: its request, its answer, its refusals, its work. [`surface`] is the table of endpoints,
//! `router` the paths, `dispatch` the way of a request to its endpoint, [`server`] the connections. Handlers call
//! operations of `accounts`, `peers`, `messaging`, `esim` and `catalog`; they contain no SQL and no money arithmetic.

pub mod amount;
mod attempts;
pub(crate) mod body;
pub mod call;
pub mod changes;
pub mod client;
mod costly;
mod described;
mod dispatch;
mod docs;
pub mod endpoint;
pub mod error;
pub mod esim;
pub mod idempotency;
mod limits;
mod openapi;
pub mod paged;
mod price_lists;
pub mod query;
pub mod refusals;
pub mod reseller;
pub mod route;
mod router;
pub mod rows;
pub mod server;
pub mod sms;
pub mod state;
pub(crate) mod subaccounts;
pub mod surface;
mod transport;

pub use self::state::Api;
